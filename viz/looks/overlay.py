"""A map over its photograph: colours where the map is large, the photograph in grey elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from matplotlib import colormaps
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_OPAQUE: Final = 0.85
_GREY: Final = np.array([0.299, 0.587, 0.114])


class Shades(NamedTuple):
    """How values become colours."""

    scale: float
    """The largest value of the colours, positive."""
    signed: bool
    """Whether red is for positive values and blue for negative ones; else the brightest are the
    largest."""

    @property
    def colours(self) -> str:
        """The name of the colours, in matplotlib."""
        return "RdBu_r" if self.signed else "inferno"

    @property
    def least(self) -> float:
        """The smallest value of the colours."""
        return -self.scale if self.signed else 0.0

    def opaque(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        """How much of the photograph is covered, 0 to 1: nothing where the map is 0."""
        return _MOST_OPAQUE * np.clip(1.6 * np.abs(values) / self.scale, 0, 1)


def shades_of(*maps: NDArray[np.floating], signed: bool | None = None) -> Shades:
    """Shades that maps have in common.

    Parameters
    ----------
    maps
        Floats, (rows, columns), finite.
    signed
        None: where one of them has a negative value.
    """
    largest = max(float(np.abs(values).max()) for values in maps)
    if signed is None:
        signed = any(bool((values < 0).any()) for values in maps)
    return Shades(largest or 1.0, signed)


def grey_of(photograph: NDArray[np.uint8]) -> NDArray[np.floating]:
    """Floats, (height, width), 0 to 255, of uint8 (height, width, 3)."""
    return np.asarray(photograph @ _GREY, np.float64)


def overlaid(
    photograph: NDArray[np.uint8],
    values: NDArray[np.floating],
    window: tuple[float, float, float, float],
    shades: Shades,
    side_px: int,
) -> NDArray[np.uint8]:
    """A small picture of a photograph in grey with a map over it.

    Parameters
    ----------
    photograph
        uint8, (height, width, 3), RGB, 0-255.
    values
        Floats, (rows, columns), finite.
    window
        (top, left, height, width) of what `values` cover, in pixels of the photograph.
    shades
        From `shades_of`.
    side_px
        Of the longer side at most.

    Returns
    -------
    ndarray
        uint8, (height, width, 3), RGB, 0-255.
    """
    image = Image.fromarray(photograph)
    image.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
    top, left, height, width = window
    # From a pixel of the picture to one of the photograph, and from there to one of the map.
    wide, tall = photograph.shape[1] / image.width, photograph.shape[0] / image.height
    across, down = values.shape[1] / width, values.shape[0] / height
    way = (wide * across, 0, -left * across, 0, tall * down, -top * down)
    laid = np.asarray(
        Image.fromarray(values.astype(np.float32)).transform(
            image.size, Image.Transform.AFFINE, way, Image.Resampling.BILINEAR
        )
    )  # 0, which covers nothing, outside of the window
    shares = (laid - shades.least) / (shades.scale - shades.least)
    colours = 255 * colormaps[shades.colours](shares)[..., :3]
    opaque = shades.opaque(laid)[..., np.newaxis]
    mixed = opaque * colours + (1 - opaque) * grey_of(np.asarray(image))[..., np.newaxis]
    return mixed.round().astype(np.uint8)
