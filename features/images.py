"""The one decoder: the bytes of an image file to RGB pixels, the same for cache and service."""

from __future__ import annotations

import io
import os
import stat
from typing import NamedTuple

import numpy as np
from PIL import Image, features

from ..errors import ImageRejectedError

DECODER_VERSION = 1
"""Part of every fingerprint: raised when the pixels that `decode` returns for any image change."""

SERVICE_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
FORMATS = (*SERVICE_FORMATS, "TIFF", *(["AVIF"] if features.check("avif") else []))

_ORIENTATION_TAG = 0x0112
_TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATIONS_THAT_SWAP_SIDES = (5, 6, 7, 8)


MAX_FILE_BYTES = 1 << 29


def read(path: str) -> tuple[bytes, os.stat_result]:
    """Read an image file whole; the status is that of the bytes returned.

    Raises
    ------
    ImageRejectedError
        When it cannot be read, is no regular file (a pipe would wait for ever), or has more than
        512 MiB.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(handle, "rb") as file:  # noqa: PTH123 (a descriptor has no path)
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise ImageRejectedError("not a regular file")
            if status.st_size > MAX_FILE_BYTES:
                raise ImageRejectedError(f"{status.st_size:,} bytes; {MAX_FILE_BYTES:,} are read")
            return file.read(), status
    except ImageRejectedError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise ImageRejectedError(f"cannot be read: {reason}") from error


class Limits(NamedTuple):
    """What is refused unread: checked in the file's header, before any pixel is decoded."""

    pixels: int = 50_000_000
    side_px: int = 16_383


def decode(
    data: bytes,
    at_least_px: tuple[int, int] | None = None,
    formats: tuple[str, ...] = FORMATS,
    limits: Limits = Limits(),  # noqa: B008 (immutable)
) -> Image.Image:
    """Decode an image file to an upright RGB picture.

    The format is recognised by content, not by the file's name. The EXIF orientation is applied.
    Palettes and grey become RGB, transparency is laid on white, CMYK is converted without colour
    profiles, 16-bit grey is divided by 257, and of an animation the first frame counts.

    Parameters
    ----------
    data
        The whole file.
    at_least_px
        (height, width) that the caller will scale to. A JPEG is then decoded at the smallest of
        1/1, 1/2, 1/4 and 1/8 of its size that has at least twice as many pixels a side, which is
        far faster for photographs of many megapixels.
    formats
        Pillow's names of the formats that are tried.
    limits
        Larger pictures are refused from their header.

    Returns
    -------
    PIL.Image.Image
        Mode RGB, 8 bits a channel.

    Raises
    ------
    ImageRejectedError
        The message says why, in words for the person whose photograph it is.
    """
    if not data:
        raise ImageRejectedError("the file is empty (0 bytes)")
    try:
        with Image.open(io.BytesIO(data), formats=formats) as image:
            _check_size(image.size, limits)
            orientation = _orientation(image)
            if at_least_px is not None and image.format in ("JPEG", "MPO"):
                height, width = at_least_px
                if orientation in _ORIENTATIONS_THAT_SWAP_SIDES:
                    height, width = width, height
                image.draft(None, (2 * width, 2 * height))
            upright = _to_rgb(image)
    except ImageRejectedError:
        raise
    except Image.UnidentifiedImageError:
        raise ImageRejectedError(
            f"not an image in a format that is read here ({', '.join(formats)})"
            f"{_what_it_looks_like(data)}"
        ) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ImageRejectedError(f"more than the {limits.pixels:,} pixels that are read") from None
    except MemoryError:
        raise ImageRejectedError("too little memory to decode it") from None
    except Exception as error:
        reason = str(error).strip() or type(error).__name__
        raise ImageRejectedError(f"damaged or truncated: {reason}") from error
    if orientation in _TRANSPOSITIONS:
        upright = upright.transpose(_TRANSPOSITIONS[orientation])
    return upright


def _check_size(size: tuple[int, int], limits: Limits) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise ImageRejectedError(f"it has no pixels ({width}×{height})")
    if width * height > limits.pixels or max(size) > limits.side_px:
        raise ImageRejectedError(
            f"{width}×{height} pixels, more than the {limits.pixels:,} in all "
            f"or {limits.side_px:,} a side that are read"
        )


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # noqa: BLE001 (broken EXIF is common in good photographs: shown as stored)
        return 1


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        return _from_16_bit_grey(image)
    if image.mode == "F":
        raise ImageRejectedError(
            "floating-point pixels have no defined brightness; save it with 8 or 16 bits"
        )
    if image.has_transparency_data:
        coloured = image.convert("RGBA")
        white = Image.new("RGBA", coloured.size, "white")
        return Image.alpha_composite(white, coloured).convert("RGB")
    return image.convert("RGB")


def _from_16_bit_grey(image: Image.Image) -> Image.Image:
    wide = np.asarray(image.convert("I"))  # int32, (height, width)
    lowest, highest = int(wide.min()), int(wide.max())
    if lowest < 0 or highest > 0xFFFF:
        raise ImageRejectedError(
            f"grey values from {lowest} to {highest}; 16 bits (0 to 65535) are read"
        )
    return Image.fromarray(((wide + 128) // 257).astype(np.uint8)).convert("RGB")


def _what_it_looks_like(data: bytes) -> str:
    start = data[:512].lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "; it looks like a web page"
    if start.startswith(b"%pdf"):
        return "; it looks like a PDF"
    if b"ftyphei" in start or b"ftypmif1" in start:
        return "; it looks like HEIC: convert it to JPEG first"
    if b"\0" not in start and all(byte >= 9 for byte in start):
        return "; it looks like text"
    return ""
