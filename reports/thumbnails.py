"""The images of a table, small."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ..cache import content_of_bytes
from ..errors import ImageRejectedError
from ..features.images.decoder import NO_LIMITS, decode, read

if TYPE_CHECKING:
    from ..extraction import FeatureTable


def thumbnail(table: FeatureTable, row: int, side_px: int) -> np.ndarray | None:
    """One image: uint8, (height, width, 3), RGB, 0-255, whose sides are `side_px` at most.

    None where it has gone, or its file has another content, since it was extracted.
    """
    try:
        data = extracted_bytes(table, row)
        size_px = (side_px, side_px)
        pixels = decode(data, size_px, limits=NO_LIMITS, grey16=table.recipe.grey16)
    except ImageRejectedError:
        return None
    image = Image.fromarray(pixels)
    image.thumbnail(size_px, Image.Resampling.LANCZOS)
    return np.asarray(image)


def quick_thumbnail(table: FeatureTable, row: int, side_px: int) -> np.ndarray | None:
    """As `thumbnail`, for very many: decoded no larger than most photographs need.

    Of a picture whose sides are nearly equal, the longer one may have 3/4 of `side_px`.
    """
    try:
        data = extracted_bytes(table, row)
        least_px = (3 * side_px // 4, 3 * side_px // 4)  # the shorter side of most photographs
        pixels = decode(data, least_px, limits=NO_LIMITS, grey16=table.recipe.grey16)
    except ImageRejectedError:
        return None
    height, width = pixels.shape[:2]
    scale = min(1.0, side_px / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    if size == (width, height):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))


def extracted_bytes(table: FeatureTable, row: int) -> bytes:
    """The file of a row, with the bytes that its transfer values are of.

    Raises
    ------
    ImageRejectedError
        When it cannot be read, or has other bytes by now: what they show is not what the row, and
        all that is known by its key, is about.
    """
    data = read(table.paths[row])[0]
    if content_of_bytes(data) != table.keys[row].content:
        raise ImageRejectedError("has changed since it was extracted")
    return data


def as_webp(pixels: np.ndarray) -> bytes:
    """A WebP file of uint8, (height, width, 3), RGB, 0-255: small, for a page."""
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "WEBP", quality=78, method=3)
    return encoded.getvalue()
