"""Fitting a decoded picture to the input of an extractor."""

from __future__ import annotations

import numpy as np
from PIL import Image

from .images import FORMATS, Limits, decode

RESIZE_RULE = "squash, bilinear with antialiasing (Pillow), JPEG drafts from 2x"
"""Part of every fingerprint: how `fit` and `decode` scale a picture, in words."""


def fit(picture: Image.Image, size_px: tuple[int, int]) -> np.ndarray:
    """Scale a picture to an extractor's input; the sides are scaled independently.

    Parameters
    ----------
    picture
        Mode RGB.
    size_px
        (height, width).

    Returns
    -------
    ndarray
        uint8, (height, width, 3), RGB, 0 to 255.
    """
    height, width = size_px
    # BILINEAR in Pillow's resize is a triangle filter whose support grows with the reduction:
    # it averages every source pixel, unlike the four-pixel bilinear of tf.image or Keras.
    resized = picture.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized)


def load(
    data: bytes,
    size_px: tuple[int, int],
    formats: tuple[str, ...] = FORMATS,
    limits: Limits = Limits(),  # noqa: B008 (immutable)
) -> np.ndarray:
    """Decode the bytes of an image file and fit them to an extractor's input.

    Returns
    -------
    ndarray
        uint8, (height, width, 3), RGB, 0 to 255.

    Raises
    ------
    ImageRejectedError
        With the reason.
    """
    return fit(decode(data, size_px, formats, limits), size_px)
