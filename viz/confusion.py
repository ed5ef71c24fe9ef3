"""The confusion matrix: which class a head takes for which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, PowerNorm

from ..errors import UsageError
from ..formatting import counted
from .figure_file import in_theme, new_figure, write_picture
from .picture_path import require_picture_path
from .text import shown_name, text_style, wrapped
from .theme import LIGHT, Theme

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray

_MOST_WITH_PERCENT: Final = 12
_MOST_WITH_COUNTS: Final = 60
_MOST_WITH_NAMES: Final = 120
_SCALE_IN: Final = 5.0  # of the bar that explains the colours; longer ones say no more
# From an empty cell to a full one: Blues of ColorBrewer, and on dark the way to a light blue.
_SHADES: Final = {
    "light": ("#f7fbff", "#c6dbef", "#6baed6", "#2171b5", "#08306b"),
    "dark": ("#1b211e", "#17425c", "#1d6a96", "#3b9bd4", "#a6dcff"),
}


def draw_confusion_matrix(
    matrix: ArrayLike,
    classes: Sequence[str],
    output: Path,
    title: str,
    *,
    theme: Theme = LIGHT,
) -> None:
    """Draw a confusion matrix as a PNG or SVG, by the ending of `output`.

    Each cell holds the number of images, and with up to 12 classes its share of the row; its
    colour is that share. Empty cells stay empty.

    Parameters
    ----------
    matrix
        Integers ≥ 0, (k, k): rows are the true classes, columns the predicted ones.
    classes
        Names of the k classes, in the order of the rows.
    output
        A ``.png`` or ``.svg`` file in a folder that exists.
    title
        Stands above the matrix; the accuracy stands below.
    theme
        Colours of all that is drawn.

    Raises
    ------
    UsageError
        When `output` ends otherwise, the matrix is not square with one row per class, or holds
        something other than counts.
    OSError
        When `output` cannot be written; it is then as it was.
    """
    require_picture_path(output)
    counts = _checked_counts(matrix, len(classes))
    n_classes = len(classes)
    cell_in = (
        max(0.22, 0.66 - 0.02 * n_classes) if n_classes <= _MOST_WITH_COUNTS else 13 / n_classes
    )
    side_in = max(2.5, cell_in * n_classes)
    cell_pt = 72 * side_in / n_classes
    figure = new_figure(side_in, side_in, theme)
    axes = in_theme(figure.add_axes((0, 0, 1, 1)), theme)
    totals = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(totals, 1)
    # Where numbers have no room, colour alone has to show an error of one per cent.
    scale = PowerNorm(1.0 if n_classes <= _MOST_WITH_COUNTS else 0.5, vmin=0, vmax=1)
    shades = LinearSegmentedColormap.from_list("shares", _SHADES[theme.name])
    image = axes.imshow(shares, cmap=shades, norm=scale, interpolation="nearest")
    _draw_names(axes, classes, size_pt=min(10.0, 0.62 * cell_pt))
    _draw_counts(axes, counts, shares, cell_pt, shades)
    scale_in = min(side_in, _SCALE_IN)
    bar = figure.colorbar(
        image,
        cax=figure.add_axes(
            (1 + 0.2 / side_in, 1 - scale_in / side_in, 0.16 / side_in, scale_in / side_in)
        ),
        format="{x:.0%}",
    )
    bar.set_label("share of the true class", color=theme.ink, **text_style(9))
    bar.ax.tick_params(labelsize=9, color=theme.line, labelcolor=theme.ink)
    bar.outline.set_visible(False)  # type: ignore[operator]  # a Spine, typed as a method
    characters = max(34, int(side_in * 11))
    axes.set_title(
        wrapped(title, characters), loc="left", pad=12, color=theme.strong, **text_style(13)
    )
    axes.set_xlabel(f"predicted class\n\n{_caption(counts)}", color=theme.ink, **text_style(10))
    axes.set_ylabel("true class", color=theme.ink, **text_style(10))
    write_picture(figure, output)


def _draw_names(axes: Axes, classes: Sequence[str], size_pt: float) -> None:
    axes.tick_params(length=0)
    if len(classes) > _MOST_WITH_NAMES:
        axes.set_xticks([])
        axes.set_yticks([])
        return
    names = [shown_name(name, 28) for name in classes]
    style: dict[str, Any] = text_style(max(4.0, size_pt))
    places = range(len(names))
    axes.set_yticks(places, labels=names, **style)
    axes.set_xticks(places, labels=names, rotation=90, **style)


def _draw_counts(
    axes: Axes,
    counts: NDArray[np.int64],
    shares: NDArray[np.float64],
    cell_pt: float,
    shades: LinearSegmentedColormap,
) -> None:
    n_classes = len(counts)
    if n_classes > _MOST_WITH_COUNTS:
        return
    with_percent = n_classes <= _MOST_WITH_PERCENT
    widest = len(f"{counts.max():,}")
    # A digit is about 0.64 of its height wide.
    size_pt = min(
        11.0, 0.9 * cell_pt / (0.64 * max(widest, 2)), (0.3 if with_percent else 0.6) * cell_pt
    )
    style = text_style(size_pt)
    for row, column in np.argwhere(counts):
        words = f"{counts[row, column]:,}"
        if with_percent:
            words += f"\n{shares[row, column]:.0%}"
        axes.text(
            *(column, row, words),
            ha="center",
            va="center",
            linespacing=1.1,
            color=_on(shades(float(shares[row, column]))),
            **style,
        )


def _on(colour: tuple[float, ...]) -> str:
    """Black or white, whichever is read better on a colour."""
    red, green, blue = ((channel + 0.055) / 1.055 for channel in colour[:3])
    luminance = 0.2126 * red**2.4 + 0.7152 * green**2.4 + 0.0722 * blue**2.4  # WCAG 2.1
    return "black" if (luminance + 0.05) ** 2 > 1.05 * 0.05 else "white"


def _caption(counts: NDArray[np.int64]) -> str:
    total, correct = int(counts.sum()), int(np.trace(counts))
    if total == 0:
        return "no images"
    return f"accuracy {correct / total:.1%}: {correct:,} of {counted(total, 'image')}".replace(
        "%", " %"
    )


def _checked_counts(matrix: ArrayLike, n_classes: int) -> NDArray[np.int64]:
    counts = np.asarray(matrix)
    if n_classes == 0 or counts.shape != (n_classes, n_classes):
        raise UsageError(
            f"a confusion matrix of {n_classes} classes is ({n_classes}, {n_classes}) with at "
            f"least one class, not {counts.shape}"
        )
    if counts.dtype.kind not in "iu" or counts.min() < 0:
        raise UsageError(
            f"a confusion matrix holds numbers of images, integers from 0; this one is "
            f"{counts.dtype} from {counts.min()}"
        )
    return counts.astype(np.int64)
