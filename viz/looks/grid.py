"""Pictures of one size in a grid, with words below each."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from ..dataset_views.sheet import Sheet
from ..text import name_that_fits
from ..theme import LIGHT, Theme

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

_SIDE_IN: Final = 1.5
_GAP_IN: Final = 0.1
_WORDS_IN: Final = 0.42
_MOST_ACROSS: Final = 10
_LEAST_IN: Final = 4.5
_NAME_PT: Final = 8


def draw_grid(
    pictures: Sequence[NDArray[np.uint8]],
    words: Sequence[tuple[str, str]],
    output: Path,
    title: str,
    caption: str,
    *,
    theme: Theme = LIGHT,
) -> None:
    """Draw pictures in rows.

    Parameters
    ----------
    pictures
        uint8, (height, width, 3), RGB, each.
    words
        Below each, a name and a figure.
    output
        A ``.png`` or ``.svg`` file in a folder that exists.
    title, caption
        Above and below.
    theme
        Light or dark.
    """
    n_across = min(_MOST_ACROSS, math.ceil(math.sqrt(1.6 * len(pictures))))
    n_down = -(-len(pictures) // n_across)
    cell_in = _SIDE_IN + _GAP_IN
    row_in = _SIDE_IN + _WORDS_IN
    sheet = Sheet(max(_LEAST_IN, n_across * cell_in - _GAP_IN), n_down * row_in, theme)
    for place, (pixels, (name, figure)) in enumerate(zip(pictures, words, strict=True)):
        down, across = divmod(place, n_across)
        x, y = across * cell_in, down * row_in
        sheet.image(pixels, x, y, _SIDE_IN)
        sheet.words(
            name_that_fits(name, _SIDE_IN, _NAME_PT), x, y + _SIDE_IN + 0.16, _NAME_PT, strong=True
        )
        sheet.words(figure, x, y + _SIDE_IN + 0.31, 7.5)
    sheet.write(output, title, caption)
