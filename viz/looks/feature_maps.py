"""The strongest units of an image, layer by layer: their maps, and photographs beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from ..dataset_views.sheet import Sheet
from ..text import before_words, shown_name
from ..theme import LIGHT, Theme

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_SIDE_IN: Final = 1.25
_SMALL_IN: Final = 0.8
_GAP_IN: Final = 0.06
_BETWEEN_IN: Final = 0.22
_HEAD_IN: Final = 0.3
_WORDS_IN: Final = 0.3
_N_ACROSS, _N_ACROSS_ALONE = 2, 8
"""Units on a line, where photographs stand beside them, and where none do."""
# From dark to light, in steps that are equal to the eye also in print.
_SHADES: Final = "magma"


class DrawnUnit(NamedTuple):
    """A unit, as it is drawn."""

    number: int
    words: str
    """Below it."""
    values: NDArray[np.float32] | None
    """float32, (height, width); None: it has no positions."""
    photographs: Sequence[NDArray[np.uint8]]
    """uint8, (height, width, 3), RGB, each."""


class DrawnLayer(NamedTuple):
    """A layer, as it is drawn."""

    name: str
    units: Sequence[DrawnUnit]


def draw_feature_maps(
    pixels: NDArray[np.uint8],
    layers: Sequence[DrawnLayer],
    output: Path,
    title: str,
    caption: str,
    *,
    theme: Theme = LIGHT,
) -> None:
    """Draw an image and, for each layer, its strongest units, each with photographs beside it.

    Parameters
    ----------
    pixels
        uint8, (height, width, 3), RGB: the image.
    layers
        From input to output.
    output
        A ``.png`` or ``.svg`` file in a folder that exists.
    title, caption
        Above and below.
    theme
        Light or dark.
    """
    n_units = max((len(layer.units) for layer in layers), default=1)
    n_photographs = max(
        (len(unit.photographs) for layer in layers for unit in layer.units), default=0
    )
    strip_in = n_photographs * (_SMALL_IN + _GAP_IN)
    has_maps = any(unit.values is not None for layer in layers for unit in layer.units)
    unit_in = (_SIDE_IN + _GAP_IN if has_maps else 0) + strip_in
    n_across = min(n_units, _N_ACROSS if n_photographs else _N_ACROSS_ALONE)
    n_down = -(-n_units // n_across)
    row_in = (_SIDE_IN if has_maps else _SMALL_IN) + _WORDS_IN
    block_in = _HEAD_IN + n_down * row_in + _BETWEEN_IN
    left_in = _SIDE_IN * 1.4 + 0.3
    between_in = _BETWEEN_IN if n_photographs else _GAP_IN
    sheet = Sheet(
        left_in + max(n_across * (unit_in + between_in), 3.2),
        max(len(layers) * block_in, _SIDE_IN * 1.4 + 0.3),
        theme,
    )
    sheet.image(pixels, 0, _HEAD_IN, _SIDE_IN * 1.4)
    for place, layer in enumerate(layers):
        top = place * block_in
        sheet.words(shown_name(layer.name, 60), left_in, top + 0.2, 10, strong=True)
        for number, unit in enumerate(layer.units):
            down, across = divmod(number, n_across)
            x = left_in + across * (unit_in + between_in)
            y = top + _HEAD_IN + down * row_in
            _draw_unit(sheet, unit, x, y, row_in, has_maps=has_maps)
    sheet.write(output, title, caption)


def _draw_unit(
    sheet: Sheet, unit: DrawnUnit, x: float, y: float, row_in: float, *, has_maps: bool
) -> None:
    side = row_in - _WORDS_IN
    if unit.values is not None:
        sheet.image(shaded(unit.values), x, y, side)
    if has_maps:
        x += side + _GAP_IN
    for place, photograph in enumerate(unit.photographs):
        sheet.image(photograph, x + place * (_SMALL_IN + _GAP_IN), y, _SMALL_IN)
    words = f"unit {unit.number}: {before_words(shown_name(unit.words, 80))}"
    below = x - (side + _GAP_IN) if has_maps else x
    sheet.words(words, below, y + side + 0.15, 8)


def shaded(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A map of activations as colours: uint8, (height, width, 3), RGB, its least value darkest."""
    import matplotlib

    least, greatest = float(values.min()), float(values.max())
    span = greatest - least
    scaled = (values - least) / span if span > 0 else np.zeros(values.shape)
    colours = matplotlib.colormaps[_SHADES](scaled)[..., :3]
    return np.rint(255 * colours).astype(np.uint8)
