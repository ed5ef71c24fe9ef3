import re

import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.colors import to_hex, to_rgb

from bottlebank.errors import UsageError
from bottlebank.viz import draw_confusion_matrix
from bottlebank.viz.theme import THEMES

MATRIX = np.array([[90, 7, 3], [0, 50, 0], [11, 1300, 39]])
CLASSES = ["hat", "_coat", "$bag$"]


def test_cells_hold_counts_and_their_share_of_the_row(tmp_path, svg_texts):
    draw_confusion_matrix(MATRIX, CLASSES, tmp_path / "matrix.svg", "Head $1$")
    texts = svg_texts(tmp_path / "matrix.svg")
    for words in ("90", "90%", "7", "7%", "3", "3%", "50", "100%", "11", "1,300", "96%", "39"):
        assert words in texts
    assert "0" not in texts
    assert [texts.count(name) for name in CLASSES] == [2, 2, 2]
    assert "Head $1$" in texts
    assert "accuracy 11.9 %: 179 of 1,500 images" in texts


def test_rows_are_true_and_columns_predicted(tmp_path):
    draw_confusion_matrix(MATRIX, CLASSES, tmp_path / "matrix.svg", "Head")
    svg = (tmp_path / "matrix.svg").read_text()
    places = {
        words: (float(x), float(y))
        for x, y, words in re.findall(r'translate\(([\d.]+) ([\d.]+)\)">(\d+)</text>', svg)
    }
    assert places["7"][1] == pytest.approx(places["90"][1], abs=0.5)  # one row
    assert places["7"][0] > places["90"][0] + 20
    assert places["11"][0] == pytest.approx(places["90"][0], abs=0.5)  # one column
    assert places["11"][1] > places["90"][1] + 20


def test_the_diagonal_of_a_good_head_is_dark(tmp_path, png_pixels, is_colour):
    draw_confusion_matrix(np.eye(2, dtype=int) * 9, ["a", "b"], tmp_path / "m.png", "Head")
    darkest = to_hex(colormaps["Blues"](1.0))
    places = np.argwhere(is_colour(png_pixels(tmp_path / "m.png"), darkest))
    cell_px = 2.5 / 2 * 150
    assert len(places) == pytest.approx(2 * cell_px**2, rel=0.05)
    middle = np.median(places[:, 0])
    upper, lower = (places[side, 1] for side in (places[:, 0] < middle, places[:, 0] > middle))
    assert np.median(lower) - np.median(upper) == pytest.approx(cell_px, abs=5)


@pytest.mark.parametrize(
    ("n_classes", "with_percent", "with_counts", "with_names"),
    [
        (2, True, True, True),
        (12, True, True, True),
        (13, False, True, True),
        (60, False, True, True),
        (61, False, False, True),
        (121, False, False, False),
    ],
)
def test_many_classes_drop_what_has_no_room(
    n_classes, with_percent, with_counts, with_names, tmp_path, svg_texts
):
    matrix = np.eye(n_classes, dtype=int) * 777
    matrix[0, 1] = 5
    names = [f"class {number}" for number in range(n_classes)]
    draw_confusion_matrix(matrix, names, tmp_path / "matrix.svg", "Head")
    texts = svg_texts(tmp_path / "matrix.svg")
    assert texts.count("777") == (n_classes if with_counts else 0)
    assert texts.count("class 1") == (2 if with_names else 0)
    assert ("99%" in texts) == with_percent  # 777 of 782


@pytest.mark.parametrize("n_classes", [1, 2, 50])
def test_nothing_is_cut_off(n_classes, tmp_path, png_pixels):
    matrix = np.eye(n_classes, dtype=int) * 1234
    names = [f"{number} a rather long name of a class, it is" for number in range(n_classes)]
    draw_confusion_matrix(matrix, names, tmp_path / "matrix.png", "A long title " * 10)
    pixels = png_pixels(tmp_path / "matrix.png")
    for edge in (pixels[:10], pixels[-10:], pixels[:, :10], pixels[:, -10:]):
        assert edge.min() == 1.0


def test_a_class_without_images_is_no_error(tmp_path, svg_texts):
    draw_confusion_matrix([[3, 1], [0, 0]], ["a", "b"], tmp_path / "matrix.svg", "Head")
    assert "accuracy 75.0 %: 3 of 4 images" in svg_texts(tmp_path / "matrix.svg")
    draw_confusion_matrix([[0, 0], [0, 0]], ["a", "b"], tmp_path / "matrix.svg", "Head")
    assert "no images" in svg_texts(tmp_path / "matrix.svg")


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([[1, 2, 3], [4, 5, 6]], r"of 2 classes is \(2, 2\) with at least one class, not \(2, 3\)"),
        ([[1]], r"is \(2, 2\) .* not \(1, 1\)"),
        ([[1, -1], [0, 1]], "integers from 0; this one is int64 from -1"),
        ([[0.5, 0.5], [0.0, 1.0]], "integers from 0; this one is float64"),
    ],
)
def test_what_is_no_confusion_matrix_is_refused(matrix, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        draw_confusion_matrix(matrix, ["a", "b"], tmp_path / "matrix.png", "Head")


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"\.png or \.svg"):
        draw_confusion_matrix([[1]], ["a"], tmp_path / "matrix.pdf", "Head")


@pytest.mark.parametrize("theme", THEMES.values(), ids=list(THEMES))
def test_counts_are_read_on_every_shade(theme, tmp_path, drawn):
    matrix = np.zeros((11, 11), int)
    matrix[:, 0] = np.arange(11) * 10
    matrix[:, 1] = 100 - matrix[:, 0]
    names = [f"{number}" for number in range(11)]
    draw_confusion_matrix(matrix, names, tmp_path / "matrix.png", "Head", theme=theme)
    axes = drawn[-1].axes[0]
    [image] = axes.images
    assert len(axes.texts) == 20
    for text in axes.texts:
        column, row = (round(at) for at in text.get_position())
        cell = to_rgb(image.to_rgba(image.get_array()[row, column])[:3])
        assert contrast(cell, to_rgb(text.get_color())) > 4.5
    assert to_hex(drawn[-1].get_facecolor()) == theme.paper


def contrast(*colours) -> float:
    """Of WCAG 2.1."""
    linear = [[((c + 0.055) / 1.055) ** 2.4 for c in colour] for colour in colours]
    low, high = sorted(0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05 for r, g, b in linear)
    return high / low
