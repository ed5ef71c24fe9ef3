import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Text

from bottlebank.errors import UsageError
from bottlebank.viz import Forecast, draw_learning_curve, draw_training_curves
from bottlebank.viz.theme import DARK

HISTORY = [(2.0, 2.1, 0.3), (1.0, 1.2, 0.6), (0.5, 0.9, 0.75), (0.2, 1.1, 0.7)]
SIZES = [5, 10, 20]
ACCURACIES = [[0.5, 0.6, 0.52], [0.7, 0.66, 0.68], [0.75, 0.74, 0.77]]
FORECAST = Forecast([20, 40, 80], [0.75, 0.8, 0.83], [0.74, 0.76, 0.75], [0.76, 0.85, 0.9])


def curves(axes) -> dict[str, list[list[float]]]:
    """Points by the words of the legend."""
    return {line.get_label(): line.get_xydata().tolist() for line in axes.lines}


def test_losses_and_accuracy_are_drawn_by_epoch(tmp_path, drawn):
    draw_training_curves(HISTORY, tmp_path / "training.png", "Dense head", best_epoch=3)
    below, above = drawn[-1].axes
    losses = curves(above)
    assert losses["training"] == [[1, 2.0], [2, 1.0], [3, 0.5], [4, 0.2]]
    assert losses["validation"] == [[1, 2.1], [2, 1.2], [3, 0.9], [4, 1.1]]
    assert below.lines[0].get_xydata().tolist() == [[1, 0.3], [2, 0.6], [3, 0.75], [4, 0.7]]
    assert above.get_ylabel() == "loss"
    assert below.get_ylabel() == "validation accuracy"
    assert above.get_xlim() == below.get_xlim()


def test_the_best_epoch_is_marked_in_both_panels(tmp_path, drawn, svg_texts):
    draw_training_curves(HISTORY, tmp_path / "training.svg", "Head $1$", best_epoch=3)
    below, above = drawn[-1].axes
    assert curves(above)["best epoch: 3"] == [[3, 0.9]]
    assert curves(below)["best epoch: 3"] == [[3, 0.75]]
    texts = svg_texts(tmp_path / "training.svg")
    assert "best epoch 3 of 4" in texts
    assert "validation loss 0.9, validation accuracy 75.0 %" in texts
    assert {"training", "validation", "best epoch: 3", "Head $1$"} <= set(texts)


@pytest.mark.parametrize("n_epochs", [1, 2, 300])
def test_any_number_of_epochs_can_be_drawn(n_epochs, tmp_path, svg_texts, drawn):
    history = [(1 / epoch, 1 / epoch, 1 - 1 / epoch) for epoch in range(1, n_epochs + 1)]
    draw_training_curves(history, tmp_path / "training.svg", "Head", best_epoch=n_epochs)
    words = " ".join(svg_texts(tmp_path / "training.svg"))
    assert f"best epoch {n_epochs} of {n_epochs} validation loss {1 / n_epochs:.3g}" in words

    ticks = [tick.get_text() for tick in drawn[-1].axes[0].get_xticklabels()]
    assert ticks, "no tick at all"
    assert all(words.isdecimal() for words in ticks), "half an epoch"


