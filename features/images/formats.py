"""Formats of image files: which are read, and what the others are called in messages."""

from __future__ import annotations

import codecs
import re
from importlib.util import find_spec

from PIL import features

from ...extras import how_to_install

HAS_HEIF = find_spec("pillow_heif") is not None

FORMATS = (
    *("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM"),
    *(["AVIF"] if features.check("avif") else []),
    *(["HEIF"] if HAS_HEIF else []),
)
"""Pillow's names of the formats that are read."""

_IN_WORDS = {"WEBP": "WebP", "HEIF": "HEIC"}


def in_words(format: str) -> str:
    """What people call one of `FORMATS`: ``WebP``, ``HEIC``."""
    return _IN_WORDS.get(format, format)


def formats_in_words() -> str:
    """Formats that are read, for people: ``JPEG, PNG, … or HEIC``."""
    names = [in_words(name) for name in FORMATS]
    return f"{', '.join(names[:-1])} or {names[-1]}"


INSTALL_HEIF = f"{how_to_install('heic')} reads it"

_HEIF_BRANDS = frozenset(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
)
_AVIF_BRANDS = frozenset((b"avif", b"avis"))
_CONVERT = "convert it to JPEG or PNG"

_SIGNATURES_OF_FORMATS = (
    (rb"\xff\xd8", "JPEG"),
    (rb"\x89PNG", "PNG"),
    (rb"RIFF....WEBP", "WEBP"),
    (rb"GIF8[79]a", "GIF"),
    (rb"BM.{4}\0{4}", "BMP"),
)
_SIGNATURES = (
    (rb"%pdf", "a PDF"),
    (rb"8bps", f"a Photoshop document (PSD): {_CONVERT}"),
    (rb"\0\0\0\x0cjp  |\xff\x4f\xff\x51", f"JPEG 2000: {_CONVERT}"),
    (rb"\0\0\0\x0cjxl |\xff\x0a", f"JPEG XL: {_CONVERT}"),
    (rb"\0\0[\x01\x02]\0(?!\0\0)", f"an icon (ICO): {_CONVERT}"),
    # Without a map of colours, or with one from its first; then the origin, size and depth.
    (
        rb".(\0[\x02\x03\x0a\x0b]\0{5}|\x01[\x01\x09]\0{2}..[\x0f\x10\x18\x20]).{8}[\x08\x0f\x10\x18\x20]",
        f"a TGA: {_CONVERT}",
    ),
    (rb"fujifilmccd-raw|ii[ru][os\0]|mmor|ii\x1a\0\0\0heapccdr|foveon|\0mrm", "raw"),
    (rb"\x1a\x45\xdf\xa3", "a video (Matroska or WebM)"),
    (rb"riff....avi ", "a video (AVI)"),
    (rb"\0\0\x01[\xba\xb3]", "a video (MPEG)"),
    (rb"....(moov|mdat|wide|skip)", "a video (QuickTime)"),
    (rb"pk\x03\x04", "a ZIP archive, or an Office document"),
    (rb"\x1f\x8b", "a gzip archive"),
    (rb"\x89hdf\r\n", "an HDF5 file"),
    (rb"\x93numpy", "a NumPy array"),
    (rb"simple  =", f"FITS: {_CONVERT}"),
    (rb"v/1\x01", f"OpenEXR: {_CONVERT}"),
    (rb"#\?radiance|#\?rgbe", f"Radiance HDR: {_CONVERT}"),
    (rb"gimp xcf", f"a GIMP document (XCF): {_CONVERT}"),
    (rb"version https://git-lfs", "a Git LFS pointer: git lfs pull fetches the image"),
)
# But tabs, ends of lines and pages, and escape, which colours terminals.
_CONTROL = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_LEAST_OF_OLDER_TEXT = 32
_RAW = f"a raw photograph: {_CONVERT}"


def brands(data: bytes) -> set[bytes]:
    """The brands of an ISO base media file (HEIC, AVIF, MP4, MOV); none for other files."""
    if data[4:8] != b"ftyp":
        return set()
    end = min(int.from_bytes(data[:4], "big"), 512, len(data))
    return {data[8:12], *(data[at : at + 4] for at in range(16, end - 3, 4))}


def is_heif(data: bytes) -> bool:
    """Whether a file is HEIC or another HEIF, and not AVIF."""
    found = brands(data)
    return bool(found & _HEIF_BRANDS) and not found & _AVIF_BRANDS


def format_by_signature(data: bytes) -> str | None:
    """Pillow's name of the format whose first bytes a file has, of those with a clear signature."""
    if is_heif(data):
        return "HEIF" if HAS_HEIF else None
    if brands(data) & _AVIF_BRANDS:
        return "AVIF"
    matching = (
        name for pattern, name in _SIGNATURES_OF_FORMATS if re.match(pattern, data, re.DOTALL)
    )
    return next(matching, None)


def what_it_is(data: bytes) -> str | None:
    """What a file is that is not an image of `FORMATS`, and what helps; None if unknown."""
    found = brands(data)
    if is_heif(data):
        return "HEIC" if HAS_HEIF else f"HEIC: {INSTALL_HEIF}"
    if found & _AVIF_BRANDS:
        return f"AVIF: {_CONVERT}"
    if found & {b"crx ", b"crx2"}:
        return _RAW
    if found:
        return "a video (MP4 or QuickTime)"
    start = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "a web page"
    if re.match(rb"(<\?xml.{0,400})?(<!--.{0,400})?(<!doctype svg|<svg)", start, re.DOTALL):
        return f"a drawing (SVG): {_CONVERT}"
    head = data[:64].lower()
    for pattern, name in _SIGNATURES:
        if re.match(pattern, head, re.DOTALL):
            return _RAW if name == "raw" else name
    return "text" if _is_text(data[:512]) else None


def _is_text(start: bytes) -> bool:
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):  # UTF-16
        return True
    if _CONTROL.search(start):
        return False
    # The last letter may be cut. What is not UTF-8 may be in any older encoding: a few bytes
    # without a control character among them are chance.
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(start)
    except UnicodeDecodeError:
        return len(start) >= _LEAST_OF_OLDER_TEXT
    return True
