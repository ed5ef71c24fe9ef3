import numpy as np
import pytest
from matplotlib.colors import to_hex

from bottlebank.errors import UsageError
from bottlebank.viz.palette import class_style
from bottlebank.viz.precision_recall import draw_precision_recall
from bottlebank.viz.theme import DARK

CAT = ("cat", np.array([0.5, 1.0]), np.array([1.0, 0.5]))
DOG = ("dog", np.array([0.25, 0.75, 1.0]), np.array([1.0, 0.75, 0.5]))


def test_the_best_f1_of_each_class_is_named_and_marked(tmp_path, svg_texts, drawn):
    draw_precision_recall([CAT, DOG], tmp_path / "curves.svg", "Two kinds")
    texts = svg_texts(tmp_path / "curves.svg")
    assert "Two kinds" in texts
    assert {"cat  67%", "dog  75%"} <= set(texts)
    [axes] = drawn[-1].axes
    marked = [line.get_xydata().tolist() for line in axes.lines if line.get_linestyle() == "None"]
    assert marked == [[[0.5, 1.0]], [[0.75, 0.75]]]


def test_grey_lines_join_what_has_the_same_f1(tmp_path, drawn):
    draw_precision_recall([CAT], tmp_path / "curves.png", "")
    recall, precision = drawn[-1].axes[0].lines[1].get_data()
    np.testing.assert_allclose(2 * recall * precision / (recall + precision), 0.4)


@pytest.mark.parametrize("n_classes", [0, 1, 36, 300])
def test_any_number_of_classes_with_any_names(tmp_path, svg_texts, n_classes):
    curves = [(f"класс {n} " + "x" * 50, *CAT[1:]) for n in range(n_classes)]
    draw_precision_recall(curves, tmp_path / "curves.svg", "many")
    named = [text for text in svg_texts(tmp_path / "curves.svg") if text.startswith("класс")]
    assert len(named) == min(n_classes, 20)


def test_a_file_that_is_no_picture(tmp_path):
    with pytest.raises(UsageError, match="a picture is a"):
        draw_precision_recall([CAT], tmp_path / "curves.txt", "")


def test_twenty_classes_have_lines_of_their_own_and_whole_markers(tmp_path, drawn):
    curves = [(f"class {n}", *CAT[1:]) for n in range(20)]
    draw_precision_recall(curves, tmp_path / "curves.png", "many")
    [axes] = drawn[-1].axes
    lines = [line for line in axes.lines if line.get_drawstyle() == "steps-post"]
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 20
    named = axes.get_legend().get_lines()
    looks = [(line.get_color(), line.get_linestyle(), line.get_marker()) for line in named]
    assert len(set(looks)) == 20
    assert not any(line.get_clip_on() for line in axes.lines if line.get_linestyle() == "None")


def test_names_are_taken_literally_in_both_themes(tmp_path, svg_texts, drawn):
    names = ["_hat", "$x$", "帽子", "<script>"]
    curves = [(name, *CAT[1:]) for name in names]
    draw_precision_recall(curves, tmp_path / "curves.svg", "weird", theme=DARK)
    assert {f"{name}  67%" for name in names} <= set(svg_texts(tmp_path / "curves.svg"))
    assert to_hex(drawn[-1].get_facecolor()) == DARK.paper
    [axes] = drawn[-1].axes
    lines = [line for line in axes.lines if line.get_drawstyle() == "steps-post"]
    assert [line.get_color() for line in lines] == [class_style(n, "dark").colour for n in range(4)]
