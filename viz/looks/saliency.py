"""What an answer rests on, over the photograph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from ...errors import UsageError
from ..figure_file import in_theme, new_figure, write_picture
from ..picture_path import require_picture_path
from ..text import text_style, wrapped
from ..theme import LIGHT, Theme
from .overlay import grey_of, shades_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from .overlay import Shades

_HEIGHT_IN: Final = 4.2
_WIDEST: Final = 1.6  # of the height; a panorama is less high instead
_LEAST_IN: Final = 1.6
_GAP_IN: Final = 0.15
_BAR_IN: Final = 0.13
_SMALL: Final = 0.42  # of the height: the map of random weights


def draw_saliency(
    photograph: NDArray[np.uint8],
    values: NDArray[np.float32],
    window: tuple[float, float, float, float],
    output: Path,
    title: str,
    legend: str,
    caption: Sequence[str],
    *,
    signed: bool | None = None,
    permuted: NDArray[np.float32] | None = None,
    permuted_caption: str = "",
    theme: Theme = LIGHT,
) -> None:
    """Draw a photograph, the same with a map over it, and the map of random weights.

    Where the map is near 0 the photograph is seen, in grey; elsewhere colours cover it. Maps with
    negative values have two colours, red for positive and blue for negative ones.

    Parameters
    ----------
    photograph
        uint8, (height, width, 3), RGB, 0-255.
    values
        Floats, (rows, columns), finite.
    window
        (top, left, height, width) of what `values` cover, in pixels of the photograph.
    output
        A ``.png`` or ``.svg`` file in a folder that exists.
    title
        Stands above.
    legend
        What the values are, beside the colours.
    caption
        Stands below; each of it on lines of its own.
    signed
        Whether red is for positive values and blue for negative ones; None: where one is negative.
    permuted, permuted_caption
        Another map of the same place, drawn small, and what stands below it.
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
    if photograph.dtype != np.uint8 or photograph.ndim != 3 or photograph.shape[2] != 3:
        raise UsageError(
            f"the photograph must be uint8, (height, width, 3), not {photograph.dtype} "
            f"{photograph.shape}"
        )
    if values.ndim != 2 or not np.isfinite(values).all():
        raise UsageError(f"the map must be finite numbers, (rows, columns), not {values.shape}")
    n_rows, n_columns = photograph.shape[:2]
    ratio = n_columns / n_rows
    height_in = _HEIGHT_IN if ratio <= _WIDEST else _HEIGHT_IN * _WIDEST / ratio
    # Of a strip, the picture lies in the middle of an area in which the scale can be read.
    height_in, width_in = max(height_in, _LEAST_IN), max(height_in * ratio, _LEAST_IN)
    figure = new_figure(width_in, height_in, theme)
    step = 1 + _GAP_IN / width_in
    plain = figure.add_axes((0, 0, 1, 1))
    plain.imshow(photograph, aspect="equal", interpolation="antialiased")
    plain.set_axis_off()
    shades = _overlay(figure, (step, 0, 1, 1), photograph, values, window, signed)
    left = step + 1 + _GAP_IN / width_in
    bar_axes = in_theme(figure.add_axes((left, 0, _BAR_IN / width_in, 1)), theme, tick_pt=8)
    ends = shades.least, shades.scale
    steps = np.linspace(*ends, 256)[:, np.newaxis]
    bar_axes.imshow(steps, cmap=shades.colours, aspect="auto", origin="lower", extent=(0, 1, *ends))
    bar_axes.set_xticks([])
    bar_axes.yaxis.tick_right()
    bar_axes.yaxis.set_label_position("right")
    bar_axes.set_ylabel(legend, color=theme.ink, **text_style(8.5))
    right = left + (_BAR_IN + 0.75) / width_in
    if permuted is not None:
        small = right, 1 - _SMALL, _SMALL, _SMALL
        _overlay(figure, small, photograph, permuted, window, shades.signed)
        words = wrapped(permuted_caption, max(18, int(_SMALL * width_in * 13)))
        figure.text(*(right, 1 - _SMALL - 0.02, words), va="top", color=theme.ink, **text_style(8))
        right += _SMALL
    n_letters = max(40, int(right * width_in * 12.5))
    figure.text(
        *(0, 1 + 0.12 / height_in, wrapped(title, int(n_letters * 0.72))),
        va="bottom",
        color=theme.strong,
        **text_style(12.5),
    )
    below = "\n".join(wrapped(words, n_letters) for words in caption)
    figure.text(
        *(0, -0.1 / height_in, below), va="top", color=theme.ink, linespacing=1.4, **text_style(9)
    )
    write_picture(figure, output)


def _overlay(
    figure: Figure,
    place: tuple[float, float, float, float],
    photograph: NDArray[np.uint8],
    values: NDArray[np.float32],
    window: tuple[float, float, float, float],
    signed: bool | None,
) -> Shades:
    """Draw a photograph in grey and a map over it; the shades of the map."""
    axes = figure.add_axes(place)
    n_rows, n_columns = photograph.shape[:2]
    grey = grey_of(photograph)
    axes.imshow(grey, cmap="gray", vmin=0, vmax=255, aspect="equal", interpolation="antialiased")
    shades = shades_of(values, signed=signed)
    top, left, height, width = window
    axes.imshow(
        values,
        cmap=shades.colours,
        vmin=shades.least,
        vmax=shades.scale,
        alpha=shades.opaque(values),
        extent=(left - 0.5, left + width - 0.5, top + height - 0.5, top - 0.5),
        aspect="equal",
        interpolation="nearest",
    )
    axes.set_xlim(-0.5, n_columns - 0.5)
    axes.set_ylim(n_rows - 0.5, -0.5)
    axes.set_axis_off()
    return shades
