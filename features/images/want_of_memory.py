"""Whether a decoder failed for want of memory: some say the same of that and of a damaged file."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Generator

_IN_WORDS = (
    "insufficient memory",
    "out of memory",
    "cannot allocate",
    "failed to allocate",
    "memory allocation error",
)
_AMBIGUOUS = ("WEBP", "AVIF", "HEIF")
_BYTES_PER_PIXEL = 12
"""What the libraries of these take at most: libwebp has the canvas twice, and what it decodes."""
_WEBP_HEADER_BYTES = 30


def is_want_of_memory(reason: str) -> bool:
    """Whether a decoder says so."""
    return any(words in reason.lower() for words in _IN_WORDS)


@contextlib.contextmanager
def suspecting_memory(format: str, size: tuple[int, int]) -> Generator[None]:
    """Raise MemoryError for what a decoder raises while there can be too little memory for it.

    Only for formats whose decoders do not tell; the size is (width, height).
    """
    try:
        yield
    except Exception as error:
        if format in _AMBIGUOUS and not _has_memory_for(*size):
            raise MemoryError from error
        raise


def webp_can_lack_memory(data: bytes) -> bool:
    """Whether opening a file can have failed for that: Pillow allocates the canvas of WebP then."""
    return not _has_memory_for(*_size_of_webp(data))


def _has_memory_for(width: int, height: int) -> bool:
    try:
        np.empty(width * height * _BYTES_PER_PIXEL, np.uint8)
    except MemoryError:
        return False
    return True


def _size_of_webp(data: bytes) -> tuple[int, int]:
    """(width, height) by the header (RFC 9649); zeros where it is not that of a WebP file."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) < _WEBP_HEADER_BYTES:
        return 0, 0
    kind = data[12:16]
    if kind == b"VP8 ":
        return _number(data[26:28]) & 0x3FFF, _number(data[28:30]) & 0x3FFF
    if kind == b"VP8L":
        bits = _number(data[21:25])
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8X":
        return _number(data[24:27]) + 1, _number(data[27:30]) + 1
    return 0, 0


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")
