"""The methods and the baselines, by name; importing this loads no library but NumPy."""

from __future__ import annotations

from typing import Final

import numpy as np

from ...arguments import is_one_of, received
from ...errors import ParameterError

GRADCAM, INTEGRATED, OCCLUSION = "gradcam", "integrated-gradients", "occlusion"
METHODS: Final = (GRADCAM, INTEGRATED, OCCLUSION)
GREY, MEAN, BLACK, BLURRED = "grey", "mean", "black", "blurred"
BASELINES: Final = (GREY, MEAN, BLACK, BLURRED)
"""What stands for nothing to be seen. Grey is the default: it differs from both black and white
things, which a black baseline does not, and it is near the middle of what networks are trained on,
where most of them have their zero."""
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


def require_method(name: str) -> str:
    """The name of a method.

    Raises
    ------
    ParameterError
        When there is none of that name.
    """
    return _required("method", name, METHODS)


def require_baseline(name: str) -> str:
    """The name of a baseline.

    Raises
    ------
    ParameterError
        When there is none of that name.
    """
    return _required("baseline", name, BASELINES)


def _required(parameter: str, name: str, known: tuple[str, ...]) -> str:
    if not is_one_of(name, known):
        expected = f"{', '.join(known[:-1])} or {known[-1]}"
        raise ParameterError(parameter, f"is one of {expected}; received {received(name)}")
    return name
