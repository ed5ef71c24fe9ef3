import errno
import shutil
import sys

import h5py
import numpy as np
import pytest

from bottlebank.cache import CacheFolder, Key, isolated_reading
from bottlebank.cache.export_file import Export
from bottlebank.cache.import_export import Described, export_rows, import_shards
from bottlebank.cache.isolated_reading import damage_of_shards, open_export
from bottlebank.errors import CacheError

from .faults import shard_paths

PRINT = "f" * 64
ABOUT = {"fingerprint": PRINT, "variant": "float32", "recipe": '{"a": 1}'}


def key(number: int) -> Key:
    return Key(number.to_bytes(32, "big"))


def fill(root, numbers, variant="float32"):
    with CacheFolder(root, create=True) as folder:
        with folder.open(PRINT, variant).writer({"a": 1}, commit_every_rows=3) as writer:
            for number in numbers:
                writer.add(key(number), b"\xff%d" % number, np.full(5, number, np.float32))
        return root


def describe(recipe):
    return Described(PRINT, 5)


def test_shards_of_another_cache_are_copied_once(tmp_path):
    mine, theirs = fill(tmp_path / "mine", range(4)), fill(tmp_path / "theirs", range(2, 9))
    with CacheFolder(mine) as target:
        assert import_shards(target, theirs, describe) == (3, [], 0)
        assert import_shards(target, theirs, describe) == (0, [], 3)
        cache = target.open(PRINT, "float32")
        assert len(cache) == 9
        assert cache.rows([key(n) for n in range(9)])[:, 0].tolist() == list(range(9))


def test_what_others_number_their_shards_is_nothing_to_us(tmp_path):
    theirs = fill(tmp_path / "theirs", range(6))
    with CacheFolder(theirs) as source:
        paths = shard_paths(source.open(PRINT, "float32"))
    shutil.copy(paths[0], paths[0].with_name(f"000123{paths[0].name[6:]}"))  # there twice
    for number, path in zip([10**18 - 1, 10**12 - 1], paths, strict=True):
        path.rename(path.with_name(f"{number:06d}{path.name[6:]}"))
    with CacheFolder(fill(tmp_path / "mine", range(20, 22))) as target:
        cache = target.open(PRINT, "float32")
        assert import_shards(target, theirs, describe)[:2] == (2, [])
        for number in (30, 31):
            with cache.writer({"a": 1}) as writer:
                writer.add(key(number), b"p", np.full(5, number, np.float32))
        assert [path.name[:7] for path in shard_paths(cache)] == [f"00000{n}-" for n in range(5)]
    with CacheFolder(tmp_path / "mine") as target:
        cache = target.open(PRINT, "float32")
        assert set(cache.keys()) == {key(n) for n in [*range(6), 20, 21, 30, 31]}
        assert import_shards(target, theirs, describe)[:2] == (0, [])


def test_rows_that_are_here_stay_as_they_are(tmp_path):
    theirs = tmp_path / "theirs"
    with (
        CacheFolder(theirs, create=True) as folder,
        folder.open(PRINT, "float32").writer({"a": 1}) as writer,
    ):
        for number in (2, 3):
            writer.add(key(number), b"p", np.full(5, 1000, np.float32))
    with CacheFolder(fill(tmp_path / "mine", range(3))) as target:
        import_shards(target, theirs, describe)
        cache = target.open(PRINT, "float32")
        found = cache.rows([key(n) for n in range(4)])[:, 0]
        assert found.tolist() == [0, 1, 2, 1000]


def test_a_shard_that_is_damaged_here_is_brought_again(tmp_path):
    # A copy: shards of equal rows differ where HDF5 keeps the second in which they were made.
    mine, theirs = fill(tmp_path / "mine", range(6)), tmp_path / "theirs"
    shutil.copytree(mine, theirs)
    with CacheFolder(mine) as target:
        cache = target.open(PRINT, "float32")
        shard_paths(cache)[0].write_bytes(b"no HDF5")
        assert sum(found is not None for found in target.verify()) == 1
        assert import_shards(target, theirs, describe) == (1, [], 1)
        assert len(target.open(PRINT, "float32")) == 6


def test_into_an_empty_cache_with_the_recipe(tmp_path):
    theirs = fill(tmp_path / "theirs", range(4), "bfloat16-float16")
    with CacheFolder(tmp_path / "new", create=True) as target:
        import_shards(target, theirs, describe)
        assert target.recipe(PRINT) == {"a": 1}
        assert target.variants(PRINT) == ["bfloat16-float16"]


