"""Maps kept beside the rows: whole or not at all, of the same images, and never in the way."""

import io
import json
import os

import numpy as np
import pytest

from bottlebank.cache import Key
from bottlebank.cache.layouts import Layout, Layouts, n_layouts, useless
from bottlebank.cache.made_again import remove

PRINT = "d" * 64
SETTINGS = {"method": "tsne", "seed": 0, "dimensions": 2, "perplexity": None}


def keys(numbers):
    return [Key(number.to_bytes(32)) for number in numbers]


def layout(numbers, dimensions=2, n_features=0):
    n = len(numbers)
    return Layout(
        keys(numbers),
        np.random.default_rng(n).normal(size=(n, dimensions)).astype(np.float32),
        "t-SNE, seed 0, of الصور 衣服 👕 <script>",
        (0.5, 0.25, 0.1)[:dimensions] if n_features else (),
        np.arange(n_features, dtype=float),
        np.ones((dimensions, n_features)) if n_features else np.empty((0, 0)),
    )


@pytest.fixture
def layouts(tmp_path):
    (tmp_path / PRINT).mkdir()
    return Layouts(tmp_path, PRINT, "float32", SETTINGS)


def assert_equal(found, wanted):
    for mine, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize(("n", "dimensions", "n_features"), [(2, 2, 0), (90, 3, 7), (500, 2, 1)])
def test_what_is_kept_is_read(n, dimensions, n_features, layouts):
    kept = layout(range(n), dimensions, n_features)
    layouts.keep(kept)
    assert_equal(layouts.best(keys(range(n)), n_features), kept)
    assert_equal(layouts.best(keys(range(n))[::-1], n_features), kept)


def test_another_variant_method_or_seed_has_its_own(layouts, tmp_path):
    layouts.keep(layout(range(9)))
    for change in ({"method": "umap"}, {"seed": 1}, {"dimensions": 3}, {"perplexity": 5.0}):
        assert (
            Layouts(tmp_path, PRINT, "float32", SETTINGS | change).best(keys(range(9)), 0) is None
        )
    assert Layouts(tmp_path, PRINT, "bfloat16", SETTINGS).best(keys(range(9)), 0) is None
    assert Layouts(tmp_path, "e" * 64, "float32", SETTINGS).best(keys(range(9)), 0) is None


def test_the_layout_that_shares_most_images(layouts):
    for numbers in (range(10), range(5, 25), range(100, 120)):
        layouts.keep(layout(numbers))
    assert len(layouts.best(keys(range(25)), 0).keys) == 20
    assert len(layouts.best(keys(range(12)), 0).keys) == 10  # more were added
    assert len(layouts.best(keys(range(5)), 0).keys) == 10  # some are gone
    assert layouts.best(keys(range(4)), 0) is None  # most are gone: it is a map of other images
    assert layouts.best(keys(range(90, 130)), 0)
    assert layouts.best(keys(range(60, 130)), 0) is None
    assert layouts.best(keys(range(500, 520)), 0) is None


HARMS = {
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("layout"),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-40]),
    "flipped": lambda path: path.write_bytes(flipped(path.read_bytes())),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
    "NaN": lambda path: path.write_bytes(rewritten(path, points=np.full((9, 2), np.nan, "<f4"))),
    "too few": lambda path: path.write_bytes(rewritten(path, points=np.zeros((8, 2), "<f4"))),
    "one dimension": lambda path: path.write_bytes(rewritten(path, points=np.zeros((9, 1), "<f4"))),
    "odd axes": lambda path: path.write_bytes(rewritten(path, axes=np.zeros((2, 3)))),
    "no JSON": lambda path: path.write_bytes(rewritten(path, about=np.zeros(5, "u1"))),
    "far points": lambda path: path.write_bytes(
        rewritten(path, points=np.full((9, 2), -3e38, "<f4"))
    ),
    "infinity": lambda path: path.write_bytes(
        rewritten(path, points=np.full((9, 2), np.inf, "<f4"))
    ),
    "far axes": lambda path: path.write_bytes(
        rewritten(path, axes=np.full((2, 4), 1e300), origin=np.zeros(4))
    ),
    "far origin": lambda path: path.write_bytes(
        rewritten(path, axes=np.ones((2, 4)), origin=np.full(4, -1e200))
    ),
    "a share beyond numbers": lambda path: path.write_bytes(told(path, shares=[10**400, 0])),
    "a share above all": lambda path: path.write_bytes(told(path, shares=[7.0, 0.1])),
    "a share below nothing": lambda path: path.write_bytes(told(path, shares=[0.5, -0.1])),
    "shares that are true": lambda path: path.write_bytes(told(path, shares=[True, False])),
    "a long caption": lambda path: path.write_bytes(told(path, caption="衣" * 3000)),
    "a caption with escapes": lambda path: path.write_bytes(told(path, caption="\x1b[2Jmap")),
    "a caption that turns": lambda path: path.write_bytes(told(path, caption="map \u202e")),
    "objects": lambda path: path.write_bytes(rewritten(path, origin=np.array([None]))),
}


