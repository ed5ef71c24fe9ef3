"""What an image file's structure costs, found without a decoder.

Libraries read headers at a cost that grows with the square of the number of their parts, or with
what a directory claims to hold. Real files stay far below these bounds; a file beyond one is
refused before it costs anything.
"""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

from ..errors import ImageRejectedError

_MAX_PARTS = 2_000
_BYTES_A_PART = 256
_MAX_EXIF_PARTS = 64
_MAX_ENTRIES = 4_096
_MAX_COMMENT_BYTES = 1 << 18
_MAX_PNM_HEADER_BYTES = 4_096

_PNM_HEADER = re.compile(
    rb"P(?:[14]|[2356fF])(?:\s+|#[^\r\n]*[\r\n])(?:\s|#[^\r\n]*[\r\n])*\d{1,10}"
    rb"(?:\s|#[^\r\n]*[\r\n])+\d{1,10}"
)
_NEXT_MARKER = re.compile(rb"\xff+([\x01-\xcf\xd8-\xfe])")
_VALUE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_VALUE_BYTES |= {13: 4, 16: 8, 17: 8, 18: 8}


def check_structure(data: bytes) -> None:
    """Refuse a file whose headers would cost far more than those of real images.

    Raises
    ------
    ImageRejectedError
        With what there is too much of.
    """
    if data[:2] == b"\xff\xd8":
        _check_jpeg(data)
    elif data[:8] == b"\x89PNG\r\n\x1a\n":
        _check_png(data)
    elif data[:6] in (b"GIF87a", b"GIF89a"):
        _check_gif(data)
    elif is_tiff(data):
        check_directory(data)
    elif is_pnm(data) and not _PNM_HEADER.match(data, 0, _MAX_PNM_HEADER_BYTES):
        raise ImageRejectedError(
            f"damaged: no size in the first {_MAX_PNM_HEADER_BYTES:,} bytes of a PPM, PGM or PBM "
            f"file"
        )


def is_tiff(data: bytes) -> bool:
    """Whether a file begins as TIFF and BigTIFF do."""
    return data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def is_pnm(data: bytes) -> bool:
    """Whether a file begins as PBM, PGM, PPM and PFM do."""
    return (
        data[:1] == b"P"
        and data[1:2] in tuple(b"%c" % byte for byte in b"123456fF")
        and (data[2:3] in (b" ", b"\t", b"\r", b"\n", b"#"))
    )


def n_scans(data: bytes) -> int:
    """Scans of the first picture in a JPEG file; thumbnails and what follows do not count."""
    found, at = 0, 2
    while match := _NEXT_MARKER.search(data, at):
        marker, at = match[1][0], match.end()
        if marker == 0xD9:
            break
        if marker in (0x01, 0xD8):
            continue
        found += marker == 0xDA
        at += int.from_bytes(data[at : at + 2], "big")
    return found


def _check_jpeg(data: bytes) -> None:
    at, n_segments, n_exif = 2, 0, 0
    while match := _NEXT_MARKER.search(data, at):
        marker, at = match[1][0], match.end()
        if marker in (0xDA, 0xD9):
            return
        if marker in (0x01, 0xD8):
            continue
        n_segments += 1
        n_exif += marker == 0xE1 and data[at + 2 : at + 8] == b"Exif\0\0"
        if n_segments > _MAX_PARTS or n_exif > _MAX_EXIF_PARTS:
            raise _too_many("segments before the picture in a JPEG file")
        at += int.from_bytes(data[at : at + 2], "big")


def _check_png(data: bytes) -> None:
    at, n_chunks = 8, 0
    most = _MAX_PARTS + len(data) // _BYTES_A_PART
    while at + 8 <= len(data):
        n_chunks += 1
        if n_chunks > most:
            raise _too_many("chunks in a PNG file")
        at += 12 + int.from_bytes(data[at : at + 4], "big")


def _check_gif(data: bytes) -> None:
    """Count what comes before the first picture."""
    at = 13 + (3 << (data[10] & 7) + 1 if len(data) > 10 and data[10] & 0x80 else 0)
    start, n_blocks = at, 0
    while data[at : at + 1] == b"!":
        at += 2
        while size := data[at] if at < len(data) else 0:
            at += 1 + size
            n_blocks += 1
            if n_blocks > _MAX_PARTS or at - start > _MAX_COMMENT_BYTES:
                raise _too_many("blocks before the first picture of a GIF file")
        at += 1
        n_blocks += 1


def _too_many(parts: str) -> ImageRejectedError:
    return ImageRejectedError(f"too many {parts}: more work than is put into an image")


class Directory(NamedTuple):
    """The first directory of a TIFF file, or of Exif data."""

    values: dict[int, tuple[int, ...]]
    """Of each tag that holds whole numbers, the first few."""

    def first(self, tag: int, default: int = 0) -> int:
        """The first number of a tag."""
        return next(iter(self.values.get(tag, ())), default)


def check_directory(data: bytes) -> Directory:
    """Read the first directory of TIFF or Exif data, which may not claim more than there is.

    A directory that is cut off ends where the data do.

    Raises
    ------
    ImageRejectedError
        When it has too many entries, or they claim more bytes than twice those of the file.
    """
    order = "<" if data[:2] == b"II" else ">"
    is_big = data[2:3] == b"+" or data[3:4] == b"+"
    count_bytes, entry_bytes, inline = (8, 20, 8) if is_big else (2, 12, 4)
    head, number = (8, "Q") if is_big else (4, "I")
    values: dict[int, tuple[int, ...]] = {}
    claimed = 0
    try:
        (at,) = struct.unpack_from(order + number, data, head)
        (n_entries,) = struct.unpack_from(order + ("Q" if is_big else "H"), data, at)
        if n_entries > _MAX_ENTRIES:
            raise _too_many("entries in a TIFF or Exif directory")
        for position in range(n_entries):
            entry = at + count_bytes + position * entry_bytes
            tag, kind, n_values = struct.unpack_from(order + "HH" + number, data, entry)
            n_bytes = _VALUE_BYTES.get(kind, 0) * n_values
            claimed += n_bytes if n_bytes > inline else 0
            if claimed > 2 * len(data) + (1 << 16):
                raise ImageRejectedError(
                    "damaged: the entries of a TIFF or Exif directory claim more bytes than the "
                    "file has"
                )
            if kind in (3, 4, 16) and 0 < n_values <= 64:
                where = entry + entry_bytes - inline
                if n_bytes > inline:
                    (where,) = struct.unpack_from(order + number, data, where)
                one = {3: "H", 4: "I", 16: "Q"}[kind]
                values[tag] = struct.unpack_from(f"{order}{n_values}{one}", data, where)
    except struct.error:
        pass
    return Directory(values)
