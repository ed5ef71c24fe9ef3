"""Curves of training: how a head got better by epochs, and how it would by images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from matplotlib.ticker import MaxNLocator, NullLocator

from ..errors import UsageError
from .figure_file import (
    INK,
    new_figure,
    require_picture_path,
    write_picture,
)
from .palette import class_style
from .text import text_style, wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray

_WIDTH_IN: Final = 6.4
_PANEL_IN: Final = 2.3
_GAP_IN: Final = 0.25
_MOST_WITH_MARKERS: Final = 40
_BLUE, _ORANGE = class_style(0).colour, class_style(1).colour


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
    figure = new_figure(_WIDTH_IN, height_in)
    below = figure.add_axes((0, 0, 1, panel))
    above = figure.add_axes((0, 1 - panel, 1, panel), sharex=below)
    marker = "." if n_epochs <= _MOST_WITH_MARKERS else ""
    above.plot(epochs, train_loss, color=_ORANGE, marker=marker, label="training")
    above.plot(epochs, loss, color=_BLUE, marker=marker, label="validation")
    below.plot(epochs, accuracy, color=_BLUE, marker=marker)
    for axes, values, first in zip((above, below), (loss, accuracy), before, strict=True):
        if first is not None:
            axes.axhline(first, color=INK, linestyle="--", linewidth=1, zorder=1, label="before")
        axes.axvline(best_epoch, color=INK, linestyle=":", linewidth=1, zorder=1)
        axes.plot(
            *([best_epoch], [values[best_epoch - 1]], "o"),
            color=_BLUE,
            markersize=7,
            clip_on=False,
            label=f"best epoch: {best_epoch:,}",
        )
        _style(axes)
    above.legend(frameon=False, fontsize=8)
    above.tick_params(labelbottom=False)
    above.set_ylabel("loss", color=INK, **text_style(9))
    below.set_ylabel("validation accuracy", color=INK, **text_style(9))
    _limit_to_shares(below)
    below.xaxis.set_major_locator(MaxNLocator(integer=True))
    below.set_xlim(0.5, n_epochs + 0.5)
    caption = (
        f"best epoch {best_epoch:,} of {n_epochs:,}: validation loss {loss[best_epoch - 1]:.3g}, "
        f"validation accuracy {_percent(accuracy[best_epoch - 1])}"
    )
    below.set_xlabel(f"epoch\n\n{caption}", color=INK, **text_style(9))
    above.set_title(wrapped(title, 60), loc="left", pad=10, **text_style(13))
    write_picture(figure, output)


def draw_learning_curve(
    sizes: ArrayLike,
    accuracies: ArrayLike,
    output: Path,
    title: str,
    forecast: Forecast | None = None,
) -> None:
    """Draw accuracy by number of images as a PNG or SVG, by the ending of `output`.

    Each size shows the median of its repeats and their range. The axis of sizes is logarithmic.

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
    figure = new_figure(_WIDTH_IN, 3.8)
    axes = figure.add_axes((0, 0, 1, 1))
    runs = "one run each" if n_repeats == 1 else f"median and range of {n_repeats:,} runs each"
    axes.plot(measured.sizes, measured.middle, "o-", color=_BLUE, markersize=5, label=runs)
    axes.vlines(measured.sizes, measured.low, measured.high, color=_BLUE, linewidth=1.5)
    ticks = measured.sizes
    if expected is not None:
        axes.plot(expected.sizes, expected.middle, "--", color=_ORANGE, label="forecast")
        axes.fill_between(
            *(expected.sizes, expected.low, expected.high), color=_ORANGE, alpha=0.2, linewidth=0
        )
        ticks = np.r_[ticks, expected.sizes[-1]]
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(_size_at)
    axes.set_xticks(_apart(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    _limit_to_shares(axes)
    _style(axes)
    axes.legend(loc="lower right", frameon=False, fontsize=8)
    axes.set_ylabel("accuracy", color=INK, **text_style(9))
    axes.set_xlabel(
        f"training images per class\n\n{_caption(measured, expected)}",
        color=INK,
        **text_style(9),
    )
    axes.set_title(wrapped(title, 60), loc="left", pad=10, **text_style(13))
    write_picture(figure, output)


def _limit_to_shares(axes: Axes) -> None:
    """Percent, and none below 0 or above 100, which margins would add."""
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, 0.0), min(high, 1.0))
    axes.yaxis.set_major_formatter(_percent_at)
    for line in axes.lines:
        line.set_clip_on(False)


def _style(axes: Axes) -> None:
    axes.grid(color="#e5e5e5", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8, color="#bbbbbb")
    axes.spines[:].set_color("#bbbbbb")


def _apart(sizes: NDArray[np.float64]) -> list[float]:
    """The sizes that have room for a label each, from the largest down."""
    logarithms = np.log(sizes)
    room = 0.08 * (logarithms.max() - logarithms.min())
    named: list[float] = []
    for size in sorted(set(sizes.tolist()), reverse=True):
        if not named or np.log(named[-1] / size) >= room:
            named.append(size)
    return named[::-1]


def _caption(measured: _Curve, expected: _Curve | None) -> str:
    words = f"{_end(measured)} measured"
    return words if expected is None else f"{words}\n{_end(expected)} forecast"


def _end(curve: _Curve) -> str:
    middle, low, high = (_percent(each[-1]) for each in (curve.middle, curve.low, curve.high))
    noun = "image" if curve.sizes[-1] == 1 else "images"
    words = f"{_size_at(curve.sizes[-1])} {noun} per class: {middle}"
    return words if low == high else f"{words} ({low} to {high})"


def _size_at(size: float, _position: float = 0) -> str:
    """Of images per class, which are a mean over classes: whole, but where that says too little."""
    return f"{size:,.0f}" if size >= 5 else f"{size:.2g}"


def _percent_at(share: float, _position: float) -> str:
    return f"{100 * share:.4g}%"


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