def test_damaged_shards_are_left_out(tmp_path):
    theirs = fill(tmp_path / "theirs", range(6))
    with CacheFolder(tmp_path / "new", create=True) as target, CacheFolder(theirs) as source:
        path = shard_paths(source.open(PRINT, "float32"))[0]
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
        n_copied, damaged, _ = import_shards(target, theirs, describe)
        assert n_copied == 1
        assert path.name in damaged[0]


def test_an_export_comes_back(tmp_path):
    root = fill(tmp_path / "cache", range(5))
    output = tmp_path / "rows.h5"
    with CacheFolder(root) as folder:
        cache = folder.open(PRINT, "float32")
        keys = cache.keys()
        paths = [cache.paths()[k] for k in keys]
        export_rows(cache, output, keys, paths, {"labels": list("abcde")}, ABOUT)
    with Export(output) as export:
        assert (export.recipe, export.fingerprint, export.variant) == ({"a": 1}, PRINT, "float32")
        export.verify()
        [(found, places, features)] = export.rows()
    assert found.to_list() == keys
    assert places == paths
    assert features.tolist() == [[float(n)] * 5 for n in range(5)]


def exported(tmp_path, **columns):
    output = tmp_path / "rows.h5"
    with CacheFolder(fill(tmp_path / "cache", range(5))) as folder:
        cache = folder.open(PRINT, "float32")
        paths = [b"/photos/p\xff%d.jpg" % number for number in range(5)]
        export_rows(cache, output, cache.keys(), paths, columns, ABOUT)
    return output


@pytest.mark.parametrize(
    "what",
    [
        np.full(5, 3, "f4").tobytes(),
        key(4).content[-8:],
        b"/photos/p\xff2.jpg",
        b"third",
        b"validation",
        b"float32\0"[:-1],
        b'{"a": 1}',
        PRINT.encode(),
    ],
)
def test_damage_to_any_part_of_an_export_is_noticed(tmp_path, what):
    labels = ["first", "second", "third", "", "caf\udcff"]
    path = exported(tmp_path, labels=labels, split=["train", "train", "test", "validation", ""])
    with Export(path) as export:
        export.verify()
        assert export.has_checksum
    data = path.read_bytes()
    at = data.index(what) + len(what) - 2
    path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])

    def read():
        with Export(path) as export:
            export.verify()

    with pytest.raises(CacheError, match=r"(is damaged|is not an export of bottlebank) \("):
        read()


def test_an_export_of_an_older_version_has_no_checksum(tmp_path):
    path = exported(tmp_path)
    with h5py.File(path, "r+") as file:
        del file.attrs["xxh3"]
    with open_export(path) as export:
        export.verify()
        assert not export.has_checksum


@pytest.mark.parametrize("value", [3e38, -3e38, 2e6])
def test_absurd_numbers_of_others_are_refused(tmp_path, value):
    with CacheFolder(tmp_path / "theirs", create=True) as folder:
        cache = folder.open(PRINT, "float32")
        with cache.writer({"a": 1}) as writer:
            writer.add(key(1), b"p", np.full(5, 1e6, np.float32))
            writer.commit()
            writer.add(key(2), b"p", np.array([0, 1, value, 0, 0], np.float32))
        export_rows(cache, tmp_path / "rows.h5", cache.keys(), [b"p"] * 2, {}, ABOUT)
        assert [found for found in folder.verify() if found] == []  # one's own are one's own
    with CacheFolder(tmp_path / "mine", create=True) as target:
        n_shards, [left_out], _ = import_shards(target, tmp_path / "theirs", describe)
        assert n_shards == 1
        assert "networks give far less than 1,000,000" in left_out

    def read():
        with Export(tmp_path / "rows.h5") as export:
            export.verify()

    with pytest.raises(CacheError, match=f"a transfer value of {abs(value):.3g}".replace("+", ".")):
        read()


