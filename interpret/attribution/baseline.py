"""Images in which there is nothing to be seen."""

from __future__ import annotations

from typing import Final

import numpy as np

from .methods import BLURRED, GREY, MEAN

_GREY: Final = 128
_BLUR: Final = 0.1  # of the side, the deviation of the Gaussian


def baseline_of(name: str, pixels: np.ndarray) -> np.ndarray:
    """The image without what is to be explained, uint8 (height, width, 3) as `pixels`.

    ``grey`` is 128 everywhere, ``mean`` the mean colour of the image, ``black`` 0, ``blurred`` the
    image itself through a Gaussian whose deviation is a tenth of its side.
    """
    if name == MEAN:
        colour = pixels.mean((0, 1)).round().astype(np.uint8)
        return np.broadcast_to(colour, pixels.shape).copy()
    if name == BLURRED:
        from scipy.ndimage import gaussian_filter

        deviation = _BLUR * pixels.shape[0]
        blurred = gaussian_filter(pixels.astype(np.float32), (deviation, deviation, 0))
        return blurred.round().astype(np.uint8)
    return np.full_like(pixels, _GREY if name == GREY else 0)
