"""The reliability diagram: whether a confidence of 80 % is right in 80 of 100 cases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from .figure_file import in_theme, new_figure, write_picture
from .picture_path import require_picture_path
from .text import text_style, wrapped
from .theme import LIGHT, Theme

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

_SIDE_IN: Final = 4.0  # so narrow that a phone shows it with words of a legible size
_COUNTS_IN: Final = 0.9
_GAP_IN: Final = 0.3


class ReliabilityBins(NamedTuple):
    """The bins of confidence that hold images; each array is (b,)."""

    middles: NDArray[np.float64]
    """The middle of each bin, 0-1."""
    n_images: NDArray[np.int_]
    n_right: NDArray[np.int_]
    """Images whose predicted class is the true one."""
    confidence: NDArray[np.float64]
    """Mean confidence of the images."""
    low: NDArray[np.float64]
    """95 % interval of the accuracy, 0-1."""
    high: NDArray[np.float64]

    @property
    def accuracy(self) -> NDArray[np.float64]:
        """Share of right predictions in each bin."""
        return self.n_right / self.n_images


def draw_reliability(
    bins: ReliabilityBins,
    n_bins: int,
    error: float | None,
    output: Path,
    title: str,
    *,
    theme: Theme = LIGHT,
) -> None:
    """Draw a reliability diagram as a PNG or SVG, by the ending of `output`.

    Each bin shows the share of right answers as a bar, and at its mean confidence a point with its
    interval. Numbers of images stand below, and the expected calibration error.

    Parameters
    ----------
    bins
        Those of the `n_bins` bins that hold images.
    n_bins
        From 0 to 1, of equal width.
    error
        The expected calibration error, 0-1; None where the images are too few to tell.
    output
        A ``.png`` or ``.svg`` file in a folder that exists.
    title
        Stands above the diagram.
    theme
        Colours of all that is drawn.

    Raises
    ------
    UsageError
        When `output` ends otherwise.
    OSError
        When `output` cannot be written; it is then as it was.
    """
    require_picture_path(output)
    height_in = _SIDE_IN + _GAP_IN + _COUNTS_IN
    figure = new_figure(_SIDE_IN, height_in, theme)
    counts = figure.add_axes((0, 0, 1, _COUNTS_IN / height_in))
    axes = figure.add_axes((0, 1 - _SIDE_IN / height_in, 1, _SIDE_IN / height_in), sharex=counts)
    _draw_accuracy(in_theme(axes, theme), bins, n_bins, theme)
    _draw_counts(in_theme(counts, theme), bins, n_bins, theme)
    axes.set_title(wrapped(title, 40), loc="left", pad=38, color=theme.strong, **text_style(13))
    counts.set_xlabel(
        f"confidence: probability of the predicted class\n\n{_caption(bins, n_bins, error)}",
        color=theme.ink,
        **text_style(9),
    )
    write_picture(figure, output)


def _draw_accuracy(axes: Axes, bins: ReliabilityBins, n_bins: int, theme: Theme) -> None:
    colour = theme.first
    axes.plot([0, 1], [0, 1], "--", color=theme.quiet, linewidth=1, label="as right as confident")
    axes.bar(bins.middles, bins.accuracy, width=0.9 / n_bins, color=colour, alpha=0.25)
    axes.vlines(
        bins.confidence,
        bins.low,
        bins.high,
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
    axes.set_ylabel("accuracy: share of right answers", color=theme.ink, **text_style(9))
    axes.tick_params(labelbottom=False)
    # Above the frame: in it, bars and points may be anywhere.
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1),
        borderaxespad=0.2,
        frameon=False,
        fontsize=9,
        labelcolor=theme.ink,
    )


def _draw_counts(axes: Axes, bins: ReliabilityBins, n_bins: int, theme: Theme) -> None:
    bars = axes.bar(bins.middles, bins.n_images, width=0.9 / n_bins, color=theme.bar)
    words = [f"{n_images:,.0f}" for n_images in bins.n_images]
    bin_pt = 72 * _SIDE_IN / n_bins
    # A digit is about 0.64 of its height wide.
    size_pt = min(8.0, bin_pt / (0.64 * max(map(len, words), default=1)))
    axes.bar_label(bars, words, padding=1, color=theme.ink, fontsize=size_pt)
    axes.set_yticks([])
    axes.set_ylabel("images", color=theme.ink, **text_style(9))
    axes.xaxis.set_major_formatter("{x:.0%}")
    axes.spines[["top", "left", "right"]].set_visible(False)


def _caption(bins: ReliabilityBins, n_bins: int, error: float | None) -> str:
    total = bins.n_images.sum()
    if total == 0:
        return "no images"
    noun = "image" if total == 1 else "images"
    words = f"calibration error: cannot be estimated from {total:,.0f} {noun}"
    if error is not None:
        words = f"expected calibration error {error:.1%} ({n_bins} bins)"
    return (
        f"{words}\n"
        f"mean confidence {(bins.n_images * bins.confidence).sum() / total:.1%}, "
        f"accuracy {bins.n_right.sum() / total:.1%}, {total:,.0f} {noun}"
    ).replace("%", " %")
