"""What the header of an image file says: its size and format, without a pixel of it."""

from __future__ import annotations

import os
import stat
import warnings
from typing import NamedTuple

from PIL import Image

from ...errors import ImageRejectedError
from .formats import FORMATS, HAS_HEIF, in_words, is_heif

_BEGINNING_BYTES = 512
_ORIENTATION_TAG = 0x0112
_ORIENTATIONS_THAT_SWAP_SIDES = (5, 6, 7, 8)


class Header(NamedTuple):
    """Of an image file."""

    width: int
    """Pixels, upright."""
    height: int
    format: str
    """What people call it: ``JPEG``, ``WebP``."""
    n_bytes: int
    """Of the file."""


def read_header(path: str) -> Header:
    """Read the header of an image file.

    Raises
    ------
    ImageRejectedError
        When it is no regular file, cannot be read, or is no image of a format that is read.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(handle, "rb") as file, warnings.catch_warnings():  # noqa: PTH123
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise ImageRejectedError("not a regular file")
            warnings.simplefilter("ignore")  # of Pillow, for large pictures and broken metadata
            formats = [name for name in FORMATS if name != "HEIF"]
            if HAS_HEIF and is_heif(file.read(_BEGINNING_BYTES)):
                import pillow_heif

                pillow_heif.register_heif_opener()
                formats = ["HEIF"]
            file.seek(0)
            with Image.open(file, formats=formats) as image:
                width, height = image.size
                name = "JPEG" if image.format == "MPO" else str(image.format)
                if _is_turned(image):
                    width, height = height, width
    except ImageRejectedError:
        raise
    except Exception as error:  # Pillow raises many kinds for damaged headers
        why = getattr(error, "strerror", None) or "its header cannot be read"
        raise ImageRejectedError(why) from error
    if width < 1 or height < 1:
        raise ImageRejectedError(f"it has no pixels ({width}×{height})")
    return Header(width, height, in_words(name), status.st_size)


def _is_turned(image: Image.Image) -> bool:
    try:
        return image.getexif().get(_ORIENTATION_TAG, 1) in _ORIENTATIONS_THAT_SWAP_SIDES
    except Exception:  # noqa: BLE001 (broken EXIF is common in good photographs: shown as stored)
        return False
