"""The one decoder: the bytes of an image file to RGB pixels, the same for cache and service."""

from __future__ import annotations

import io
import os
import stat
import threading
from typing import NamedTuple

import numpy as np
import simplejpeg
from PIL import Image
from PIL.ImageFile import ImageFile

from ...arguments import require_whole
from ...errors import ImageRejectedError
from ...untrusted.image_structure import check_directory, check_structure, has_more_scans, is_tiff
from ...untrusted.tar_members import FileStatus, MemberStatus, leads_into_file, member_at
from . import netpbm, tiff, webp
from .colours import Grey, in_strips, reduced, to_rgb
from .formats import FORMATS, HAS_HEIF, is_heif
from .rejection import MORE_THAN_ALLOWED, RAISE_LIMIT, reasons_in_words
from .sixteen_bit import is_deep, scaled, to_8_bits
from .want_of_memory import is_want_of_memory, suspecting_memory

DECODER_VERSION = 4
"""Part of every fingerprint: raised when the pixels that `decode` returns for any image change."""

MAX_PIXELS = 250_000_000
"""Of the largest picture that is decoded where the user chose it."""


def require_max_pixels(value: object) -> int:
    """Pixels of the largest picture that is decoded; UsageError unless it is a whole number."""
    return require_whole("max_pixels", value, 1)


_ORIENTATION_TAG = 0x0112
_ORIENTATIONS_THAT_SWAP_SIDES = (5, 6, 7, 8)
_MAX_REDUCTION_OF_JPEG = 8
# In a progressive JPEG a few bytes ask for another pass over the picture; encoders make some 10.
_MAX_SCANS = 200
_FULL_SCANS = 20  # of the largest picture that the limits allow

_pillow_limit = threading.Lock()
"""Pillow's own limit is a global; it is off while a header is read, whose size `Limits` judge."""
_loading = [threading.Lock() for _ in range(61)]
"""Held while what Pillow has opened reads its file: two threads that were given one such image
would both read it, and spoil it. Others seldom share a lock."""

MAX_FILE_BYTES = 1 << 29


def read(path: str | MemberStatus, max_bytes: int = MAX_FILE_BYTES) -> tuple[bytes, FileStatus]:
    """Read an image file whole; the status is that of the bytes returned.

    A file in a tar archive, or an image in a Parquet file, has a path that goes on below that, or
    its status.

    Raises
    ------
    ImageRejectedError
        When it cannot be read, is not a regular file (a pipe would wait for ever), or has more than
        512 MiB; or more than `max_bytes`, for which there is no memory.
    """
    try:
        if isinstance(path, MemberStatus):
            _require_size(path.st_size, max_bytes)
            data = path.read()
            _require_size(len(data), max_bytes)  # which is not known before, in a Parquet file
            return data, path
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if not leads_into_file(error):
                raise
            return read(member_at(path, error), max_bytes)
        with open(handle, "rb") as file:  # noqa: PTH123 (a descriptor has no path)
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise ImageRejectedError("not a regular file")
            _require_size(status.st_size, max_bytes)
            return file.read(), status
    except ImageRejectedError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise ImageRejectedError(f"cannot be read: {reason}") from error


def _require_size(n_bytes: int, max_bytes: int) -> None:
    if n_bytes > MAX_FILE_BYTES:
        raise ImageRejectedError(f"{n_bytes:,} bytes; {MAX_FILE_BYTES:,} are read")
    if n_bytes > max_bytes:
        raise ImageRejectedError(MORE_THAN_ALLOWED)


class Kind(NamedTuple):
    """What an image file says of itself, in Pillow's names."""

    format: str
    """``JPEG`` also for several pictures in one JPEG file, of which the first counts."""
    mode: str
    brightest: int | None = None
    """The greatest value of a picture of 16 bits a channel, 0 to 65535; None for others."""


class Picture(NamedTuple):
    """A decoded image file."""

    pixels: np.ndarray
    """uint8, (height, width, 3), RGB, 0 to 255."""
    kind: Kind
    size_px: tuple[int, int]
    """(height, width) of the upright picture before it was reduced."""


class Limits(NamedTuple):
    """What is refused unread: checked in the file's header, before any pixel is decoded."""

    pixels: int = MAX_PIXELS
    side_px: int = 65_535


