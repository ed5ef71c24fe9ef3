"""What can be said of a photograph without knowing what it shows."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import ImageRejectedError
from ..extraction.prefetch import threads
from ..features.images.decoder import NO_LIMITS, decode_picture, read
from ..hardware import available_cores

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..extraction.feature_table import FeatureTable
    from ..progress import Progress

_SIDE_PX = 48
"""At least; photographs are decoded to a fraction of their size, which takes a millisecond."""
_WHITE = 252
_RED, _GREEN, _BLUE = np.float32(0.299), np.float32(0.587), np.float32(0.114)
"""Their weights in the grey of ITU-R BT.601."""


class Numbers(NamedTuple):
    """Numeric properties of a photograph; NaN where the file cannot be read any more."""

    brightness: float = np.nan
    """Mean grey, 0 to 255."""
    highlights: float = np.nan
    """The grey that 5 % of the pixels exceed, 0 to 255."""
    white: float = np.nan
    """Share of pixels of which a colour is at its end, 252 or more, 0 to 1."""
    contrast: float = np.nan
    """Standard deviation of the grey."""
    colour: float = np.nan
    """Mean difference between the greatest and the least of red, green and blue, 0 to 255."""
    sharpness: float = np.nan
    """Logarithm of the mean absolute second difference of neighbouring pixels over the contrast,
    of the picture at 48 to 96 pixels: little where it is blurred."""
    size: float = np.nan
    """Pixels of the picture, logarithm to base 2."""
    aspect: float = np.nan
    """Width over height, logarithm to base 2."""
    file_size: float = np.nan
    """Bytes of the file, logarithm to base 2."""


class Properties(NamedTuple):
    """Properties of n photographs."""

    numbers: Mapping[str, np.ndarray]
    """The fields of `Numbers`, float64 (n,) each."""
    formats: np.ndarray
    """str, (n,): by the content of the file, such as ``JPEG``; empty where it cannot be read."""
    folders: np.ndarray
    """str, (n,): the folder that each comes from."""


def properties_of(table: FeatureTable, bar: Progress | None = None) -> Properties:
    """Look at each file of a table once, small."""

    def look(path: str) -> tuple[Numbers, str]:
        found = _look(path, table.recipe.grey16)
        if bar is not None:
            bar.update()
        return found

    with threads(available_cores()) as pool:
        seen = list(pool.map(look, table.paths))
    numbers = np.array([numbers for numbers, _ in seen], float).reshape(-1, len(Numbers._fields))
    return Properties(
        dict(zip(Numbers._fields, numbers.T, strict=True)),
        np.array([format for _, format in seen]),
        np.array([os.path.dirname(path) for path in table.paths]),  # noqa: PTH120 (any bytes)
    )


def _look(path: str, grey16: str) -> tuple[Numbers, str]:
    try:
        data = read(path)[0]
        picture = decode_picture(data, (_SIDE_PX, _SIDE_PX), limits=NO_LIMITS, grey16=grey16)
    except ImageRejectedError:
        return Numbers(), ""  # gone, or changed for the worse, since it was extracted
    red, green, blue = np.ascontiguousarray(picture.pixels.transpose(2, 0, 1))
    most, least = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
    grey = _RED * red + _GREEN * green + _BLUE * blue  # float32, (height, width)
    brightness, contrast = float(grey.mean()), float(grey.std())
    bright = int(0.95 * (grey.size - 1))
    height, width = picture.size_px
    return Numbers(
        brightness=brightness,
        highlights=float(np.partition(grey, bright, axis=None)[bright]),
        white=float((most >= _WHITE).mean()),
        contrast=contrast,
        colour=float((most - least).mean()),
        sharpness=float(np.log2((_roughness(grey) + 0.1) / (contrast + 1))),
        size=float(np.log2(height * width)),
        aspect=float(np.log2(width / height)),
        file_size=float(np.log2(len(data))),
    ), picture.kind.format


def _roughness(grey: np.ndarray) -> float:
    """Mean absolute second difference along rows and columns."""
    across, down = np.diff(grey, 2, axis=1), np.diff(grey, 2, axis=0)
    n = across.size + down.size
    return float(np.abs(across).sum() + np.abs(down).sum()) / n if n else 0.0