def test_a_full_disk_is_named_without_the_inner_state_of_hdf5(tmp_path, monkeypatch):
    create_dataset = h5py.File.create_dataset

    def fill_up(self, name, *arguments, **settings):
        if name != "keys":  # it is that of a shard
            return create_dataset(self, name, *arguments, **settings)
        raise OSError(errno.ENOSPC, f"Can't write (file write failed: {self.filename} buf = 0x55")

    monkeypatch.setattr(h5py.File, "create_dataset", fill_up)
    with pytest.raises(CacheError) as refused:
        exported(tmp_path)
    output = tmp_path / "rows.h5"
    assert str(refused.value) == f"{output} cannot be written: No space left on device"
    assert not output.exists()


def test_nothing_is_no_export(tmp_path):
    with CacheFolder(fill(tmp_path / "cache", range(2))) as folder:
        cache = folder.open(PRINT, "float32")
        with pytest.raises(CacheError, match="holds no rows to export"):
            export_rows(cache, tmp_path / "rows.h5", [], [], {}, ABOUT)


@pytest.mark.parametrize("harm", ["text", "missing", "shape"])
def test_what_is_no_export_is_refused(tmp_path, harm):
    path = tmp_path / "x.h5"
    if harm == "text":
        path.write_text("not HDF5")
    else:
        with h5py.File(path, "w") as file:
            file["features"] = np.zeros((3, 4), "f4")
            if harm == "shape":
                file["keys"], file["paths"] = np.zeros((2, 32), "u1"), np.zeros(3)
    with pytest.raises(CacheError, match="is not an export of bottlebank"):
        Export(path)


def crashing(monkeypatch, path):
    """Have the reader of a file crash as HDF5 does on some."""
    (path.parent / "crashing.py").write_text(
        "import os, signal\n"
        "from bottlebank.cache import isolated_reading\n"
        "def reader(send, *arguments):\n"
        "    os.kill(os.getpid(), signal.SIGSEGV)\n"
    )
    monkeypatch.setattr(sys, "path", [*sys.path, str(path.parent)])
    before = isolated_reading.isolated_reader

    def instead(module, function, *arguments):
        hit = path.name in str(arguments[-1 if function == "read_export" else 2])
        return before(*(("crashing", "reader") if hit else (module, function)), *arguments)

    monkeypatch.setattr(isolated_reading, "isolated_reader", instead)


def test_an_export_at_which_hdf5_crashes_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "x.h5"
    path.write_bytes(b"x")
    crashing(monkeypatch, path)
    with (
        pytest.raises(CacheError, match=r"x.h5 is not an export .* \(it crashes .*SIGSEGV"),
        open_export(path),
    ):
        pass


def test_a_shard_at_which_hdf5_crashes_is_left_out_and_no_other(tmp_path, monkeypatch):
    with CacheFolder(fill(tmp_path / "theirs", range(9))) as source:
        paths = sorted(shard_paths(source.open(PRINT, "float32")))
    assert len(paths) == 3
    crashing(monkeypatch, paths[0])
    first, *others = damage_of_shards(paths, "float32", 5)
    assert f"{paths[0].name} is damaged (it crashes its reader: SIGSEGV" in first
    assert others == [None, None]


def test_a_number_that_float16_cannot_hold_is_refused(tmp_path):
    with CacheFolder(tmp_path / "cache", create=True) as folder:
        cache = folder.open(PRINT, "float32-float16")
        refused = pytest.raises(CacheError, match="largest number of float16: use --store float32")
        with refused, cache.writer({}) as writer:
            writer.add(key(1), b"p", np.array([1e6], np.float32))
        assert shard_paths(cache) == []


def test_float16_keeps_eleven_bits_at_half_the_size(tmp_path):
    rows = np.random.default_rng(0).normal(size=(300, 512)).astype(np.float32)
    sizes = {}
    for variant in ("float32", "float32-float16"):
        with CacheFolder(tmp_path / variant, create=True) as folder:
            cache = folder.open(PRINT, variant)
            with cache.writer({}) as writer:
                for number, values in enumerate(rows):
                    writer.add(key(number), b"p", values)
            order = np.random.default_rng(1).permutation(300)
            read = cache.rows([key(int(number)) for number in order])
            assert read.dtype == np.float32
            # Half a unit in the last of 11 bits; below 2**-14 float16 loses bits one by one.
            bound = 2.0**-11 * np.maximum(np.abs(rows[order]), 2.0**-14)
            error = np.abs(read - rows[order])
            assert (error <= bound).all() if "float16" in variant else not error.any()
            sizes[variant] = shard_paths(cache)[0].stat().st_size
    assert sizes["float32-float16"] < 0.55 * sizes["float32"]
