"""What an image file's structure costs, found without a decoder.

Libraries read headers at a cost that grows with the square of the number of their parts, or with
what a directory claims to hold. Real files stay far below these bounds; a file beyond one is
refused before it costs anything.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, NamedTuple

from ..errors import ImageRejectedError

if TYPE_CHECKING:
    from collections.abc import Iterator

# Photographs have 10 to 100 segments before the picture; a depth map in XMP adds some 200.
_MAX_PARTS = 2_000
_MAX_EXIF_PARTS = 64
_MAX_PADDING_BYTES = 1 << 16
_BYTES_A_PART = 256
_MAX_PROFILES = 4
_MAX_RUN_LENGTH_BYTES = 4 << 20
_MAX_TILES = 100_000
_MAX_ENTRIES = 4_096
_MAX_COMMENT_BYTES = 1 << 18
_MAX_PNM_HEADER_BYTES = 4_096

_PNM_HEADER = re.compile(
    rb"P(?:[14]|[2356fF])(?:\s+|#[^\r\n]*[\r\n])(?:\s|#[^\r\n]*[\r\n])*\d{1,10}"
    rb"(?:\s|#[^\r\n]*[\r\n])+\d{1,10}"
)
_NEXT_MARKER = re.compile(rb"\xff+([\x01-\xcf\xd8-\xfe])")
_NEXT_GIF_BLOCK = re.compile(rb"[!,;]")
_STRIP_OFFSETS, _TILE_OFFSETS = 273, 324
_VALUE_BYTES = {
    **{1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4},
    **{16: 8, 17: 8, 18: 8},  # of BigTIFF
}


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
    elif data[:2] == b"BM":
        _check_bmp(data)
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


def has_more_scans(data: bytes, most: int) -> bool:
    """Whether the first picture in a JPEG file has more scans; thumbnails do not count."""
    # Any two bytes of a video that follows the picture may look like a scan, so that those are
    # counted exactly only where it matters.
    if data.count(b"\xff\xda") <= most:
        return False
    found, at = 0, 2
    while found <= most and (match := _NEXT_MARKER.search(data, at)):
        marker, at = match[1][0], match.end()
        if marker == 0xD9:
            break
        if marker in (0x01, 0xD8):
            continue
        found += marker == 0xDA
        at += int.from_bytes(data[at : at + 2], "big")
    return found > most


def _check_jpeg(data: bytes) -> None:
    at, n_segments, n_exif, n_padding = 2, 0, 0, 0
    while match := _NEXT_MARKER.search(data, at):
        marker = match[1][0]
        n_padding += match.end() - at - 2
        at = match.end()
        if marker in (0x01, 0xD8):
            n_padding += 2
        elif marker not in (0xDA, 0xD9):
            n_segments += 1
            n_exif += marker == 0xE1 and data[at + 2 : at + 8] == b"Exif\0\0"
            at += int.from_bytes(data[at : at + 2], "big")
        if n_exif > _MAX_EXIF_PARTS:
            raise _too_many(_MAX_EXIF_PARTS, "Exif segments in a JPEG file")
        if n_segments > _MAX_PARTS:
            raise _too_many(_MAX_PARTS, "segments before the picture in a JPEG file")
        if n_padding > _MAX_PADDING_BYTES:
            raise _too_many(_MAX_PADDING_BYTES, "bytes between the segments of a JPEG file")
        if marker in (0xDA, 0xD9):
            return


def _check_png(data: bytes) -> None:
    at, n_chunks, n_profiles = 8, 0, 0
    most = _MAX_PARTS + len(data) // _BYTES_A_PART
    while at + 8 <= len(data):
        n_chunks += 1
        n_profiles += data[at + 4 : at + 8] == b"iCCP"
        if n_chunks > most:
            raise _too_many(most, "chunks in a PNG file of this size")
        if n_profiles > _MAX_PROFILES:  # each is inflated to a megabyte
            raise _too_many(_MAX_PROFILES, "colour profiles in a PNG file")
        at += 12 + int.from_bytes(data[at : at + 4], "big")


def _check_gif(data: bytes) -> None:
    """Count what comes before the first picture."""
    start = 13 + (3 << (data[10] & 7) + 1 if len(data) > 10 and data[10] & 0x80 else 0)
    for n_blocks, at in enumerate(_gif_blocks(data, start)):
        if n_blocks > _MAX_PARTS:
            raise _too_many(_MAX_PARTS, "blocks before the first picture of a GIF file")
        if at - start > _MAX_COMMENT_BYTES:
            raise _too_many(_MAX_COMMENT_BYTES, "bytes before the first picture of a GIF file")


def _gif_blocks(data: bytes, at: int) -> Iterator[int]:
    """Where each block ends that comes before the first picture, and where that one begins."""
    while (match := _NEXT_GIF_BLOCK.search(data, at)) and match[0] == b"!":
        at = match.end() + 1
        while size := data[at] if at < len(data) else 0:
            at += 1 + size
            yield at
        at += 1
        yield at
    yield match.start() if match else len(data)


def _check_bmp(data: bytes) -> None:
    """Run lengths are followed in Python, one by one."""
    compression = int.from_bytes(data[30:34], "little")
    if compression in (1, 2) and len(data) > _MAX_RUN_LENGTH_BYTES:
        raise _too_many(_MAX_RUN_LENGTH_BYTES, "bytes in a BMP file of run lengths")


def _too_many(most: int, parts: str) -> ImageRejectedError:
    return ImageRejectedError(f"more than {most:,} {parts}: more work than is put into an image")


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
        When it has too many entries, strips or tiles, or the entries claim more bytes than
        twice those of the file.
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
            raise _too_many(_MAX_ENTRIES, "entries in a TIFF or Exif directory")
        for position in range(n_entries):
            entry = at + count_bytes + position * entry_bytes
            tag, kind, n_values = struct.unpack_from(order + "HH" + number, data, entry)
            if tag in (_STRIP_OFFSETS, _TILE_OFFSETS) and n_values > _MAX_TILES:
                raise _too_many(_MAX_TILES, "strips or tiles in a TIFF file")
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
    except (struct.error, OverflowError):  # an offset of 64 bits, beyond any file
        pass
    return Directory(values)