def flipped(data):
    middle = data.index(b"points.npy") + 200
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def rewritten(path, **other):
    with np.load(path) as arrays:
        buffer = io.BytesIO()
        np.savez(buffer, **{**arrays, **other})
    return buffer.getvalue()


def told(path, **other):
    with np.load(path) as arrays:
        about = json.loads(arrays["about"].tobytes())
    text = json.dumps({**about, **other}).encode()
    return rewritten(path, about=np.frombuffer(text, "u1"))


@pytest.mark.parametrize("n_features", [2, 5, 512])
def test_axes_of_other_transfer_values_are_left_out_with_a_note(n_features, layouts, caplog):
    layouts.keep(layout(range(9), n_features=7))
    assert layouts.best(keys(range(9)), n_features) is None
    assert f"its axes are of 7 numbers, not of {n_features}" in caplog.text
    assert layouts.best(keys(range(9)), 7)


@pytest.mark.parametrize("harm", HARMS)
def test_what_is_damaged_is_left_out_with_a_note(harm, layouts, tmp_path, caplog):
    layouts.keep(layout(range(9)))
    [path] = tmp_path.glob("*/layout-*.npz")
    HARMS[harm](path)
    assert layouts.best(keys(range(9)), 0) is None
    assert f"{path} is no layout" in caplog.text
    assert [*useless(tmp_path, PRINT, "float32", keys(range(9)))] == [path]
    remove([path])
    assert n_layouts(tmp_path, PRINT, "float32") == 0
    layouts.keep(layout(range(9)))
    assert layouts.best(keys(range(9)), 0)


def test_a_file_of_another_map_is_left_out_with_a_note(layouts, tmp_path, caplog):
    other = Layouts(tmp_path, PRINT, "float32", SETTINGS | {"seed": 7})
    other.keep(layout(range(9)))
    [path] = tmp_path.glob("*/layout-*.npz")
    layouts.keep(layout(range(9)))
    [mine] = {*tmp_path.glob("*/layout-*.npz")} - {path}
    path.replace(mine)
    assert layouts.best(keys(range(9)), 0) is None
    assert "is the layout of another map" in caplog.text


def test_the_oldest_make_room(layouts, tmp_path):
    for number in range(24):
        layouts.keep(layout(range(100 * number, 100 * number + 2)))
        [path] = tmp_path.glob(
            f"*/*{layouts._path(keys(range(100 * number, 100 * number + 2))).name}"
        )
        os.utime(path, ns=(number, number))
    assert n_layouts(tmp_path, PRINT, "float32") == 20
    assert layouts.best(keys([0, 1]), 0) is None
    assert layouts.best(keys([2300, 2301]), 0)


def test_layouts_without_rows_can_go(layouts, tmp_path):
    for numbers in (range(10), range(20, 30)):
        layouts.keep(layout(numbers))
    left = {*keys(range(5)), *keys(range(20, 24))}
    assert n_layouts(tmp_path, PRINT, "float32") == 2
    assert n_layouts(tmp_path, PRINT, "bfloat16") == 0
    remove(useless(tmp_path, PRINT, "float32", left))
    assert layouts.best(keys(range(10)), 0)
    assert layouts.best(keys(range(20, 30)), 0) is None


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path):
    layouts = Layouts(tmp_path / "none", PRINT, "float32", SETTINGS)
    layouts.keep(layout(range(4)))
    assert layouts.best(keys(range(4)), 0) is None
