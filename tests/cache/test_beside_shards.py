"""Files beside the shards that are damaged count as not there."""

import io
import json
import os
import zipfile

import numpy as np
import pytest

from bottlebank.cache import CacheFolder, Key
from bottlebank.errors import CacheError

PRINT = "c" * 64
NAME = "0123456789abcdef"
KEYS = [Key(bytes(range(32))), Key(bytes(range(32, 64)))]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "cache" / PRINT).mkdir(parents=True)
    with CacheFolder(tmp_path / "cache") as folder:
        folder.keep_parity(PRINT, "float32", [b"one", b"three"], np.ones((2, 4), "f4"))
        folder.keep_training_rows(PRINT, NAME, KEYS, json.dumps(["a", "b"]).encode())
        yield folder


def saved(save=np.savez, **arrays):
    buffer = io.BytesIO()
    save(buffer, **arrays)
    return buffer.getvalue()


def bomb(path):
    """A few kB that say they are 8 GB."""
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (8000000000,), }"
    header += b" " * (118 - len(header) - 1) + b"\n"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("files", "lengths", "features", "keys", "labels"):
            archive.writestr(f"{name}.npy", b"\x93NUMPY\x01\0" + b"\x76\0" + header)


def promising(path):
    """Stored, and the header promises more than there is."""
    data = path.read_bytes()
    for shape in (b"(8,)", b"(2, 32)"):
        data = data.replace(
            b"'shape': " + shape, b"'shape': (9999999,)"[: len(b"'shape': " + shape)]
        )
    path.write_bytes(data)


HARMS = {
    "empty": lambda path: path.write_bytes(b""),
    "garbage": lambda path: path.write_bytes(os.urandom(5000)),
    "text": lambda path: path.write_text("parity"),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "a bomb": bomb,
    "a promise": promising,
    "no arrays": lambda path: path.write_bytes(saved()),
    "others": lambda path: path.write_bytes(saved(x=np.zeros(3))),
    "pickles": lambda path: path.write_bytes(
        saved(**dict.fromkeys(("files", "lengths", "features"), np.array([{}], object)))
    ),
    "compressed": lambda path: path.write_bytes(
        saved(np.savez_compressed, **np.load(io.BytesIO(path.read_bytes())))
    ),
    "other types": lambda path: path.write_bytes(
        saved(
            **{name: a.astype("f8") for name, a in np.load(io.BytesIO(path.read_bytes())).items()}
        )
    ),
    "more dimensions": lambda path: path.write_bytes(
        saved(**{name: a[None] for name, a in np.load(io.BytesIO(path.read_bytes())).items()})
    ),
    "fewer values": lambda path: path.write_bytes(
        saved(**{name: a[:1] for name, a in np.load(io.BytesIO(path.read_bytes())).items()})
    ),
    "a bare array": lambda path: np.save(path.open("wb"), np.zeros(3)),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
    "a link to a device": lambda path: (path.unlink(), path.symlink_to("/dev/zero")),
}


@pytest.mark.filterwarnings("ignore:unclosed file")
@pytest.mark.parametrize("harm", HARMS)
def test_damaged_arrays_count_as_not_there(folder, harm):
    assert folder.parity(PRINT, "float32") is not None
    assert folder.training_rows(PRINT, NAME) == (KEYS, ["a", "b"])
    for name in ("parity-float32.npz", f"training-{NAME}.npz"):
        HARMS[harm](folder.root / PRINT / name)
    assert folder.parity(PRINT, "float32") is None
    assert folder.training_rows(PRINT, NAME) is None


@pytest.mark.parametrize("labels", ["{}", '"ab"', "[1, 2]", '["a"]', "null", "[", '["a", ["b"]]'])
def test_labels_that_are_no_names_count_as_not_there(folder, labels):
    folder.keep_training_rows(PRINT, NAME, KEYS, labels.encode())
    assert folder.training_rows(PRINT, NAME) is None


def test_values_that_are_not_finite_are_no_parity(folder):
    folder.keep_parity(PRINT, "float32", [b"x"], np.full((1, 4), np.nan, "f4"))
    assert folder.parity(PRINT, "float32") is None


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"null", b"3", b"\xff\xfe", b"[" * 60_000, b" " * 70_000, b'{"a":1,"a":2}'],
)
def test_a_damaged_recipe_is_one_error(folder, content):
    (folder.root / PRINT / "recipe.json").write_bytes(content)
    with pytest.raises(CacheError, match="recipe.json cannot be read") as refused:
        folder.recipe(PRINT)
    assert len(str(refused.value)) < 500


def test_where_there_is_no_cache_nothing_is_kept(tmp_path):
    with CacheFolder(tmp_path / "none") as folder:
        folder.keep_parity(PRINT, "float32", [b"one"], np.ones((1, 4), "f4"))
        folder.keep_training_rows(PRINT, NAME, KEYS, b'["a", "b"]')
        assert folder.parity(PRINT, "float32") is None
    assert not (tmp_path / "none").exists()
