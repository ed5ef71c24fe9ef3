"""Still pictures in WebP files, which Pillow decodes as animations of one picture.

For that it mixes each picture into a canvas of four channels, and copies that: twice the time.
OpenCV calls the same library, libwebp, for the picture alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

_PICTURES = (b"VP8 ", b"VP8L")
_NOT_STILL_OR_NOT_OPAQUE = (b"ALPH", b"ANIM", b"ANMF")
_LEAST_BYTES = 32
"""OpenCV reports smaller files on stderr, and reads none of them."""


def pixels(image: ImageFile, data: bytes) -> np.ndarray | None:
    """Decode the WebP file `data`, of which `image` is the header as Pillow reads it.

    Returns
    -------
    ndarray or None
        uint8, (height, width, 3), RGB, as Pillow decodes it; None where it has to: pictures that
        are not still or not opaque, and files of which it says what is wrong with them.
    """
    file = _picture_alone(data) if image.mode == "RGB" else b""
    if len(file) < _LEAST_BYTES:
        return None
    try:
        found = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error:
        return None
    shape = (image.height, image.width, 3)
    return np.asarray(found, np.uint8) if found is not None and found.shape == shape else None


def _picture_alone(data: bytes) -> bytes:
    """The file without metadata; empty where it is not one opaque picture.

    In a damaged picture, libwebp would go on reading in the metadata after it.
    """
    start = 12
    while start + 8 <= len(data):
        name, size = data[start : start + 4], int.from_bytes(data[start + 4 : start + 8], "little")
        end = start + 8 + size + size % 2
        if name in _PICTURES:
            size = 4 + min(end, len(data)) - start
            return b"".join((b"RIFF", size.to_bytes(4, "little"), b"WEBP", data[start:end]))
        if name in _NOT_STILL_OR_NOT_OPAQUE:
            break
        start = end
    return b""
