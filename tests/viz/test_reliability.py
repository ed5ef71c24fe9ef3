import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from bottlebank.classifier.metrics.calibration import N_BINS, calibration_interval, reliability_bins
from bottlebank.classifier.metrics.intervals import wilson_interval
from bottlebank.errors import UsageError
from bottlebank.viz import ReliabilityBins, draw_reliability

# Bins of 1/15: four images between 0.6 and 0.667, and two between 0.933 and 1.
CONFIDENCE = np.array([0.61, 0.63, 0.65, 0.65, 0.95, 0.99])
RIGHT = np.array([True, False, False, False, True, True])


def draw(confidence, right, output, title="Head", *, with_error=True):
    bins = reliability_bins(confidence, right)
    limits = wilson_interval(bins.n_right, bins.n_images)
    error = calibration_interval(confidence, right)[0] if with_error and len(right) else None
    draw_reliability(ReliabilityBins(*bins[:4], *limits), N_BINS, error, output, title)


def bars(axes) -> dict[float, float]:
    """Heights by the middle of each bar."""
    return {
        round(bar.get_x() + bar.get_width() / 2, 3): float(bar.get_height()) for bar in axes.patches
    }


def test_bars_are_the_share_of_right_answers(tmp_path, drawn):
    draw(CONFIDENCE, RIGHT, tmp_path / "reliability.png")
    counts, accuracy = drawn[-1].axes
    assert bars(accuracy) == {0.633: 0.25, 0.967: 1.0}
    assert bars(counts) == {0.633: 4, 0.967: 2}
    assert accuracy.get_xlim() == accuracy.get_ylim() == counts.get_xlim() == (0, 1)


def test_points_lie_at_the_mean_confidence(tmp_path, drawn):
    draw(CONFIDENCE, RIGHT, tmp_path / "reliability.png")
    diagonal, points = drawn[-1].axes[1].lines
    np.testing.assert_array_equal(diagonal.get_xydata(), [[0, 0], [1, 1]])
    np.testing.assert_allclose(points.get_xydata(), [[0.635, 0.25], [0.97, 1.0]])


def test_intervals_are_those_of_wilson(tmp_path, drawn):
    draw(CONFIDENCE, RIGHT, tmp_path / "reliability.png")
    (lines,) = drawn[-1].axes[1].collections
    # 1 of 4 and 2 of 2, by the formula in Brown, Cai & DasGupta 2001.
    np.testing.assert_allclose(
        lines.get_segments(),
        [[[0.635, 0.0456], [0.635, 0.6994]], [[0.97, 0.3424], [0.97, 1.0]]],
        atol=1e-4,
    )


def test_the_caption_gives_the_calibration_error(tmp_path, svg_texts):
    draw(CONFIDENCE, RIGHT, tmp_path / "reliability.svg", "Head $1$")
    words = " ".join(svg_texts(tmp_path / "reliability.svg"))
    # (4 * |0.25 - 0.635| + 2 * |1 - 0.97|) / 6
    assert (
        "expected calibration error 26.7 % (15 bins) "
        "mean confidence 74.7 %, accuracy 50.0 %, 6 images" in words
    )
    assert "Head $1$" in words


def test_no_calibration_error_from_too_few_images(tmp_path, svg_texts):
    draw(CONFIDENCE, RIGHT, tmp_path / "few.svg", with_error=False)
    words = " ".join(svg_texts(tmp_path / "few.svg"))
    assert "calibration error: cannot be estimated from 6 images" in words
    assert "expected calibration error" not in words
    assert "accuracy 50.0 %, 6 images" in words


def test_no_images_are_no_error(tmp_path, svg_texts):
    draw(np.zeros(0), np.zeros(0, bool), tmp_path / "none.svg")
    assert "no images" in svg_texts(tmp_path / "none.svg")


def test_nothing_is_cut_off(tmp_path, png_pixels):
    confidence = np.linspace(0, 1, 30_000)
    draw(confidence, confidence > 0, tmp_path / "all.png", "A long title " * 10)
    pixels = png_pixels(tmp_path / "all.png")
    for edge in (pixels[:10], pixels[-10:], pixels[:, :10], pixels[:, -10:]):
        assert edge.min() == 1.0


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"\.png or \.svg"):
        draw(CONFIDENCE, RIGHT, tmp_path / "reliability.pdf")


def test_the_legend_covers_no_bar(tmp_path, drawn):
    """Also of a head that is right wherever it is not sure."""
    middles, many = np.arange(10) / 10 + 0.05, np.full(10, 20)
    bins = ReliabilityBins(middles, many, many, middles, np.full(10, 0.8), np.ones(10))
    draw_reliability(bins, 10, 0.5, tmp_path / "reliability.png", "Head")
    figure = drawn[-1]
    axes = next(each for each in figure.axes if each.get_legend() is not None)
    renderer = FigureCanvasAgg(figure).get_renderer()
    legend, frame = axes.get_legend().get_window_extent(renderer), axes.get_window_extent(renderer)
    assert legend.y0 >= frame.y1 - 1
    assert axes._left_title.get_window_extent(renderer).y0 >= legend.y1 - 4