@pytest.mark.parametrize(
    ("history", "best_epoch", "message"),
    [
        ([], 1, r"at least one epoch and is \(n_epochs, 3\), not \(0,\)"),
        ([(1.0, 1.0)], 1, r"not \(1, 2\)"),
        ([(1.0, 1.0, "high")], 1, "must be an array of numbers"),
        ([(1.0, 1.0, 0.5), (np.nan, 1.0, 0.5)], 1, r"finite: epoch 2 is \[nan, 1.0, 0.5\]"),
        ([(1.0, 1.0, 83.0)], 1, "validation accuracies are in 0-1, not 83.0"),
        (HISTORY, 0, "one of 1 to 4, not 0"),
        (HISTORY, 5, "one of 1 to 4, not 5"),
    ],
)
def test_other_histories_are_refused(history, best_epoch, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        draw_training_curves(history, tmp_path / "training.png", "Head", best_epoch)


def test_a_learning_curve_is_the_median_and_the_range(tmp_path, drawn, svg_texts):
    draw_learning_curve(SIZES, ACCURACIES, tmp_path / "learning.svg", "Head")
    (axes,) = drawn[-1].axes
    assert curves(axes) == {
        "median and range of 3 runs each": [[5, 0.52], [10, 0.68], [20, 0.75]],
    }
    (ranges,) = axes.collections
    np.testing.assert_array_equal(
        ranges.get_segments(),
        [[[5, 0.5], [5, 0.6]], [[10, 0.66], [10, 0.7]], [[20, 0.74], [20, 0.77]]],
    )
    texts = svg_texts(tmp_path / "learning.svg")
    assert "20 images per class: 75.0 % (74.0 % to 77.0 %) measured" in texts
    assert {"5", "10", "20"} <= set(texts)
    assert axes.get_xscale() == "log"


def test_a_forecast_goes_on_dashed_with_its_band(tmp_path, drawn, svg_texts):
    draw_learning_curve(SIZES, ACCURACIES, tmp_path / "learning.svg", "Head", FORECAST)
    (axes,) = drawn[-1].axes
    line = next(line for line in axes.lines if line.get_label() == "forecast")
    assert line.get_linestyle() == "--"
    np.testing.assert_array_equal(line.get_xydata(), np.c_[FORECAST.sizes, FORECAST.accuracy])
    band = axes.collections[-1]
    assert to_hex(band.get_facecolor()[0]) == to_hex(line.get_color())
    corners = {tuple(corner) for corner in band.get_paths()[0].vertices.tolist()}
    ends = np.r_[np.c_[FORECAST.sizes, FORECAST.low], np.c_[FORECAST.sizes, FORECAST.high]]
    assert corners == {tuple(end) for end in ends.tolist()}
    words = " ".join(svg_texts(tmp_path / "learning.svg"))
    assert "80 images per class: 83.0 % (75.0 % to 90.0 %) forecast" in words
    assert "80" in svg_texts(tmp_path / "learning.svg")


def test_one_run_at_one_size_is_no_error(tmp_path, svg_texts):
    draw_learning_curve([7], [[0.5]], tmp_path / "learning.svg", "Head")
    texts = svg_texts(tmp_path / "learning.svg")
    assert "one run each" in texts
    assert "7 images per class: 50.0 % measured" in texts


def test_sizes_are_whole_images(tmp_path, svg_texts):
    """They are means over classes: of 1,177 images in five classes, 235.4."""
    sizes = [1.6, 3, 6.6, 13.4, 26.9, 54.6, 112.2, 235.4, 1235.4]
    accuracies = np.full((9, 1), 0.5)
    forecast = Forecast([1235.4, 1255.4], [0.5, 0.6], [0.5, 0.5], [0.5, 0.7])
    draw_learning_curve(sizes, accuracies, tmp_path / "learning.svg", "Head", forecast)
    texts = svg_texts(tmp_path / "learning.svg")
    labels = [text for text in texts if text.replace(",", "").replace(".", "").isdecimal()]
    assert labels == ["4", "16", "64", "256", "1,024"]
    words = " ".join(texts)
    assert "1,235 images per class: 50.0 % measured" in words
    assert "1,255 images per class: 60.0 %" in words


@pytest.mark.parametrize(
    ("sizes", "ticks"),
    [
        ([9.6, 19.2, 38, 307, 614], ["10", "20", "40", "80", "160", "320"]),
        ([2, 4, 9], ["2", "4", "8"]),
        ([1, 100], ["1", "2", "4", "8", "16", "32", "64"]),
        ([5, 1e6], ["20", "160", "1,280", "10,240", "81,920", "655,360"]),
        ([12, 15], ["12", "15"]),
        ([12.2, 12.9], ["13"]),
        ([7.3], ["7"]),
        ([0.4], ["1"]),
        ([20, 30], ["20", "30"]),
    ],
)
def test_ticks_are_whole_numbers_that_double(sizes, ticks, tmp_path, drawn):
    draw_learning_curve(sizes, np.full((len(sizes), 1), 0.5), tmp_path / "curve.png", "Head")
    (axes,) = drawn[-1].axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ticks
    low, high = axes.get_xlim()
    places = [*axes.get_xticks(), *sizes]
    assert low < min(places) <= max(places) < high, "a tick or a point is outside of the frame"
    assert not axes.xaxis.get_minor_ticks()


@pytest.mark.parametrize(
    "shares", [[0.5], [0.0], [1.0], [0.862, 0.871], [0.99, 1.0], [0.0, 0.01], [0.2, 0.9], [0, 1]]
)
def test_percents_are_whole_numbers(shares, tmp_path, drawn):
    sizes = [10 * 2**number for number in range(len(shares))]
    draw_learning_curve(sizes, [[share] for share in shares], tmp_path / "curve.png", "Head")
    (axes,) = drawn[-1].axes
    low, high = axes.get_ylim()
    assert 0 <= low <= min(shares) <= max(shares) <= high <= 1
    assert high - low >= 0.05 - 1e-9
    shown = [tick for tick in axes.get_yticks() if low <= tick <= high]
    assert len(shown) > 1
    np.testing.assert_allclose(100 * np.array(shown), np.round(100 * np.array(shown)), atol=1e-9)


def test_the_legend_stays_off_the_data(tmp_path, drawn):
    falling = [[0.9], [0.5], [0.1]]
    draw_learning_curve(SIZES, falling, tmp_path / "learning.png", "Head", FORECAST)
    draw_training_curves(HISTORY, tmp_path / "training.png", "Head", 3, start=[0.7, 0.6])
    for figure in drawn:
        for axes in figure.axes:
            if (legend := axes.get_legend()) is not None:
                title = axes.get_title(loc="left")
                frame, words = axes.get_window_extent(), legend.get_window_extent()
                assert words.y0 >= frame.y1 - 1
                [above] = [text for text in axes.findobj(Text) if text.get_text() == title]
                assert words.y1 <= above.get_window_extent().y0 + 1


def test_a_dark_picture_is_dark(tmp_path, png_pixels):
    draw_learning_curve(SIZES, ACCURACIES, tmp_path / "learning.png", "Head", FORECAST, theme=DARK)
    draw_training_curves(HISTORY, tmp_path / "training.png", "Head", 3, theme=DARK)
    for name in ("learning.png", "training.png"):
        pixels = png_pixels(tmp_path / name)
        assert (pixels.mean(axis=2) > 0.9).mean() < 0.02, "some of it is white"
        assert (pixels.mean(axis=2) < 0.2).mean() > 0.8


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_names_are_taken_literally(suffix, tmp_path, svg_texts):
    for output in (tmp_path / f"training{suffix}", tmp_path / f"learning{suffix}"):
        if output.stem == "training":
            draw_training_curves(HISTORY, output, "$\\frac{ 帽子 \udc80", best_epoch=1)
        else:
            draw_learning_curve(SIZES, ACCURACIES, output, "$\\frac{ 帽子 \udc80")
        if suffix == ".svg":
            assert "$\\frac{ 帽子 \ufffd" in svg_texts(output)


def test_nothing_is_cut_off(tmp_path, png_pixels):
    title = "A long title " * 20
    draw_training_curves(HISTORY, tmp_path / "training.png", title, best_epoch=3)
    draw_learning_curve(SIZES, ACCURACIES, tmp_path / "learning.png", title, FORECAST)
    for name in ("training.png", "learning.png"):
        pixels = png_pixels(tmp_path / name)
        for edge in (pixels[:10], pixels[-10:], pixels[:, :10], pixels[:, -10:]):
            assert edge.min() == 1.0


@pytest.mark.parametrize(
    ("sizes", "accuracies", "message"),
    [
        ([], np.zeros((0, 3)), r"above 0 and rising, at least one, not \[\]"),
        ([0, 5], ACCURACIES[:2], r"above 0 and rising, at least one, not \[0.0, 5.0\]"),
        ([5, 5], ACCURACIES[:2], "above 0 and rising"),
        ([5, np.nan], ACCURACIES[:2], "above 0 and rising"),
        ([5, np.inf], ACCURACIES[:2], "finite numbers"),
        (SIZES, ACCURACIES[:2], r"at 3 sizes are \(3, repeats\) .* not \(2, 3\)"),
        (SIZES, [0.5, 0.6, 0.7], r"not \(3,\)"),
        (SIZES, np.zeros((3, 0)), r"not \(3, 0\)"),
        ([5], [[np.nan]], "accuracies are in 0-1, not nan"),
        ([5], [[50.0]], "accuracies are in 0-1, not 50.0"),
    ],
)
def test_other_measurements_are_refused(sizes, accuracies, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        draw_learning_curve(sizes, accuracies, tmp_path / "learning.png", "Head")


@pytest.mark.parametrize(
    ("forecast", "message"),
    [
        (Forecast([40], [0.8], [0.7, 0.7], [0.9]), r"at 1 sizes .* \(1,\) each, not \(2,\)"),
        (Forecast([40], [0.8], [0.7], [1.2]), "of a forecast are in 0-1, not 1.2"),
        (Forecast([40], [0.8], [0.9], [1.0]), r"0.8 at 40 images per class is not in \[0.9, 1.0\]"),
        (Forecast([], [], [], []), "at least one"),
    ],
)
def test_other_forecasts_are_refused(forecast, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        draw_learning_curve(SIZES, ACCURACIES, tmp_path / "learning.png", "Head", forecast)


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"\.png or \.svg"):
        draw_training_curves(HISTORY, tmp_path / "training.pdf", "Head", best_epoch=1)
    with pytest.raises(UsageError, match=r"\.png or \.svg"):
        draw_learning_curve(SIZES, ACCURACIES, tmp_path / "learning.pdf", "Head")


def test_no_axis_of_shares_goes_beyond_100_percent(tmp_path, drawn):
    history = [(0.5, 0.4, 0.9), (0.3, 0.2, 1.0)]
    draw_training_curves(history, tmp_path / "training.png", "Head", best_epoch=2)
    assert drawn[-1].axes[0].get_ylim()[1] == 1
    draw_learning_curve([10, 20], [[0.0], [1.0]], tmp_path / "learning.png", "Head")
    assert drawn[-1].axes[0].get_ylim() == (0, 1)


def test_the_start_is_a_line_in_both_panels(tmp_path, drawn):
    draw_training_curves(HISTORY, tmp_path / "training.png", "Head", 3, start=[0.7, 0.6])
    below, above = drawn[-1].axes
    for axes, value in ((above, 0.7), (below, 0.6)):
        [line] = [line for line in axes.lines if line.get_label() == "before"]
        assert set(line.get_ydata()) == {value}


@pytest.mark.parametrize("start", [[0.7], [float("nan"), 0.5], [0.7, 1.5], "start"])
def test_a_start_that_is_none_is_refused(tmp_path, start):
    with pytest.raises(UsageError):
        draw_training_curves(HISTORY, tmp_path / "training.png", "Head", 3, start=start)
