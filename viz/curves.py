"""Curves of training: how a head got better by epochs, and how it would by images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from matplotlib.ticker import MaxNLocator, NullLocator

from ..errors import UsageError
from .figure_file import in_theme, new_figure, write_picture
from .picture_path import require_picture_path
from .text import text_style, wrapped
from .theme import LIGHT, Theme

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray

# So narrow that a phone shows it with words of a legible size.
_WIDTH_IN: Final = 4.3
_HEIGHT_IN: Final = 2.9
_PANEL_IN: Final = 2.0
_GAP_IN: Final = 0.2
_MOST_WITH_MARKERS: Final = 40
_TITLE_LETTERS: Final = 44
_MOST_TICKS: Final = 8
_LEAST_SHARES: Final = 0.05  # a narrower axis of shares would make much of noise


class Forecast(NamedTuple):
    """How a learning curve is expected to go on."""

    sizes: ArrayLike
    """Images per class, above 0 and rising, (m,)."""
    accuracy: ArrayLike
    """The expected accuracy, floats in 0-1, (m,)."""
    low: ArrayLike
    """The lower end of where it may lie, floats in 0-1, (m,)."""
    high: ArrayLike
    """The upper end of where it may lie, floats in 0-1, (m,)."""


class _Curve(NamedTuple):
    sizes: NDArray[np.float64]
    middle: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def draw_training_curves(
    history: Sequence[tuple[float, float, float]],
    output: Path,
    title: str,
    best_epoch: int,
    *,
    start: Sequence[float] | None = None,
    theme: Theme = LIGHT,
) -> None:
    """Draw losses and accuracy by epoch as a PNG or SVG, by the ending of `output`.

    Parameters
    ----------
    history
        Training loss, validation loss and validation accuracy (0-1) of each epoch, finite; the
        first epoch first.
    output
        A ``.png`` or ``.svg`` file in a folder that exists.
    title
        Stands above the curves; the figures of the best epoch stand below.
    best_epoch
        The epoch whose weights were kept, counted from 1; it is marked.
    start
        Validation loss and validation accuracy before the first epoch, drawn as a line; None where
        training began with nothing.
    theme
        Colours of all that is drawn.

    Raises
    ------
    UsageError
        When `output` ends otherwise, the history is not as described, or `best_epoch` is none of
        its epochs.
    OSError
        When `output` cannot be written; it is then as it was.
    """
    require_picture_path(output)
    train_loss, loss, accuracy = _checked_history(history).T
    n_epochs = len(loss)
    if not 1 <= best_epoch <= n_epochs:
        raise UsageError(f"the best epoch is one of 1 to {n_epochs:,}, not {best_epoch}")
    before = [None, None] if start is None else _checked_start(start)
    epochs = np.arange(1, n_epochs + 1)
    height_in = 2 * _PANEL_IN + _GAP_IN
    panel = _PANEL_IN / height_in
    figure = new_figure(_WIDTH_IN, height_in, theme)
    below = figure.add_axes((0, 0, 1, panel))
    above = figure.add_axes((0, 1 - panel, 1, panel), sharex=below)
    marker = "." if n_epochs <= _MOST_WITH_MARKERS else ""
    above.plot(epochs, train_loss, color=theme.second, marker=marker, label="training")
    above.plot(epochs, loss, color=theme.first, marker=marker, label="validation")
    below.plot(epochs, accuracy, color=theme.first, marker=marker)
    for axes, values, first in zip((above, below), (loss, accuracy), before, strict=True):
        if first is not None:
            axes.axhline(
                first, color=theme.ink, linestyle="--", linewidth=1, zorder=1, label="before"
            )
        axes.axvline(best_epoch, color=theme.ink, linestyle=":", linewidth=1, zorder=1)
        axes.plot(
            *([best_epoch], [values[best_epoch - 1]], "o"),
            color=theme.first,
            markersize=7,
            clip_on=False,
            label=f"best epoch: {best_epoch:,}",
        )
        _style(axes, theme)
    _legend_above(above, theme, n_columns=2)
    above.tick_params(labelbottom=False)
    above.set_ylabel("loss", color=theme.ink, **text_style(9))
    below.set_ylabel("validation accuracy", color=theme.ink, **text_style(9))
    _limit_to_shares(below)
    below.xaxis.set_major_locator(MaxNLocator(_MOST_TICKS, integer=True, min_n_ticks=1))
    below.xaxis.set_major_formatter("{x:,.0f}")
    below.set_xlim(0.5, n_epochs + 0.5)
    caption = (
        f"best epoch {best_epoch:,} of {n_epochs:,}\nvalidation loss {loss[best_epoch - 1]:.3g}, "
        f"validation accuracy {_percent(accuracy[best_epoch - 1])}"
    )
    below.set_xlabel(f"epoch\n\n{caption}", color=theme.ink, **text_style(9))
    _title(above, title, theme, n_rows=2)
    write_picture(figure, output)


def draw_learning_curve(
    sizes: ArrayLike,
    accuracies: ArrayLike,
    output: Path,
    title: str,
    forecast: Forecast | None = None,
    *,
    theme: Theme = LIGHT,
) -> None:
    """Draw accuracy by number of images as a PNG or SVG, by the ending of `output`.

    Each size shows the median of its repeats and their range. The axis of sizes is logarithmic:
    from one of its ticks to the next, the images are doubled.

    Parameters
    ----------
    sizes
        Images per class, numbers above 0 and rising, (n,), n ≥ 1.
    accuracies
        Floats in 0-1, (n, repeats): a row for each size.
    output
        A ``.png`` or ``.svg`` file in a folder that exists.
    title
        Stands above the curve; the figures of its ends stand below.
    forecast
        Is drawn dashed, with a band from its low to its high end.
    theme
        Colours of all that is drawn.

    Raises
    ------
    UsageError
        When `output` ends otherwise, or an array is not as described.
    OSError
        When `output` cannot be written; it is then as it was.
    """
    require_picture_path(output)
    measured, n_repeats = _checked_accuracies(sizes, accuracies)
    expected = None if forecast is None else _checked_forecast(forecast)
    figure = new_figure(_WIDTH_IN, _HEIGHT_IN, theme)
    axes = figure.add_axes((0, 0, 1, 1))
    runs = "one run each" if n_repeats == 1 else f"median and range of {n_repeats:,} runs each"
    axes.plot(measured.sizes, measured.middle, "o-", color=theme.first, markersize=5, label=runs)
    axes.vlines(measured.sizes, measured.low, measured.high, color=theme.first, linewidth=1.5)
    last = measured.sizes[-1]
    if expected is not None:
        axes.plot(expected.sizes, expected.middle, "--", color=theme.second, label="forecast")
        axes.fill_between(
            *(expected.sizes, expected.low, expected.high),
            color=theme.second,
            alpha=0.2,
            linewidth=0,
        )
        last = max(last, expected.sizes[-1])
    axes.set_xscale("log")
    ticks = _whole_ticks(measured.sizes[0], last)
    axes.set_xticks(ticks, [f"{size:,}" for size in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    low, high = min(measured.sizes[0], ticks[0]), max(last, ticks[-1])
    room = max((high / low) ** 0.05, 1.05)
    axes.set_xlim(low / room, high * room)
    _limit_to_shares(axes)
    _style(axes, theme)
    _legend_above(axes, theme, n_columns=2)
    axes.set_ylabel("accuracy", color=theme.ink, **text_style(9))
    axes.set_xlabel(
        f"training images per class\n\n{_caption(measured, expected)}",
        color=theme.ink,
        **text_style(9),
    )
    _title(axes, title, theme, n_rows=1)
    write_picture(figure, output)


def _limit_to_shares(axes: Axes) -> None:
    """Whole percents, and none below 0 or above 100, which margins would add."""
    low, high = axes.get_ylim()
    lacking = max(0.0, _LEAST_SHARES - (high - low)) / 2
    low, high = low - lacking, high + lacking
    low, high = (max(0.0, low - max(0.0, high - 1)), min(1.0, high + max(0.0, -low)))
    axes.set_ylim(low, high)
    # Of the widths of steps that are allowed, the axis has room for none below one per cent.
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter("{x:.0%}")
    for line in axes.lines:
        line.set_clip_on(False)


def _style(axes: Axes, theme: Theme) -> None:
    in_theme(axes, theme)
    axes.grid(color=theme.grid, linewidth=0.7)
    axes.set_axisbelow(True)


def _legend_above(axes: Axes, theme: Theme, n_columns: int) -> None:
    """Between the title and the frame: within the frame, curves may be anywhere."""
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1),
        borderaxespad=0.2,
        borderpad=0.2,
        ncols=n_columns,
        frameon=False,
        fontsize=9,
        labelcolor=theme.ink,
    )


def _title(axes: Axes, title: str, theme: Theme, n_rows: int) -> None:
    """Above a legend of so many rows."""
    words = wrapped(title, _TITLE_LETTERS)
    axes.set_title(words, loc="left", pad=12 + 14 * n_rows, color=theme.strong, **text_style(13))


def _whole_ticks(first: float, last: float) -> list[int]:
    """Whole numbers from first to last, each the double of the one before where there is room."""
    start = 5 if first >= 5 else 1
    ticks = [start << shift for shift in range(64) if first <= start << shift <= last]
    step = -(-len(ticks) // _MOST_TICKS)
    if len(ticks) > 1:
        return ticks[(len(ticks) - 1) % step :: step]
    ends = {int(np.ceil(first)), int(np.floor(last))}
    return sorted(ends) if min(ends) >= first else [max(1, round((first + last) / 2))]


def _caption(measured: _Curve, expected: _Curve | None) -> str:
    words = f"{_end(measured)} measured"
    return words if expected is None else f"{words}\n{_end(expected)} forecast"


def _end(curve: _Curve) -> str:
    middle, low, high = (_percent(each[-1]) for each in (curve.middle, curve.low, curve.high))
    noun = "image" if curve.sizes[-1] == 1 else "images"
    words = f"{_size(curve.sizes[-1])} {noun} per class: {middle}"
    return words if low == high else f"{words} ({low} to {high})"


def _size(size: float) -> str:
    """Of images per class, which are a mean over classes: whole, but where that says too little."""
    return f"{size:,.0f}" if size >= 5 else f"{size:.2g}"


def _percent(share: float) -> str:
    return f"{share:.1%}".replace("%", " %")


def _checked_history(history: Sequence[tuple[float, float, float]]) -> NDArray[np.float64]:
    """(n_epochs, 3)."""
    values = _numbers(history, "the history")
    if values.ndim != 2 or values.shape[1] != 3 or len(values) == 0:
        raise UsageError(
            f"a history has at least one epoch and is (n_epochs, 3), not {values.shape}: training "
            f"loss, validation loss, validation accuracy"
        )
    if not np.isfinite(values).all():
        number = 1 + int(np.argmin(np.isfinite(values).all(axis=1)))
        raise UsageError(
            f"a history is finite: epoch {number} is {values[number - 1].tolist()}; train again "
            f"with a smaller learning rate"
        )
    _require_shares(values[:, 2], "validation accuracies")
    return values


def _checked_start(start: Sequence[float]) -> list[float]:
    values = _numbers(start, "the start")
    if values.shape != (2,) or not np.isfinite(values).all():
        raise UsageError(
            f"the start is validation loss and validation accuracy, finite, not {values.tolist()}"
        )
    _require_shares(values[1:], "validation accuracies")
    return values.tolist()


def _checked_accuracies(sizes: ArrayLike, accuracies: ArrayLike) -> tuple[_Curve, int]:
    checked = _checked_sizes(sizes)
    values = _numbers(accuracies, "accuracies")
    if values.ndim != 2 or len(values) != len(checked) or values.shape[1] == 0:
        raise UsageError(
            f"accuracies at {len(checked)} sizes are ({len(checked)}, repeats) with at least one "
            f"repeat, not {values.shape}"
        )
    _require_shares(values, "accuracies")
    curve = _Curve(checked, np.median(values, axis=1), values.min(axis=1), values.max(axis=1))
    return curve, values.shape[1]


def _checked_forecast(forecast: Forecast) -> _Curve:
    sizes = _checked_sizes(forecast.sizes)
    middle, low, high = (_numbers(values, "a forecast") for values in forecast[1:])
    for values in (middle, low, high):
        if values.shape != sizes.shape:
            raise UsageError(
                f"a forecast at {len(sizes)} sizes has {len(sizes)} accuracies, low ends and high "
                f"ends, {sizes.shape} each, not {values.shape}"
            )
        _require_shares(values, "the accuracies of a forecast")
    bad = (low > middle) | (middle > high)
    if bad.any():
        number = int(np.argmax(bad))
        raise UsageError(
            f"the accuracy of a forecast lies between its ends: {middle[number]} at "
            f"{sizes[number]:g} images per class is not in [{low[number]}, {high[number]}]"
        )
    return _Curve(sizes, middle, low, high)


def _checked_sizes(sizes: ArrayLike) -> NDArray[np.float64]:
    values = _numbers(sizes, "sizes")
    # Written so that NaN fails as well.
    if values.ndim != 1 or not (len(values) and values[0] > 0 and np.all(np.diff(values) > 0)):
        raise UsageError(
            f"sizes are numbers of images per class, above 0 and rising, at least one, not "
            f"{values.tolist()}"
        )
    if not np.isfinite(values[-1]):
        raise UsageError(f"sizes are finite numbers of images per class, not {values.tolist()}")
    return values


def _require_shares(values: NDArray[np.float64], name: str) -> None:
    bad = ~((values >= 0) & (values <= 1))  # NaN is neither
    if bad.any():
        raise UsageError(f"{name} are in 0-1, not {values[bad][0]}")


def _numbers(values: object, name: str) -> NDArray[np.float64]:
    try:
        return np.asarray(values, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise UsageError(f"{name} must be an array of numbers: {error}") from error
