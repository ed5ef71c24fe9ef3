"""Why an image is rejected, in words for its owner; and how long such a reason holds."""

from __future__ import annotations

import contextlib
import struct
import zlib
from typing import TYPE_CHECKING

import cv2
from PIL import Image, ImageCms

from ...errors import ImageRejectedError, in_brief
from ...untrusted.image_structure import is_pnm, is_tiff
from . import tiff
from .formats import INSTALL_HEIF, format_by_signature, in_words, what_it_is
from .want_of_memory import is_want_of_memory, webp_can_lack_memory

if TYPE_CHECKING:
    from collections.abc import Iterator

RAISE_LIMIT = "--max-pixels raises the limit"
TOO_LITTLE_MEMORY = "too little memory to decode it"
MORE_THAN_ALLOWED = f"{TOO_LITTLE_MEMORY}; --memory raises the limit"
"""Where the user or the machine allowed less than a picture can need."""
KILLED = "was killed (SIGKILL), most likely for want of memory"
SILENT = "s and was ended"
CRASHES = "it crashes the decoder"
TOO_SLOW = "decoding it took more than"
CHANGED = "it changed while it was read"
# What the user's options or libraries lacked, which is seen in the header; or what has passed.
_TEMPORARY = (RAISE_LIMIT, MORE_THAN_ALLOWED, INSTALL_HEIF, CHANGED)
# What the machine lacked. To find out costs seconds an image.
_OF_THE_MACHINE = (CRASHES, TOO_SLOW, TOO_LITTLE_MEMORY)
# Kept by earlier versions of good images when `max_pixels` was not a number.
_MISTAKE_OF_OURS = "not supported between instances of"

_DAMAGE = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    RuntimeError,
    LookupError,
    ArithmeticError,
    struct.error,
    zlib.error,
    cv2.error,
    ImageCms.PyCMSError,
    Warning,  # where the caller has made errors of them
)
"""What decoders raise at a damaged file. Anything else may be a mistake in the code."""
_DECODERS = ("PIL", "pillow_heif")


def is_temporary(reason: str) -> bool:
    """Whether an image is to be tried again: another option, library or version may read it.

    The words decide, since caches keep nothing else of a rejection.
    """
    return reason.endswith(_TEMPORARY) or _MISTAKE_OF_OURS in reason


def depends_on_machine(reason: str) -> bool:
    """Whether an image may be read on another machine: with more memory, or in less time.

    Again the words decide.
    """
    return reason.startswith(_OF_THE_MACHINE) and not is_temporary(reason)


@contextlib.contextmanager
def reasons_in_words(data: bytes, formats: tuple[str, ...], max_pixels: int) -> Iterator[None]:
    """Turn what decoders raise into ImageRejectedError.

    What else comes from within a decoder counts as its crash, which is not kept with the image; a
    mistake in our own code stays what it is, and rejects nothing.
    """
    if not data:
        raise ImageRejectedError("the file is empty (0 bytes)")
    try:
        yield
    except ImageRejectedError:
        raise
    except Image.UnidentifiedImageError:
        raise ImageRejectedError(_why_unidentified(data, formats)) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):  # in a later frame
        raise ImageRejectedError(
            f"more than the {max_pixels:,} pixels that are read; {RAISE_LIMIT}"
        ) from None
    except MemoryError:
        raise ImageRejectedError(TOO_LITTLE_MEMORY) from None
    except _DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        if is_want_of_memory(reason) or webp_can_lack_memory(data):
            raise ImageRejectedError(TOO_LITTLE_MEMORY) from error
        if "truncated" in reason.lower():
            raise ImageRejectedError(
                "truncated or damaged: its data end before the picture does"
            ) from error
        raise ImageRejectedError(f"damaged or truncated: {reason}") from error
    except Exception as error:
        if not _is_of_decoder(error):
            raise
        raise ImageRejectedError(f"{CRASHES}: {type(error).__name__}: {in_brief(error)}") from error


def _is_of_decoder(error: Exception) -> bool:
    """Whether an error was raised in a decoder's own code, not where ours calls it."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    module = "" if at is None else str(at.tb_frame.f_globals.get("__name__"))
    return module.partition(".")[0] in _DECODERS


def _why_unidentified(data: bytes, formats: tuple[str, ...]) -> str:
    if "TIFF" in formats and is_tiff(data):
        return tiff.why_unidentified(data)
    if "PPM" in formats and is_pnm(data):
        return "a damaged PPM, PGM or PBM file: its header is not as the format asks for"
    damaged = format_by_signature(data)
    if damaged in formats:
        return f"damaged or truncated: it begins as {in_words(damaged)}, and cannot be read"
    reason = f"not an image in a format that is read here ({', '.join(map(in_words, formats))})"
    what = what_it_is(data)
    return reason if what is None else f"{reason}; it looks like {what}"