NO_LIMITS = Limits(pixels=1 << 62, side_px=1 << 31)
"""For a picture that its owner has in memory already, or that was admitted before."""


def decode(
    data: bytes,
    at_least_px: tuple[int, int] | None = None,
    formats: tuple[str, ...] = FORMATS,
    limits: Limits = Limits(),  # noqa: B008 (immutable)
    grey16: str = "scale",
) -> np.ndarray:
    """Decode an image file to an upright RGB picture.

    The format is recognised by content, not by the file's name. The EXIF orientation is applied.
    Palettes and grey become RGB, transparency is laid on white, CMYK is converted without colour
    profiles, 16 bits a channel become 8 as `grey16` says, and of several pictures the first counts.

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
    grey16
        One of `colours.GREY16`.

    Returns
    -------
    ndarray
        uint8, (height, width, 3), RGB, 0 to 255.

    Raises
    ------
    ImageRejectedError
        The message says why, in words for the person whose photograph it is.
    """
    return decode_picture(data, at_least_px, formats, limits, grey16).pixels


def decode_picture(
    data: bytes,
    at_least_px: tuple[int, int] | None = None,
    formats: tuple[str, ...] = FORMATS,
    limits: Limits = Limits(),  # noqa: B008 (immutable)
    grey16: str = "scale",
) -> Picture:
    """As `decode`, with the file's format and colour mode."""
    with reasons_in_words(data, formats, limits.pixels), _opened(data, formats) as image:
        _check_size(image.size, limits)
        kind = Kind("JPEG" if image.format == "MPO" else str(image.format), image.mode)
        if kind.format == "JPEG":
            _check_scans(image.size, data, limits)
            orientation = _orientation(image)
            reduction = _reduction(image.size, at_least_px, orientation)
            pixels = _jpeg_pixels(image, data, reduction)
        elif kind.format == "WEBP" and (pixels := webp.pixels(image, data)) is not None:
            orientation = _orientation(image)
            reduction = _reduction(image.size, at_least_px, orientation)
            pixels = reduced(pixels, reduction)
        else:
            with suspecting_memory(kind.format, image.size):
                return _loaded(image, kind.format, at_least_px, grey16, data)
        size_px = _upright_size(image.size, orientation)
    return Picture(_upright(pixels, orientation), kind, size_px)


def _loaded(
    picture: Image.Image,
    format: str,
    at_least_px: tuple[int, int] | None,
    grey16: str,
    data: bytes | None = None,
) -> Picture:
    # Loading forgets the layout of the file. What of these libraries turns a picture upright itself
    # does so as it loads it, and then takes the orientation out of the metadata.
    deep, grey_kind = is_deep(picture), tiff.kind_of_grey(picture)
    brightest, make_rgb = None, to_rgb
    if format == "PPM" and data is not None and isinstance(picture, ImageFile):
        read = netpbm.loaded(picture, data)
        if isinstance(read, Image.Image):
            picture = read
        else:
            picture, brightest = scaled(read, grey16)
    else:
        picture.load()
    kind = Kind(format, picture.mode)
    orientation = _orientation(picture)
    if deep and brightest is None:
        picture, brightest = to_8_bits(picture, data, grey16)
    elif picture.mode.startswith("I"):
        grey = Grey(picture, grey16, grey_kind)
        brightest, make_rgb = grey.brightest, grey.to_rgb
    reduction = _reduction(picture.size, at_least_px, orientation)
    pixels = in_strips(picture, reduction, make_rgb)
    size_px = _upright_size(picture.size, orientation)
    return Picture(_upright(pixels, orientation), kind._replace(brightest=brightest), size_px)


def _opened(data: bytes, formats: tuple[str, ...]) -> ImageFile:
    check_structure(data)
    if HAS_HEIF and "HEIF" in formats and is_heif(data):
        import pillow_heif

        pillow_heif.options.DECODE_THREADS = 1
        pillow_heif.register_heif_opener()
    else:
        formats = tuple(name for name in formats if name != "HEIF")
    if "TIFF" in formats and is_tiff(data) and (why := tiff.why_not(data)):
        raise ImageRejectedError(why)
    with _pillow_limit:
        theirs, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(io.BytesIO(data), formats=formats)
        finally:
            Image.MAX_IMAGE_PIXELS = theirs


