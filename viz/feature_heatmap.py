"""The transfer values of one image, as a picture."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from ..errors import UsageError
from .figure_file import new_figure, write_picture
from .picture_path import require_picture_path
from .text import text_style, wrapped
from .theme import LIGHT, Theme

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

_SIDE_IN: Final = 4.6
_GAP: Final = 0.03


def draw_transfer_values(
    values: ArrayLike,
    output: Path,
    title: str,
    image: NDArray[np.uint8] | None = None,
    theme: Theme = LIGHT,
) -> None:
    """Draw the transfer values of one image as a heat map, beside the image if given.

    The values fill the grid nearest to a square row by row; the rest of it is grey. Neighbours
    in the grid have nothing to do with one another: the picture is for comparing images.

    Parameters
    ----------
    values
        Floats, (d,), finite.
    output
        A ``.png`` or ``.svg`` file in a folder that exists.
    title
        Stands above.
    image
        uint8, (height, width, 3), RGB, 0-255.
    theme
        Light or dark.

    Raises
    ------
    UsageError
        When `output` ends otherwise, or an array is not as described.
    OSError
        When `output` cannot be written; it is then as it was.
    """
    require_picture_path(output)
    row = _checked_values(values)
    grid = _grid(row)
    figure = new_figure(_SIDE_IN, _SIDE_IN, theme)
    # Both panels are as high as the grid is with square cells.
    height = grid.shape[0] / grid.shape[1]
    left = 0.0
    if image is not None:
        n_rows, n_columns = _checked_image(image).shape[:2]
        breadth = min(height * n_columns / n_rows, 2.0)  # a panorama is less high instead
        picture = figure.add_axes((0, 0, breadth, height), anchor="NW")
        picture.imshow(image, interpolation="antialiased")
        picture.set_axis_off()
        left = breadth + 0.06
    axes = figure.add_axes((left, 0, 1, height), facecolor=theme.grid)
    drawn = axes.imshow(grid, cmap="viridis", interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(drawn, cax=figure.add_axes((left + 1.03, 0, 0.035, height)))
    bar.set_label("transfer value", color=theme.ink, **text_style(9))
    bar.ax.tick_params(labelsize=8, color=theme.line, labelcolor=theme.ink)
    bar.outline.set_visible(False)  # type: ignore[operator]  # a Spine, typed as a method
    n_characters = int((left + 1) * 68)
    for y, va, colour, words, size_pt in (
        (height + _GAP, "bottom", theme.strong, wrapped(title, int(n_characters * 0.7)), 13),
        (-_GAP, "top", theme.ink, wrapped(_caption(row), n_characters), 9),
    ):
        figure.text(0, y, words, va=va, color=colour, **text_style(size_pt))
    write_picture(figure, output)


def _grid(values: NDArray[np.float32]) -> np.ma.MaskedArray:
    """(rows, columns), row by row, with the cells that hold no value masked."""
    columns = math.ceil(math.sqrt(len(values)))
    rows = math.ceil(len(values) / columns)
    # matplotlib computes with masked cells as well: each must hold a number of its own.
    padded = np.ma.array(np.full(rows * columns, values[0]), mask=True)
    padded[: len(values)] = values
    return padded.reshape(rows, columns)


def _caption(values: NDArray[np.float32]) -> str:
    noun = "transfer value" if len(values) == 1 else "transfer values"
    zeros = np.count_nonzero(values == 0) / len(values)
    return (
        f"{len(values):,} {noun}, row by row: smallest {values.min():.3g}, "
        f"mean {values.mean(dtype=np.float64):.3g}, largest {values.max():.3g}, {zeros:.0%} zero"
    ).replace("%", " %")


def _checked_values(values: ArrayLike) -> NDArray[np.float32]:
    row = np.asarray(values)
    if row.ndim != 1 or len(row) == 0 or row.dtype.kind not in "fiu":
        raise UsageError(
            f"the transfer values of one image are numbers, (d,), not {row.dtype} {row.shape}"
        )
    if not np.isfinite(row).all():
        raise UsageError(
            f"transfer values must be finite: {np.count_nonzero(~np.isfinite(row))} of "
            f"{len(row)} are NaN or infinite; extract the image again"
        )
    return row.astype(np.float32)


def _checked_image(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise UsageError(
            f"the image must be uint8, (height, width, 3), not {image.dtype} {image.shape}"
        )
    return image
