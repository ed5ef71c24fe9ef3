import xml.etree.ElementTree as ET

import numpy as np
import pytest
from bottlebank.errors import UsageError
from bottlebank.viz import draw_confusion_matrix

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
    places = {
        element.text: (float(element.get("x", "nan")), float(element.get("y", "nan")))
        for element in ET.parse(tmp_path / "matrix.svg").iter("{http://www.w3.org/2000/svg}text")
    }
    assert places["7"][1] == pytest.approx(places["90"][1], abs=0.5)  # one row
    assert places["7"][0] > places["90"][0] + 20
    assert places["11"][0] == pytest.approx(places["90"][0], abs=0.5)  # one column
    assert places["11"][1] > places["90"][1] + 20
    assert places["true class"][0] != places["true class"][0]  # turned: it stands at the side


def test_the_diagonal_of_a_good_head_is_dark(tmp_path, png_pixels):
    draw_confusion_matrix(np.eye(2, dtype=int) * 9, ["a", "b"], tmp_path / "m.png", "Head")
    dark = np.argwhere(png_pixels(tmp_path / "m.png").mean(axis=2) < 0.45)
    # As many dark pixels above left as below right of their middle, none in the other corners.
    middle = (dark.min(axis=0) + dark.max(axis=0)) / 2
    assert len(dark) > 10_000
    assert dark[:, 0].min() < middle[0] < dark[:, 0].max()


@pytest.mark.parametrize(
    ("n_classes", "with_percent", "with_counts", "with_names"),
    [(2, True, True, True), (12, True, True, True), (13, False, True, True)]
    + [(60, False, True, True), (61, False, False, True), (121, False, False, False)],
)
def test_many_classes_drop_what_has_no_room(
    n_classes, with_percent, with_counts, with_names, tmp_path, svg_texts
):
    matrix = np.full((n_classes, n_classes), 1)
    np.fill_diagonal(matrix, 777)
    names = [f"class {number}" for number in range(n_classes)]
    draw_confusion_matrix(matrix, names, tmp_path / "matrix.svg", "Head")
    texts = svg_texts(tmp_path / "matrix.svg")
    assert texts.count("777") == (n_classes if with_counts else 0)
    assert texts.count("class 1") == (2 if with_names else 0)
    share = f"{777 / (777 + n_classes - 1):.0%}"
    assert (texts.count(share) >= n_classes) == with_percent


@pytest.mark.parametrize("n_classes", [1, 2, 50])
def test_nothing_is_cut_off(n_classes, tmp_path, png_pixels):
    matrix = np.full((n_classes, n_classes), 1234)
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