def picture_of(
    image: Image.Image, at_least_px: tuple[int, int] | None = None, grey16: str = "scale"
) -> Picture:
    """As `decode_picture`, of what Pillow has opened or made, in any mode and of any size.

    Raises
    ------
    ImageRejectedError
        When it has no pixels, its mode has no defined brightness, or its file is damaged.
    """
    with reasons_in_words(b"a picture", FORMATS, MAX_PIXELS):
        _check_size(image.size, NO_LIMITS)
        with _loading[id(image) // 16 % len(_loading)]:
            return _loaded(image, str(image.format), at_least_px, grey16)


def _reduction(size: tuple[int, int], at_least_px: tuple[int, int] | None, orientation: int) -> int:
    """The largest power of two by which both sides can be divided and keep (height, width)."""
    if at_least_px is None:
        return 1
    swapped = orientation in _ORIENTATIONS_THAT_SWAP_SIDES
    at_least = at_least_px if swapped else at_least_px[::-1]
    fraction = min(size[0] // at_least[0], size[1] // at_least[1])
    return 1 << max(0, fraction.bit_length() - 1)


def _jpeg_pixels(image: Image.Image, data: bytes, reduction: int) -> np.ndarray:
    """Decode the JPEG file `data`, of which `image` is the header as Pillow reads it."""
    while_decoding = min(reduction, _MAX_REDUCTION_OF_JPEG)
    if image.mode in ("RGB", "L"):
        width, height = (-(-side // while_decoding) for side in image.size)
        # Both call libjpeg-turbo, and agree to the bit, but simplejpeg takes 2/3 of the time. What
        # it refuses, Pillow knows to mend, or to tell what is wrong with it.
        pixels = _simply(data, "RGB", (height, width), while_decoding)
        if pixels is not None and pixels.shape == (height, width, 3):
            return reduced(pixels, reduction // while_decoding)
    width, height = image.size
    image.draft(None, (width // while_decoding, height // while_decoding))
    achieved = round(width / image.size[0])
    try:
        image.load()
        picture = to_rgb(image)
    except OSError:
        _simply(data, "CMYK", (1, 1), while_decoding)
        raise
    return reduced(np.asarray(picture), max(1, reduction // achieved))


def _simply(
    data: bytes, colours: str, at_least_px: tuple[int, int], factor: int
) -> np.ndarray | None:
    """What simplejpeg makes of a JPEG file; None where it cannot.

    Raises ValueError where memory is too little, which Pillow cannot tell from damage.
    """
    height, width = at_least_px
    try:
        return simplejpeg.decode_jpeg(
            data, colours, min_height=height, min_width=width, min_factor=factor
        )
    except ValueError as error:
        if is_want_of_memory(str(error)):
            raise
        return None


def _upright_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """(height, width) of a picture that is stored with `size`, (width, height)."""
    width, height = size
    return (width, height) if orientation in _ORIENTATIONS_THAT_SWAP_SIDES else (height, width)


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
    if max(size) > limits.side_px:
        raise ImageRejectedError(
            f"{width}×{height} pixels, more than the {limits.side_px:,} a side that are read"
        )
    if width * height > limits.pixels:
        raise ImageRejectedError(
            f"{width}×{height} pixels, more than the {limits.pixels:,} in all that are read; "
            f"{RAISE_LIMIT}"
        )


def _check_scans(size: tuple[int, int], data: bytes, limits: Limits) -> None:
    most = min(_MAX_SCANS, _FULL_SCANS * limits.pixels // (size[0] * size[1]))
    if has_more_scans(data, most):
        raise ImageRejectedError(
            f"more than {most:,} scans of {size[0]}×{size[1]} pixels: more work than is put into "
            f"an image"
        )


def _orientation(image: Image.Image) -> int:
    try:
        exif = image.info.get("exif")
        if isinstance(exif, bytes):
            check_directory(exif.removeprefix(b"Exif\0\0"))
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # noqa: BLE001 (broken EXIF is common in good photographs: shown as stored)
        return 1
