"""The reliability diagram: whether a confidence of 80 % is right in 80 of 100 cases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

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
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray

_N_BINS: Final = 15  # as in Guo et al. 2017, so that the error compares with published ones
_EDGES: Final = np.linspace(0, 1, _N_BINS + 1)
_SIDE_IN: Final = 4.8
_COUNTS_IN: Final = 0.9
_GAP_IN: Final = 0.3
_Z: Final = 1.959964  # 95 % of a normal distribution lie within so many standard deviations


class _Bins(NamedTuple):
    """Those of the 15 bins that hold images; each array is (n_bins,)."""

    places: NDArray[np.float64]  # the middle of each
    n_images: NDArray[np.float64]
    n_right: NDArray[np.float64]
    confidence: NDArray[np.float64]  # mean of the images in it

    @property
    def accuracy(self) -> NDArray[np.float64]:
        return self.n_right / self.n_images


def draw_reliability(
    confidence: ArrayLike, right: ArrayLike, output: Path, title: str, *, least_images: int = 1
) -> None:
    """Draw a reliability diagram as a PNG or SVG, by the ending of `output`.

    Images are put into 15 bins of equal width by their confidence. Each bin shows the share of
    right answers as a bar, and at its mean confidence a point with the 95 % interval of Wilson
    (1927). Numbers of images stand below, and the expected calibration error of Guo et al. (2017,
    arXiv:1706.04599): the mean distance of the points from the diagonal, weighted by images.

    Parameters
    ----------
    confidence
        Probability of the class that was predicted, floats in 0-1, (n,).
    right
        Whether the prediction was right, bool, (n,).
    output
        A ``.png`` or ``.svg`` file in a folder that exists.
    title
        Stands above the diagram.
    least_images
        With fewer, words stand in the place of the calibration error, which would be of chance.

    Raises
    ------
    UsageError
        When `output` ends otherwise, or an array is not as described.
    OSError
        When `output` cannot be written; it is then as it was.
    """
    require_picture_path(output)
    values, hits = _checked(confidence, right)
    bins = _binned(values, hits)
    height_in = _SIDE_IN + _GAP_IN + _COUNTS_IN
    figure = new_figure(_SIDE_IN, height_in)
    counts = figure.add_axes((0, 0, 1, _COUNTS_IN / height_in))
    axes = figure.add_axes((0, 1 - _SIDE_IN / height_in, 1, _SIDE_IN / height_in), sharex=counts)
    _draw_accuracy(axes, bins)
    _draw_counts(counts, bins)
    axes.set_title(wrapped(title, 44), loc="left", pad=10, **text_style(13))
    counts.set_xlabel(
        f"confidence: probability of the predicted class\n\n{_caption(bins, least_images)}",
        color=INK,
        **text_style(9),
    )
    write_picture(figure, output)


def _draw_accuracy(axes: Axes, bins: _Bins) -> None:
    colour = class_style(0).colour
    axes.plot([0, 1], [0, 1], "--", color="#888888", linewidth=1, label="as right as confident")
    axes.bar(bins.places, bins.accuracy, width=0.9 / _N_BINS, color=colour, alpha=0.25)
    axes.vlines(
        bins.confidence,
        *_wilson_interval(bins),
        color=colour,
        linewidth=1.5,
        label="95 % interval of a bin",
    )
    axes.plot(
        bins.confidence, bins.accuracy, "o", color=colour, markersize=4, clip_on=False, zorder=3
    )
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.set_ylabel("accuracy: share of right answers", color=INK, **text_style(9))
    axes.tick_params(labelsize=8, color="#bbbbbb")
    axes.tick_params(labelbottom=False)
    axes.spines[:].set_color("#bbbbbb")
    axes.legend(loc="upper left", frameon=False, fontsize=8)


def _draw_counts(axes: Axes, bins: _Bins) -> None:
    bars = axes.bar(bins.places, bins.n_images, width=0.9 / _N_BINS, color="#999999")
    words = [f"{n_images:,.0f}" for n_images in bins.n_images]
    bin_pt = 72 * _SIDE_IN / _N_BINS
    # A digit is about 0.64 of its height wide.
    size_pt = min(8.0, bin_pt / (0.64 * max(map(len, words), default=1)))
    axes.bar_label(bars, words, padding=1, color=INK, fontsize=size_pt)
    axes.set_yticks([])
    axes.set_ylabel("images", color=INK, **text_style(9))
    axes.xaxis.set_major_formatter("{x:.0%}")
    axes.tick_params(labelsize=8, color="#bbbbbb")
    axes.spines[["top", "left", "right"]].set_visible(False)
    axes.spines["bottom"].set_color("#bbbbbb")


def _binned(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> _Bins:
    # Each bin holds its upper edge, and the first holds 0 as well.
    index = np.digitize(confidence, _EDGES[1:-1], right=True)
    counted = np.stack([np.ones(len(index)), right, confidence])
    n_images, n_right, total = np.stack(
        [counted[:, index == number].sum(axis=1) for number in range(_N_BINS)], axis=1
    )
    held = n_images > 0
    middles = (_EDGES[:-1] + _EDGES[1:]) / 2
    return _Bins(middles[held], n_images[held], n_right[held], total[held] / n_images[held])


def _wilson_interval(bins: _Bins) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lower and upper ends, (n_bins,) each: Wilson (1927), doi:10.1080/01621459.1927.10502953."""
    n_images, share = bins.n_images, bins.accuracy
    middle = share + _Z**2 / (2 * n_images)
    half = _Z * np.sqrt(share * (1 - share) / n_images + _Z**2 / (4 * n_images**2))
    scale = 1 + _Z**2 / n_images
    return (middle - half) / scale, (middle + half) / scale


def _caption(bins: _Bins, least_images: int) -> str:
    total = bins.n_images.sum()
    if total == 0:
        return "no images"
    noun = "image" if total == 1 else "images"
    error = (bins.n_images * np.abs(bins.accuracy - bins.confidence)).sum() / total
    words = f"expected calibration error {error:.1%} ({_N_BINS} bins)"
    if total < least_images:
        words = f"calibration error: cannot be told from {total:,.0f} {noun}"
    return (
        f"{words}\n"
        f"mean confidence {(bins.n_images * bins.confidence).sum() / total:.1%}, "
        f"accuracy {bins.n_right.sum() / total:.1%}, {total:,.0f} {noun}"
    ).replace("%", " %")


def _checked(
    confidence: ArrayLike, right: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    values, hits = np.asarray(confidence), np.asarray(right)
    if values.ndim != 1 or values.dtype.kind not in "fiu":
        raise UsageError(
            f"confidences are numbers in 0-1, (n,), one for each image, not {values.dtype} "
            f"{values.shape}"
        )
    if hits.shape != values.shape or hits.dtype != np.bool_:
        raise UsageError(
            f"for {len(values):,} confidences `right` is bool {values.shape}, not {hits.dtype} "
            f"{hits.shape}"
        )
    bad = ~((values >= 0) & (values <= 1))  # NaN is neither
    if bad.any():
        raise UsageError(
            f"confidences are in 0-1: {np.count_nonzero(bad):,} of {len(values):,} are not, the "
            f"first is {values[np.argmax(bad)]} at {np.argmax(bad)}"
        )
    return values.astype(np.float64), hits
