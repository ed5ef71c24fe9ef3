"""Samples, balance, sizes, units and pairs: what is on the sheet, in light and dark."""

import itertools

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from bottlebank.viz.dataset_views.balance import draw_balance
from bottlebank.viz.dataset_views.pair import Seen, draw_pair
from bottlebank.viz.dataset_views.samples import ClassSample, draw_samples, n_per_class
from bottlebank.viz.dataset_views.sizes import Odd, draw_sizes
from bottlebank.viz.dataset_views.units import Unit, draw_units
from bottlebank.viz.palette import class_style
from bottlebank.viz.theme import DARK, LIGHT

IN_BOTH = pytest.mark.parametrize(
    "theme",
    [pytest.param(LIGHT, marks=pytest.mark.slow, id="light"), pytest.param(DARK, id="dark")],
)
NAMES = ["<script>", "$x$", "قبعة", "long " * 60]


def pixels_of(path) -> np.ndarray:
    return imread(path)[:, :, :3].astype(float)


def is_like(pixels, colour) -> np.ndarray:
    return np.abs(pixels - to_rgb(colour)).max(axis=-1) < 0.03


def has_ground(pixels, theme) -> bool:
    edges = (pixels[:8], pixels[-8:], pixels[:, :8], pixels[:, -8:])
    return all(is_like(edge, theme.paper).all() for edge in edges)


def plain(colour, height=20, width=30) -> np.ndarray:
    return np.full((height, width, 3), np.array(to_rgb(colour)) * 255, np.uint8)


@IN_BOTH
def test_samples_stand_in_rows_of_their_classes(theme, tmp_path):
    colours = ["#ff0000", "#00ff00", "#0000ff"]
    shown = [
        ClassSample(name, 1000, [plain(colour)] * 4)
        for name, colour in zip(NAMES, colours, strict=False)
    ]
    shown.append(ClassSample("unreadable", 1, []))
    draw_samples(shown, tmp_path / "samples.png", "Samples", "Caption", theme)
    pixels = pixels_of(tmp_path / "samples.png")
    assert has_ground(pixels, theme)
    rows = [np.argwhere(is_like(pixels, colour))[:, 0] for colour in colours]
    for above, below in itertools.pairwise(rows):
        assert above.max() < below.min()
    assert all(len(each) > 4 * 4000 for each in rows)


def test_of_200_classes_100_have_room_and_the_rest_is_counted(tmp_path):
    assert [n_per_class(n) for n in (1, 25, 26, 75, 200)] == [10, 10, 6, 4, 3]
    shown = [ClassSample(f"class {n}", 3, []) for n in range(200)]
    draw_samples(shown, tmp_path / "samples.svg", "Samples", "Caption.")
    text = " ".join((tmp_path / "samples.svg").read_text().split())
    assert "class 99 (3)" in text
    assert "class 100 (3)" not in text
    assert "100 classes more have no room here." in text


@IN_BOTH
def test_bars_are_as_long_as_classes_are_large(theme, tmp_path):
    counts = {"train": [100, 50, 10, 0], "validation": [0, 0, 0, 0], "": [0, 50, 0, 5]}
    caption = draw_balance(NAMES, counts, tmp_path / "balance.png", "Balance", theme)
    assert caption == (
        "215 images in 4 classes: 5 to 100 each, the largest 20.0 times the smallest."
    )
    pixels = pixels_of(tmp_path / "balance.png")
    assert has_ground(pixels, theme)
    train = is_like(pixels, class_style(0, theme.name).colour)
    lengths = train.sum(axis=1)
    hundred = lengths.max()
    for images in (50, 10):  # some rows of pixels are as long as these bars
        assert np.abs(lengths / hundred - images / 100).min() < 0.02
    assert is_like(pixels, theme.bar).sum() > 0.3 * train.sum()


def test_of_many_classes_the_largest_and_smallest_have_bars(tmp_path):
    classes = [f"class {number:03d}" for number in range(200)]
    counts = {"": list(range(1, 201))}
    caption = draw_balance(classes, counts, tmp_path / "balance.svg", "Balance")
    assert "120 classes in between are not shown" in caption
    text = (tmp_path / "balance.svg").read_text()
    assert all(f"class {number:03d}" in text for number in (0, 39, 160, 199))
    assert "class 100" not in text
    same = draw_balance(["a", "b"], {"": [3, 3]}, tmp_path / "same.svg", "Balance")
    assert same == "6 images in 2 classes: 3 each."


def test_odd_images_are_named_beside_their_points(tmp_path):
    odd = [Odd(number, f"{number} <b>.png", "6,000×200") for number in range(10)]
    sides = [100] * 30
    sheet = tmp_path / "sizes.svg"
    draw_sizes(sides, sides, sides, ["JPEG"] * 29 + ["WebP"], odd, sheet, "Sizes", "C", DARK)
    text = sheet.read_text()
    assert "(2 more are not named)" in text
    assert text.count("&lt;b&gt;.png") == 8
    assert "WebP" in text
    assert DARK.paper in text


@IN_BOTH
def test_units_show_what_excites_them_and_each_class(theme, tmp_path):
    labels = ["a"] * 20 + ["b"] * 20
    values = np.r_[np.full(20, 5.0), np.zeros(20)].astype(np.float32)
    unit = Unit(17, 0.73, values, [plain("#ff00ff")] * 6)
    draw_units([unit], labels, tmp_path / "units.png", "Units", "Caption", theme)
    pixels = pixels_of(tmp_path / "units.png")
    assert has_ground(pixels, theme)
    assert is_like(pixels, "#ff00ff").sum() > 6 * 4000
    places = [
        np.argwhere(is_like(pixels, class_style(index, theme.name).colour))[:, 1].mean()
        for index in range(2)
    ]
    assert places[0] > places[1] + 200
    draw_units([unit], labels, tmp_path / "units.svg", "Units", "Caption", theme)
    assert (
        "unit 17: 73 % of its variance lies between classes" in (tmp_path / "units.svg").read_text()
    )


@IN_BOTH
def test_two_images_stand_on_one_scale(theme, tmp_path):
    one = Seen("one.png", plain("#ff0000"), np.array([0, 1, 2, 3, 0], np.float32))
    other = Seen("other.png", plain("#00ff00"), np.array([0, 1, 2, 3, 9], np.float32))
    caption = draw_pair(one, other, tmp_path / "pair.png", "Pair", theme)
    assert caption.startswith("5 transfer values each, row by row; cosine similarity 0.384; ")
    assert "in the units 4, " in caption
    pixels = pixels_of(tmp_path / "pair.png")
    assert has_ground(pixels, theme)
    left = np.argwhere(is_like(pixels, "#ff0000"))[:, 1]
    right = np.argwhere(is_like(pixels, "#00ff00"))[:, 1]
    assert left.max() < right.min()
    zeros = Seen("zeros", plain("#ff0000"), np.zeros(5, np.float32))
    assert "cosine" not in draw_pair(zeros, zeros, tmp_path / "zeros.png", "Pair", theme)
