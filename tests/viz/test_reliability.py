import numpy as np
import pytest

from bottlebank.errors import UsageError
from bottlebank.viz import draw_reliability

# Bins of 1/15: four images between 0.6 and 0.667, and two between 0.933 and 1.
CONFIDENCE = np.array([0.61, 0.63, 0.65, 0.65, 0.95, 0.99])
RIGHT = np.array([True, False, False, False, True, True])


def bars(axes) -> dict[float, float]:
    """Heights by the middle of each bar."""
    return {
        round(bar.get_x() + bar.get_width() / 2, 3): float(bar.get_height()) for bar in axes.patches
    }


def test_bars_are_the_share_of_right_answers(tmp_path, drawn):
    draw_reliability(CONFIDENCE, RIGHT, tmp_path / "reliability.png", "Head")
    counts, accuracy = drawn[-1].axes
    assert bars(accuracy) == {0.633: 0.25, 0.967: 1.0}
    assert bars(counts) == {0.633: 4, 0.967: 2}
    assert accuracy.get_xlim() == accuracy.get_ylim() == counts.get_xlim() == (0, 1)


def test_points_lie_at_the_mean_confidence(tmp_path, drawn):
    draw_reliability(CONFIDENCE, RIGHT, tmp_path / "reliability.png", "Head")
    diagonal, points = drawn[-1].axes[1].lines
    np.testing.assert_array_equal(diagonal.get_xydata(), [[0, 0], [1, 1]])
    np.testing.assert_allclose(points.get_xydata(), [[0.635, 0.25], [0.97, 1.0]])


def test_intervals_are_those_of_wilson(tmp_path, drawn):
    draw_reliability(CONFIDENCE, RIGHT, tmp_path / "reliability.png", "Head")
    (lines,) = drawn[-1].axes[1].collections
    # 1 of 4 and 2 of 2, by the formula in Brown, Cai & DasGupta 2001.
    np.testing.assert_allclose(
        lines.get_segments(),
        [[[0.635, 0.0456], [0.635, 0.6994]], [[0.97, 0.3424], [0.97, 1.0]]],
        atol=1e-4,
    )


def test_the_caption_gives_the_calibration_error(tmp_path, svg_texts):
    draw_reliability(CONFIDENCE, RIGHT, tmp_path / "reliability.svg", "Head $1$")
    words = " ".join(svg_texts(tmp_path / "reliability.svg"))
    # (4 * |0.25 - 0.635| + 2 * |1 - 0.97|) / 6
    assert (
        "expected calibration error 26.7 % (15 bins) "
        "mean confidence 74.7 %, accuracy 50.0 %, 6 images" in words
    )
    assert "Head $1$" in words


def test_the_calibration_error_is_that_of_the_definition(tmp_path, svg_texts):
    rng = np.random.default_rng(0)
    confidence = rng.uniform(size=1000)
    right = rng.uniform(size=1000) < confidence**2
    error = 0.0
    for number in range(15):
        inside = (confidence > number / 15) & (confidence <= (number + 1) / 15)
        error += abs(right[inside].sum() - confidence[inside].sum()) / 1000
    draw_reliability(confidence, right, tmp_path / "reliability.svg", "Head")
    words = " ".join(svg_texts(tmp_path / "reliability.svg"))
    assert f"expected calibration error {100 * error:.1f} % (15 bins)" in words
    assert "1,000 images" in words


def test_the_ends_belong_to_the_outer_bins(tmp_path, drawn):
    draw_reliability([0.0, 1.0, 1 / 15], [False, True, False], tmp_path / "ends.png", "Head")
    assert bars(drawn[-1].axes[0]) == {0.033: 2, 0.967: 1}


def test_no_calibration_error_from_too_few_images(tmp_path, svg_texts):
    draw_reliability(CONFIDENCE, RIGHT, tmp_path / "few.svg", "Head", least_images=7)
    words = " ".join(svg_texts(tmp_path / "few.svg"))
    assert "calibration error: cannot be told from 6 images" in words
    assert "expected calibration error" not in words
    assert "accuracy 50.0 %, 6 images" in words


def test_no_images_are_no_error(tmp_path, svg_texts):
    draw_reliability(np.zeros(0), np.zeros(0, bool), tmp_path / "none.svg", "Head")
    assert "no images" in svg_texts(tmp_path / "none.svg")


def test_nothing_is_cut_off(tmp_path, png_pixels):
    confidence = np.linspace(0, 1, 30_000)
    draw_reliability(confidence, confidence > 0, tmp_path / "all.png", "A long title " * 10)
    pixels = png_pixels(tmp_path / "all.png")
    for edge in (pixels[:10], pixels[-10:], pixels[:, :10], pixels[:, -10:]):
        assert edge.min() == 1.0


@pytest.mark.parametrize(
    ("confidence", "right", "message"),
    [
        ([[0.5]], [[True]], r"numbers in 0-1, \(n,\), .* not float64 \(1, 1\)"),
        (["a"], [True], r"not <U1 \(1,\)"),
        ([0.5, 0.5], [True], r"for 2 confidences `right` is bool \(2,\), not bool \(1,\)"),
        ([0.5], [1], r"is bool \(1,\), not int64 \(1,\)"),
        ([0.5, 1.5, -1.0], [True] * 3, "in 0-1: 2 of 3 are not, the first is 1.5 at 1"),
        ([np.nan], [True], "1 of 1 are not, the first is nan at 0"),
    ],
)
def test_other_arrays_are_refused(confidence, right, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        draw_reliability(confidence, right, tmp_path / "reliability.png", "Head")


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"\.png or \.svg"):
        draw_reliability([0.5], [True], tmp_path / "reliability.pdf", "Head")
