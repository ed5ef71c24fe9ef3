"""The one decoder: the bytes of an image file to RGB pixels, the same for cache and service."""

from __future__ import annotations

import contextlib
import io
import os
import stat
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import simplejpeg
from PIL import Image, features

from ..errors import ImageRejectedError

if TYPE_CHECKING:
    from collections.abc import Iterator

DECODER_VERSION = 2
"""Part of every fingerprint: raised when the pixels that `decode` returns for any image change."""

FORMATS = (
    *("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"),
    *(["AVIF"] if features.check("avif") else []),
)

_ORIENTATION_TAG = 0x0112
_ORIENTATIONS_THAT_SWAP_SIDES = (5, 6, 7, 8)
_MAX_REDUCTION_OF_JPEG = 8

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


class Kind(NamedTuple):
    """What an image file says of itself, in Pillow's names."""

    format: str
    """``JPEG`` also for several pictures in one JPEG file, of which the first counts."""
    mode: str


class Picture(NamedTuple):
    """A decoded image file."""

    pixels: np.ndarray
    """uint8, (height, width, 3), RGB, 0 to 255."""
    kind: Kind


class Limits(NamedTuple):
    """What is refused unread: checked in the file's header, before any pixel is decoded."""

    pixels: int = 50_000_000
    side_px: int = 16_383
    scanned_pixels: int = 5_000_000_000
    """Pixels times scans of a progressive JPEG, in which a few bytes can ask for another pass."""


def decode(
    data: bytes,
    at_least_px: tuple[int, int] | None = None,
    formats: tuple[str, ...] = FORMATS,
    limits: Limits = Limits(),  # noqa: B008 (immutable)
) -> np.ndarray:
    """Decode an image file to an upright RGB picture.

    The format is recognised by content, not by the file's name. The EXIF orientation is applied.
    Palettes and grey become RGB, transparency is laid on white, CMYK is converted without colour
    profiles, 16-bit grey is divided by 257, and of an animation the first frame counts.

    Parameters
    ----------
    data
        The whole file.
    at_least_px
        (height, width) that the caller will scale to. The picture is then reduced to 1/2, 1/4,
        1/8, … by averaging, as long as both sides keep at least these; a JPEG while it is decoded,
        which is far faster for photographs of many megapixels.
    formats
        Pillow's names of the formats that are tried.
    limits
        Larger pictures are refused from their header.

    Returns
    -------
    ndarray
        uint8, (height, width, 3), RGB, 0 to 255.

    Raises
    ------
    ImageRejectedError
        The message says why, in words for the person whose photograph it is.
    """
    return decode_picture(data, at_least_px, formats, limits).pixels


def decode_picture(
    data: bytes,
    at_least_px: tuple[int, int] | None = None,
    formats: tuple[str, ...] = FORMATS,
    limits: Limits = Limits(),  # noqa: B008 (immutable)
) -> Picture:
    """As `decode`, with the file's format and colour mode."""
    with (
        _reasons_in_words(data, formats, limits),
        Image.open(io.BytesIO(data), formats=formats) as image,
    ):
        _check_size(image.size, limits)
        kind = Kind("JPEG" if image.format == "MPO" else str(image.format), image.mode)
        orientation = _orientation(image)
        reduction = 1
        if at_least_px is not None:
            height, width = at_least_px
            if orientation in _ORIENTATIONS_THAT_SWAP_SIDES:
                height, width = width, height
            reduction = _reduction(image.size, (width, height))
        if kind.format == "JPEG":
            _check_scans(image.size, data, limits)
            pixels = _jpeg_pixels(image, data, reduction)
        else:
            pixels = np.asarray(_reduced(_to_rgb(image), reduction))
    return Picture(_upright(pixels, orientation), kind)


@contextlib.contextmanager
def _reasons_in_words(data: bytes, formats: tuple[str, ...], limits: Limits) -> Iterator[None]:
    """Turn whatever decoding raises into ImageRejectedError."""
    if not data:
        raise ImageRejectedError("the file is empty (0 bytes)")
    try:
        yield
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
        reason = " ".join(str(error).split()) or type(error).__name__
        if "truncated" in reason.lower():
            raise ImageRejectedError(
                "truncated or damaged: its data end before the picture does"
            ) from error
        raise ImageRejectedError(f"damaged or truncated: {reason}") from error


def _reduction(size: tuple[int, int], at_least: tuple[int, int]) -> int:
    """The largest power of two by which both sides can be divided and keep `at_least`."""
    fraction = min(size[0] // at_least[0], size[1] // at_least[1])
    return 1 << max(0, fraction.bit_length() - 1)


def _jpeg_pixels(image: Image.Image, data: bytes, reduction: int) -> np.ndarray:
    """Decode the JPEG file `data`, of which `image` is the header as Pillow reads it."""
    while_decoding = min(reduction, _MAX_REDUCTION_OF_JPEG)
    if image.mode in ("RGB", "L"):
        width, height = (-(-side // while_decoding) for side in image.size)
        # Both call libjpeg-turbo, and agree to the bit, but simplejpeg takes 2/3 of the time. What
        # it refuses, Pillow knows to mend, or to tell what is wrong with it.
        with contextlib.suppress(ValueError):
            pixels = simplejpeg.decode_jpeg(
                data, "RGB", min_height=height, min_width=width, min_factor=while_decoding
            )
            if pixels.shape == (height, width, 3):
                if while_decoding == reduction:
                    return pixels
                rest = _reduced(Image.fromarray(pixels), reduction // while_decoding)
                return np.asarray(rest)
    width, height = image.size
    image.draft(None, (width // while_decoding, height // while_decoding))
    achieved = round(width / image.size[0])
    return np.asarray(_reduced(_to_rgb(image), max(1, reduction // achieved)))


def _reduced(picture: Image.Image, factor: int) -> Image.Image:
    return picture if factor == 1 else picture.reduce(factor)


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Undo an EXIF orientation: 1 to 8, other values leave the picture as it is stored."""
    if orientation in _ORIENTATIONS_THAT_SWAP_SIDES:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def _check_size(size: tuple[int, int], limits: Limits) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise ImageRejectedError(f"it has no pixels ({width}×{height})")
    if width * height > limits.pixels or max(size) > limits.side_px:
        raise ImageRejectedError(
            f"{width}×{height} pixels, more than the {limits.pixels:,} in all "
            f"or {limits.side_px:,} a side that are read"
        )


def _check_scans(size: tuple[int, int], data: bytes, limits: Limits) -> None:
    # Counts those of thumbnails in the metadata too; photographs have some ten in all.
    n_scans = data.count(b"\xff\xda")
    if n_scans * size[0] * size[1] > limits.scanned_pixels:
        raise ImageRejectedError(
            f"{n_scans:,} scans of {size[0]}×{size[1]} pixels, more work than is put into an image"
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
