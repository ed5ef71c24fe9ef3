"""The transfer values of two images, side by side on one scale."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from ..text import shown_name
from ..theme import LIGHT, Theme
from .sheet import Sheet

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_SIDE_IN: Final = 2.9
_GAP_IN: Final = 0.3
_IMAGE_IN: Final = 2.0


class Seen(NamedTuple):
    """An image and what the network makes of it."""

    name: str
    pixels: NDArray[np.uint8]
    """uint8, (height, width, 3), RGB, 0-255."""
    values: NDArray[np.float32]
    """float32, (d,)."""


def draw_pair(one: Seen, other: Seen, output: Path, title: str, theme: Theme = LIGHT) -> str:
    """Draw two images, their transfer values on one scale, and where these differ.

    Parameters
    ----------
    one, other
        With as many values each.
    output
        A ``.png`` or ``.svg`` file in a folder that exists.
    title
        Above.
    theme
        Light or dark.

    Returns
    -------
    str
        The caption.
    """
    sheet = Sheet(3 * _SIDE_IN + 2 * _GAP_IN + 0.7, _IMAGE_IN + 0.45 + _SIDE_IN, theme)
    difference = other.values - one.values
    low = min(one.values.min(), other.values.min())
    high = max(one.values.max(), other.values.max())
    most = float(np.abs(difference).max()) or 1.0
    y = _IMAGE_IN + 0.45
    panels = (
        (one.name, one.values, "viridis", low, high),
        (other.name, other.values, "viridis", low, high),
        ("second less first", difference, "PuOr" if theme is LIGHT else "managua", -most, most),
    )
    for column, (name, values, shades, least, greatest) in enumerate(panels):
        x = column * (_SIDE_IN + _GAP_IN) + (0.35 if column == 2 else 0)
        sheet.words(shown_name(name, 34), x, y - 0.1, strong=True)
        if column < 2:
            sheet.image((one, other)[column].pixels, x, 0, _IMAGE_IN)
        axes = sheet.panel(x, y, _SIDE_IN, _SIDE_IN)
        axes.set_facecolor(theme.grid)
        drawn = axes.imshow(
            _grid(values),
            cmap=shades,
            vmin=least,
            vmax=greatest,
            interpolation="nearest",
            aspect="auto",
        )
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
        if column > 0:
            cax = sheet.panel(x + _SIDE_IN + 0.06, y, 0.1, _SIDE_IN)
            bar = sheet.figure.colorbar(drawn, cax=cax)
            bar.ax.tick_params(labelsize=7, color=theme.line, labelcolor=theme.ink)
            bar.outline.set_visible(False)  # type: ignore[operator]
    caption = _caption(one.values, other.values)
    sheet.write(output, title, caption)
    return caption


def _grid(values: NDArray[np.float32]) -> np.ma.MaskedArray:
    columns = math.ceil(math.sqrt(len(values)))
    rows = math.ceil(len(values) / columns)
    padded = np.ma.array(np.full(rows * columns, values[0]), mask=True)
    padded[: len(values)] = values
    return padded.reshape(rows, columns)


def _caption(one: NDArray[np.float32], other: NDArray[np.float32]) -> str:
    lengths = float(np.linalg.norm(one.astype(float)) * np.linalg.norm(other.astype(float)))
    words = f"{len(one):,} transfer values each, row by row"
    if lengths:
        words += f"; cosine similarity {float(one.astype(float) @ other) / lengths:.3f}"
    rows = np.argsort(-np.abs(other - one), kind="stable")[:5]
    return f"{words}; they differ most in the units {', '.join(map(str, rows.tolist()))}."
