"""From an image file to the pixels that an extractor takes: decoding, and fitting to its input."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from ...errors import UsageError
from .decoder import (
    FORMATS,
    Limits,
    Picture,
    decode_picture,
)
from .resize import ResizeRule

FITS = ("squash", "crop", "pad")
"""How a picture of another shape becomes the extractor's: its sides are scaled independently; its
largest centred part of the extractor's shape is taken; or it is laid in the middle of grey."""

RESIZE_RULE = "halved by averaging while both sides keep the input's, then bilinear (bit-exact)"
"""Part of every fingerprint: how `decode` and `fit` scale a picture, in words."""

_PADDING = 128


class Preprocessing(NamedTuple):
    """Everything that decides which pixels an image file becomes. Part of every fingerprint."""

    size_px: tuple[int, int]
    """(height, width) of the network's input."""
    fit: str = FITS[0]
    """How a picture of another shape is fitted to it: one of `FITS`."""
    grey16: str = "scale"
    """How 16 bits per channel become 8: one of `colours.GREY16`."""
    resize: str = RESIZE_RULE
    """By which rule it is scaled: `RESIZE_RULE`, or the text of a `ResizeRule`, which says also how
    it is fitted."""

    def require_known(self) -> None:
        """Raise ValueError where a rule is unknown, or gives pictures of another size."""
        require_known_fit(self.fit)
        if self.resize == RESIZE_RULE:
            return
        side_px = ResizeRule.parse(self.resize).output_px
        if (side_px, side_px) != self.size_px:
            raise ValueError(f"{self.resize!r} does not give pictures of {self.size_px} pixels")

    @property
    def at_least_px(self) -> tuple[int, int] | None:
        """(height, width) down to which a decoder may reduce a picture; None: it may not."""
        return self.size_px if self.resize == RESIZE_RULE else None

    def applied_to(self, pixels: np.ndarray) -> np.ndarray:
        """Fit a decoded picture, uint8 (height, width, 3), to the network's input."""
        if self.resize == RESIZE_RULE:
            return fit(pixels, self.size_px, self.fit)
        return ResizeRule.parse(self.resize).applied_to(pixels)

    def window(self, height: int, width: int) -> tuple[float, float, float, float]:
        """(top, left, height, width) of what the network sees of a picture, in its pixels.

        Where a picture is padded, it is more than the picture.
        """
        if self.resize != RESIZE_RULE:
            return ResizeRule.parse(self.resize).window(height, width)
        if self.fit == "squash":
            return 0, 0, height, width
        sides = (height / self.size_px[0], width / self.size_px[1])
        scale = min(sides) if self.fit == "crop" else max(sides)
        tall, wide = scale * self.size_px[0], scale * self.size_px[1]
        return (height - tall) / 2, (width - wide) / 2, tall, wide

    @property
    def fill(self) -> tuple[int, int, int] | None:
        """RGB of what lies around a picture that is padded; None where none is."""
        if self.resize == RESIZE_RULE:
            return (_PADDING, _PADDING, _PADDING) if self.fit == "pad" else None
        rule = ResizeRule.parse(self.resize)
        return None if rule.crop_px is None else rule.fill


def require_known_fit(how: str) -> None:
    """Raise UsageError unless `how` is one of `FITS`."""
    if how not in FITS:
        raise UsageError(f"unknown fit {how!r}: expected {', '.join(FITS)}")


def fit(pixels: np.ndarray, size_px: tuple[int, int], how: str = "squash") -> np.ndarray:
    """Scale a picture to an extractor's input.

    Parameters
    ----------
    pixels
        uint8, (height, width, 3).
    size_px
        (height, width) of the result.
    how
        One of `FITS`.

    Returns
    -------
    ndarray
        uint8, (height, width, 3).

    Raises
    ------
    UsageError
        When `how` is unknown.
    """
    require_known_fit(how)
    height, width = size_px
    if how == "crop":
        return _resize(_centre(pixels, size_px), height, width)
    if how == "squash":
        return _resize(pixels, height, width)
    scale = min(height / pixels.shape[0], width / pixels.shape[1])
    inner_height = max(1, round(pixels.shape[0] * scale))
    inner_width = max(1, round(pixels.shape[1] * scale))
    padded = np.full((height, width, 3), _PADDING, np.uint8)
    _centre(padded, (inner_height, inner_width), exactly=True)[:] = _resize(
        pixels, inner_height, inner_width
    )
    return padded


def _centre(pixels: np.ndarray, shape: tuple[int, int], *, exactly: bool = False) -> np.ndarray:
    """A view of the middle of `pixels`: the largest of this shape, or exactly of this size."""
    height, width = pixels.shape[:2]
    scale = 1.0 if exactly else min(height / shape[0], width / shape[1])
    inner_height, inner_width = (max(1, round(side * scale)) for side in shape)
    top, left = (height - inner_height) // 2, (width - inner_width) // 2
    return pixels[top : top + inner_height, left : left + inner_width]


def _resize(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    # The four nearest pixels, without antialiasing, as Keras resizes and as these networks were
    # trained. EXACT is fixed-point arithmetic, the same on every processor.
    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR_EXACT)


def decode_and_resize(
    data: bytes,
    preprocessing: Preprocessing,
    formats: tuple[str, ...] = FORMATS,
    limits: Limits = Limits(),  # noqa: B008 (immutable)
) -> Picture:
    """Decode the bytes of an image file and fit them to an extractor's input.

    Returns
    -------
    Picture
        With its pixels, uint8, (height, width, 3), RGB, 0 to 255.

    Raises
    ------
    ImageRejectedError
        With the reason.
    """
    picture = decode_picture(data, preprocessing.at_least_px, formats, limits, preprocessing.grey16)
    return picture._replace(pixels=preprocessing.applied_to(picture.pixels))
