"""What a file is by its first bytes, and the encoding of its text."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

from ...arguments import received
from ...errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

_HEAD_BYTES = 4096
_BLOCK_BYTES = 1 << 20

_KINDS = (
    (rb"PK(\x03\x04|\x05\x06|\x07\x08)", "zip"),
    (rb"\x89HDF\r\n\x1a\n", "an HDF5 file, such as a head or an export of the cache"),
    (rb"PAR1", "a Parquet file"),
    (rb"ARROW1|\xff{4}.{4}\x10", "an Arrow file"),
    (rb"\x89PNG|\xff\xd8\xff|GIF8|BM.{4}\0{4}|RIFF.{4}WEBP|II\*\0|MM\0\*|II\+\0|MM\0\+", "image"),
    (rb".{4}ftyp(avif|avis|heic|heix|hevc|mif1|msf1)", "image"),
    (rb"P[1-7]\s", "image"),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "workbook"),
    (rb"\x1f\x8b|BZh|\xfd7zXZ|7z\xbc\xaf|Rar!|\x28\xb5\x2f\xfd|.{257}ustar", "archive"),
    (rb"%PDF", "a PDF"),
    (rb"SQLite format 3\0", "an SQLite database"),
    (rb"\x93NUMPY", "a NumPy array"),
    (rb"\x80[\x02-\x05]", "a pickle"),
    (rb"\s*<", "HTML or XML"),
)

_INSTEAD = "save the table as a CSV file with path,label and name that"
_ADVICE = {
    "image": (
        "an image",
        "put images into one folder per class and name the folder that holds these folders "
        "(bottlebank predict takes single images)",
    ),
    "archive": ("an archive", "unpack it and name the folder"),
    "zip": ("a zip archive", "unpack it and name the folder"),
    "workbook": ("an Excel workbook", _INSTEAD),
    "json": ("JSON", _INSTEAD),
}

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

LEGACY = "cp1252"
"""What Excel writes as "CSV" on a western Windows, and what remains to be tried."""


def encoding_of(file: Path, encoding: str | None = None, *, can_be_said: bool = True) -> str:
    """The encoding of a text file: the one that is said, or one that its bytes leave no doubt of.

    In this order: a byte order mark, UTF-16 by its zeros, UTF-8, Windows-1252. Detectors that
    count letters were tried (charset-normalizer) and are mostly wrong on short tables.

    Where the encoding cannot be said, as of labels files, the message does not advise to say it.

    Raises
    ------
    DatasetError
        When the file is not text, or text in some other encoding.
    """
    with file.open("rb") as opened:
        head = opened.read(_HEAD_BYTES)
    _refuse_other_kinds(file, head)
    candidates = [encoding or marked_encoding(head) or "utf-8"]
    if "\0" in head.decode("latin-1") and not candidates[0].startswith(
        ("utf-16", "utf-32", "utf_")
    ):
        raise DatasetError(f"{file} is a binary file: {_EXPECTED}")
    if encoding is None and candidates == ["utf-8"]:
        candidates.append(LEGACY)
    for name in candidates:
        if decodes(file, name, is_said=encoding is not None):
            return name
    raise DatasetError(_why_not(file, candidates[-1], encoding is not None, can_be_said))


_EXPECTED = "expected a folder or a CSV file with path,label[,split][,group]"


def decodes(file: Path, encoding: str, *, is_said: bool = False) -> bool:
    """Whether all of a file is text in an encoding; Windows-1252 must look like it, unless said."""
    try:
        b"a".decode(
            encoding, "replace"
        )  # `base64` and the like are codecs and no encodings of text
        decoder = codecs.getincrementaldecoder(encoding)()
    except (LookupError, UnicodeError):
        raise DatasetError(
            f"unknown encoding {received(encoding)}: expected one such as utf-8, utf-16, cp1252, "
            f"cp1250, cp1251, mac_roman, gbk, shift_jis"
        ) from None
    try:
        with file.open("rb") as opened:
            while block := opened.read(_BLOCK_BYTES):
                text = decoder.decode(block)
                if encoding == LEGACY and not is_said and strange_in_windows_1252(text):
                    return False
            decoder.decode(b"", final=True)
    except UnicodeError:
        return False
    return True


def strange_in_windows_1252(text: str) -> str | None:
    """A word that nobody writes in a western language; None where every word can be one.

    Text in another 8-bit encoding decodes as Windows-1252 to words such as ``Øàïêà``: foreign
    letters side by side, capitals behind small letters, signs inside words.
    """
    for word in re.findall(r"[^\s,;|\"'/\\]+", text):
        if word.isascii():
            continue
        letters = re.sub("ç[ãõáâéíó]|Ç[ÃÕÁÂÉÍÓ]|ée|éé", "ca", word)
        letters = letters.replace("ß", "s").replace("œ", "o").replace("æ", "a").strip("«»")
        pair = re.search(r"[^\W\d_a-zA-Z]{2}", letters)
        sign_inside = re.search(r"[^\W\d_][^\x00-\x7f\w’‘“”–—…·]", letters)
        sign_before = re.search(r"[^\x00-\x7f\w¿¡’‘“”–—…·][^\W\d_]", letters)
        capital = any(
            before.isalpha()
            and here > "\x7f"
            and here.isupper()
            and (before + after) != (before + after).upper()
            for before, here, after in zip(letters, letters[1:], [*letters[2:], ""], strict=False)
        )
        if pair or sign_inside or sign_before or capital:
            return word
    return None


def marked_encoding(head: bytes) -> str | None:
    """The encoding that the first bytes of a text show: by a mark, or as UTF-16 by its zeros.

    Without a mark, every other byte of ASCII text is zero in UTF-16.
    """
    marked = next((name for mark, name in _MARKS if head.startswith(mark)), None)
    if marked is not None:
        return marked
    head = head[:_HEAD_BYTES]
    even, odd = head[::2], head[1::2]
    if len(head) < 4 or head.count(0) < len(head) // 4:
        return None
    if odd.count(0) > 0.7 * len(odd) and not even.count(0):
        return "utf-16-le"
    if even.count(0) > 0.7 * len(even) and not odd.count(0):
        return "utf-16-be"
    return None


def _refuse_other_kinds(file: Path, head: bytes) -> None:
    kind = next((name for magic, name in _KINDS if re.match(magic, head, re.DOTALL)), None)
    if kind == "zip" and file.suffix.lower() in (".xlsx", ".xlsm", ".ods", ".xlsb"):
        kind = "workbook"
    if file.suffix.lower() in (".json", ".jsonl", ".ndjson") or re.match(rb"\s*(\{|\[[\[{])", head):
        kind = kind or "json"
    if kind is None:
        return
    name, advice = _ADVICE.get(kind, (kind, ""))
    if not advice:
        advice = _EXPECTED
    raise DatasetError(f"{file} is {name}, not a CSV file: {advice}")


def _why_not(file: Path, encoding: str, is_said: bool, can_be_said: bool) -> str:
    if is_said:
        return f"{file} is not text in {encoding}: leave --encoding out, or name another"
    if encoding != LEGACY:
        return f"{file} begins as {encoding} text, but does not continue as such: save it as UTF-8"
    name_it = ", or use --encoding NAME, such as cp1250, cp1251, mac_roman, gbk or shift_jis"
    return (
        f"{file} is not UTF-8, and its words make no sense in Windows-1252: save it as UTF-8 "
        f'("CSV UTF-8" in Excel){name_it * can_be_said}'
    )
