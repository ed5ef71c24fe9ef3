"""A row of photographs of each class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from ...formatting import counted
from ..text import before_words, shown_name
from ..theme import LIGHT, Theme
from .sheet import Sheet

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

MOST_CLASSES: Final = 100
"""Classes that a sheet has room for."""
_ROWS: Final = 25
_SIDE_IN: Final = 0.8
_GAP_IN: Final = 0.06
_NAME_IN: Final = 0.24
_BETWEEN_IN: Final = 0.3
_N_SHOWN: Final = {1: 10, 2: 6, 3: 4, 4: 3}


class ClassSample(NamedTuple):
    """Some photographs of a class."""

    name: str
    n_images: int
    """That it has."""
    thumbnails: Sequence[NDArray[np.uint8]]
    """Each uint8, (height, width, 3), RGB, 0-255, of any size."""


def n_per_class(n_classes: int) -> int:
    """How many photographs of each class a sheet shows."""
    return _N_SHOWN[_n_columns(n_classes)]


def draw_samples(
    samples: Sequence[ClassSample],
    output: Path,
    title: str,
    caption: str,
    theme: Theme = LIGHT,
) -> None:
    """Draw photographs of each class in a row, as a PNG or SVG, by the ending of `output`.

    Parameters
    ----------
    samples
        Of the classes, in order; of more than 100, the first 100 are drawn and the rest is counted.
    output
        A ``.png`` or ``.svg`` file in a folder that exists.
    title, caption
        Above and below.
    theme
        Light or dark.
    """
    shown = samples[:MOST_CLASSES]
    n_columns, n_shown = _n_columns(len(samples)), n_per_class(len(samples))
    n_rows = -(-len(shown) // n_columns)
    block_in = _NAME_IN + _SIDE_IN + _GAP_IN
    strip_in = n_shown * (_SIDE_IN + _GAP_IN) - _GAP_IN
    width_in = n_columns * (strip_in + _BETWEEN_IN) - _BETWEEN_IN
    sheet = Sheet(width_in, n_rows * block_in, theme)
    letters = int(strip_in * 12)
    for number, sample in enumerate(shown):
        column, row = divmod(number, n_rows)
        x, y = column * (strip_in + _BETWEEN_IN), row * block_in
        count = f" ({sample.n_images:,})"
        name = before_words(shown_name(sample.name, letters - len(count)))
        sheet.words(name + count, x, y + _NAME_IN - 0.07, strong=True)
        for place, pixels in enumerate(sample.thumbnails[:n_shown]):
            sheet.image(pixels, x + place * (_SIDE_IN + _GAP_IN), y + _NAME_IN, _SIDE_IN)
        if not sample.thumbnails:
            sheet.words("no image that can be read", x, y + _NAME_IN + _SIDE_IN / 2)
    if len(samples) > len(shown):
        left_out = counted(len(samples) - len(shown), "class", "classes")
        caption = f"{caption} {left_out} more have no room here."
    sheet.write(output, title, caption)


def _n_columns(n_classes: int) -> int:
    return min(4, max(1, -(-n_classes // _ROWS)))
