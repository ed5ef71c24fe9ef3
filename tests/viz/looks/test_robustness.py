"""The curve of a head under attack: its words stand clear of one another and of the curves."""

import itertools

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from bottlebank.errors import UsageError
from bottlebank.viz.looks import robustness
from bottlebank.viz.looks.robustness import draw_robustness

LEVELS = [0, 1, 2, 4, 8]
TITLE = "Accuracy under PGD, 100 of 3,409 images (validation)"
CASES = {
    "equal": (LEVELS, [1, 0.6, 0.2, 0.1, 0], [1, 0.6, 0.2, 0.1, 0]),
    "far apart": (LEVELS, [0.94, 0, 0, 0, 0], [0.94, 0.9, 0.85, 0.85, 0.85]),
    "near 0": (LEVELS, [1, 0.07, 0.01, 0, 0], [1, 0.08, 0.03, 0.01, 0]),
    "all right": (LEVELS, [1] * 5, [1] * 5),
    "nothing is unknown": ([0, 255], [1, 0], None),
    "one": ([4], [0.5], [0.7]),
    "many": (list(range(60)), [1 - i / 60 for i in range(60)], [1] * 60),
}


@pytest.fixture
def figures(monkeypatch):
    """What is drawn, in place of files."""
    drawn = []
    monkeypatch.setattr(robustness, "write_picture", lambda figure, output: drawn.append(figure))
    return drawn


@pytest.mark.parametrize("case", CASES)
def test_no_word_stands_on_another_or_on_a_curve(figures, tmp_path, case):
    levels, accuracy, silent = CASES[case]
    draw_robustness(levels, accuracy, tmp_path / "c.png", TITLE, silent=silent)
    renderer = FigureCanvasAgg(figures[0]).get_renderer()
    figures[0].draw(renderer)
    frame = figures[0].axes[0].get_window_extent(renderer)
    boxes = {
        text: text.get_window_extent(renderer)
        for text in figures[0].findobj(Text)
        if text.get_visible() and text.get_text()
    }
    for text, box in boxes.items():
        assert not box.overlaps(frame), text
    for (one, box), (other, its) in itertools.combinations(boxes.items(), 2):
        assert not box.overlaps(its), (one, other)


def test_figures_are_those_of_both_curves(figures, tmp_path):
    draw_robustness([0, 4], [0.94, 0], tmp_path / "c.svg", TITLE, silent=[0.94, 0.126])
    words = [text.get_text() for text in figures[0].axes[0].texts]
    assert words == ["right", "94 %", "0 %", "or unknown", "94 %", "13 %"]


def test_each_budget_needs_a_share(tmp_path):
    with pytest.raises(UsageError, match="one share for each of 2 budgets, received 2 and 1"):
        draw_robustness([0, 4], [1, 0], tmp_path / "c.png", TITLE, silent=[1])
