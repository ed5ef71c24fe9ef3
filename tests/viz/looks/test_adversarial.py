"""The picture of a change, and the curve of a head."""

import numpy as np
import pytest

from bottlebank.errors import UsageError
from bottlebank.viz.looks.adversarial import Answered, draw_adversarial
from bottlebank.viz.looks.robustness import draw_robustness
from bottlebank.viz.theme import DARK

BEFORE = Answered([("<script>$x$", 0.875), ("帽子", 0.1), ("🎽", 0.02), ("d", 0.005)], False)
AFTER = Answered([("قبعة", 1.0)], True)


def test_names_shares_and_the_factor_are_written(tmp_path, svg_texts):
    original = np.full((6, 8, 3), 100, np.uint8)
    changed = original.copy()
    changed[0, 0] = (103, 97, 100)
    output = tmp_path / "why.svg"
    factor = draw_adversarial(original, changed, (BEFORE, AFTER), output, "A change", theme=DARK)
    assert factor == 127 // 3
    texts = [text for text in svg_texts(output) if text]
    assert texts[:7] == ["original", "<script>$x$", "87.5 %", "帽子", "10.0 %", "🎽", "2.0 %"]
    assert texts[7:11] == ["changed", "قبعة", "100.0 %", "called unknown"]
    assert texts[11:] == ["the change × 42", "at most 3 of 255 levels", "grey: none", "A change"]
    with pytest.raises(UsageError, match="two pictures of one size"):
        draw_adversarial(original, changed[:3], (BEFORE, AFTER), output, "A change")


def test_the_picture_of_no_change_is_grey(tmp_path, png_pixels):
    pixels = np.zeros((5, 5, 3), np.uint8)
    output = tmp_path / "why.png"
    assert draw_adversarial(pixels, pixels, (BEFORE, BEFORE), output, "None") == 127
    drawn = png_pixels(output)
    grey = (np.abs(drawn - 128 / 255) < 0.01).all(axis=-1)
    assert 0.15 < grey.mean() < 0.3


def test_a_curve_names_its_budgets_and_shares(tmp_path, svg_texts):
    output = tmp_path / "curve.svg"
    draw_robustness([0, 1, 4], [0.95, 0.4, 0.0], output, "Curve", silent=[0.95, 0.5, 0.25])
    texts = {*svg_texts(output)}
    assert {"0", "1/255", "4/255", "95 %", "40 %", "0 %", "right", "Curve"} <= texts
    assert "right, or flipped but called unknown" in texts
    draw_robustness([0, 1], [1.0, 0.0], output, "Curve", theme=DARK)
    assert "right, or flipped but called unknown" not in svg_texts(output)
    with pytest.raises(UsageError, match="one share for each of 2 budgets, received 1"):
        draw_robustness([0, 1], [1.0], output, "Curve")
