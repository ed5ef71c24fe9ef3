"""A text file with one path a line, as other tools write it: images without classes."""

from __future__ import annotations

import codecs
import contextlib
import itertools
import os
import re
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from ..arguments import received
from ..errors import DatasetError
from .folders import find_images, holds_images, is_image_name, kind_of
from .listed import understood
from .listed_files import ListedFiles
from .tables.columns import are_known, headerless, is_path_column
from .tables.csv_rows import find_dialect, rows_of
from .tables.text_file import encoding_of, marked_encoding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

_LINES_LOOKED_AT = 100
_START_BYTES = 1 << 16
_BLOCK_BYTES = 1 << 16
_CODE_PAGES = ("cp1252", "cp850", "cp437")
"""What Windows writes names in that are not UTF-8; the file that is there decides."""
_ESCAPED = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"a": b"\a", b"b": b"\b", b"f": b"\f"}


class PathList(NamedTuple):
    """What a list of paths leads to."""

    paths: list[str]
    """Images, each once, in the order of the list; folders give way to the images in them."""
    passed_over: Counter[str]
    """Files in it that are no images, by kind."""
    notes: list[str]


def is_path_list(
    file: Path,
    image_root: str | os.PathLike[str] | None = None,
    encoding: str | None = None,
) -> bool:
    """Whether a text file holds paths and nothing else.

    A file with the header of a CSV file is none. Others are lists where half of the first lines, as
    a whole, lead to files, or end like images and are no rows of a path and a label.
    """
    with file.open("rb") as opened:
        start = opened.read(_START_BYTES)
    is_cut = len(start) == _START_BYTES
    try:
        text = _decoder(start, encoding)(start, not is_cut)
        if re.search(r"[\x01-\x08\x0e-\x1f]", text):
            return False
    except (LookupError, ValueError):
        return False  # reading it as a CSV file tells why
    header = [] if "\0" in text else _header(file, encoding)
    if header is not None and len(header) > 1 and are_known(header, {}):
        return False
    lines = [line for _, line in _lines([text], "\0" if "\0" in text else "\n", is_cut=is_cut)]
    lines = [line for line in lines if not line.lstrip().startswith("#")][:_LINES_LOOKED_AT]
    files = ListedFiles(file, image_root, encoding or "utf-8")
    least = max(1, len(lines) / 2)
    if sum(_is_there(files, line) for line in lines) >= least:
        return True
    if header is None or headerless(header) is not None:
        return False
    return sum(any(map(is_image_name, readings(line))) for line in lines) >= least


def read_path_list(
    file: Path,
    image_root: str | os.PathLike[str] | None = None,
    encoding: str | None = None,
) -> PathList:
    """Read a list; a path may lead to an image, or to a folder of them.

    A line is taken as it is where that leads to a file: names may begin with ``#``, end with a
    space, and hold any byte but a line feed, and this one too where lines end with a zero, as those
    of ``find -print0`` do. Elsewhere spaces around it, quotation marks and the escapes of git
    between them, and the encodings of Windows are tried; then a line that begins with ``#`` is a
    comment.

    Raises
    ------
    DatasetError
        When it cannot be read, none of its paths leads to a file, or a line is an address or a path
        of another system.
    """
    lines = PathLines(file, image_root, encoding)
    paths: dict[str, str] = {}
    for number, line in lines.rows():
        for image in lines.take(number, line):
            paths.setdefault(os.path.normpath(image), image)
    return PathList([*paths.values()], lines.passed_over, lines.notes())


class PathLines:
    """A list, line by line; see `read_path_list`."""

    def __init__(
        self,
        file: Path,
        image_root: str | os.PathLike[str] | None = None,
        encoding: str | None = None,
    ) -> None:
        """Find out how its lines end, and what its paths are relative to."""
        self.passed_over: Counter[str] = Counter()
        self._file, self._encoding = file, encoding
        with self._reading():
            self._end = "\0" if any("\0" in text for text in self._texts()) else "\n"
        self.files = ListedFiles(file, image_root, encoding or "utf-8")
        first = [*itertools.islice(self._lines(), _LINES_LOOKED_AT)]
        self.files.look_for_root([each for _, line in first for each in readings(line)])
        self._has_header = (
            bool(first) and is_path_column(first[0][1]) and not _is_there(self.files, first[0][1])
        )

    def rows(self) -> Iterator[tuple[int, str]]:
        """Lines that hold anything, with their numbers, but for the header."""
        return itertools.islice(self._lines(), int(self._has_header), None)

    def take(self, number: int, line: str) -> list[str]:
        """The images that a line leads to; it may be named in others, too."""
        meant = next(filter(self.files.look, readings(line)), None)
        if meant is None and line.lstrip().startswith("#"):
            return []
        path = self.files.find(line.strip() if meant is None else meant, number)
        if holds_images(path):
            return find_images(path)
        if is_image_name(path) or not os.path.splitext(path)[1]:  # noqa: PTH122
            return [path]
        self.passed_over[kind_of(os.path.basename(path))] += 1  # noqa: PTH119
        return []

    def notes(self) -> list[str]:
        """What should be known of it, when all lines have been taken."""
        self.files.require_some()
        return self.files.notes

    def _lines(self) -> Iterator[tuple[int, str]]:
        with self._reading():
            yield from _lines(self._texts(), self._end)

    def _texts(self) -> Iterator[str]:
        with self._file.open("rb") as opened:
            block = opened.read(_BLOCK_BYTES)
            decode = _decoder(block, self._encoding)
            while block:
                yield decode(block)
                block = opened.read(_BLOCK_BYTES)
            yield decode(b"", True)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise DatasetError(f"{self._file} cannot be read: {error.strerror}") from error
        except DatasetError:
            raise
        except (LookupError, ValueError):
            raise DatasetError(
                f"{self._file} is not text in {received(self._encoding)}: leave --encoding out, or "
                f"name another"
                if self._encoding
                else f"{self._file} begins as UTF-16 or UTF-32 text, but does not continue as "
                f"such: save it as UTF-8"
            ) from None


def readings(line: str) -> list[str]:
    """What a line may mean, the most literal first."""
    found = [line, line.strip()]
    inner = re.fullmatch(r"""\s*(["'])(.*)\1\s*""", line, re.DOTALL)
    if inner:
        found += [inner[2], inner[2].replace('""', '"'), _without_escapes(inner[2])]
    if any("\udc80" <= character <= "\udcff" for character in line):
        raw = os.fsencode(line.strip())
        found += [raw.decode(page, "replace") for page in _CODE_PAGES]
    return list(dict.fromkeys(found))


def _is_there(files: ListedFiles, line: str) -> bool:
    """Whether a line leads to something; a name that is too long does not."""
    return any(os.path.exists(found) for found in map(files.look, readings(line)) if found)  # noqa: PTH110


def _header(file: Path, encoding: str | None) -> list[str] | None:
    """The first row, if this is a CSV file; None where it cannot be read as one."""
    try:
        taken = encoding_of(file, encoding)
        dialect = find_dialect(file, taken, partial(understood, said={}))
        return next(rows_of(file, taken, dialect, "path,label"), (0, []))[1]
    except DatasetError:
        return None


def _without_escapes(text: str) -> str:
    """The name that git and ``ls -Q`` write between quotation marks."""

    def plain(match: re.Match[bytes]) -> bytes:
        octal, letter = match.groups()
        return bytes([int(octal, 8) & 255]) if octal else _ESCAPED.get(letter, letter)

    escape = rb"\\(?:([0-7]{3})|(.))"
    return os.fsdecode(re.sub(escape, plain, os.fsencode(text), flags=re.DOTALL))


def _decoder(start: bytes, encoding: str | None) -> Callable[..., str]:
    """Decodes blocks, and what ends the last; what is not UTF-8 are surrogate escapes, unless an
    encoding is said."""
    name = encoding or marked_encoding(start)
    b"a".decode(name or "utf-8", "replace")  # `base64` and the like are no encodings of text
    errors = "surrogateescape" if name in (None, "utf-8-sig") else "strict"
    return codecs.getincrementaldecoder(name or "utf-8")(errors).decode


def _lines(texts: Iterable[str], end: str, *, is_cut: bool = False) -> Iterator[tuple[int, str]]:
    """Lines that hold anything, with their numbers; the last is none where the text `is_cut`."""
    number, rest = 0, ""
    blocks = iter(texts)
    while True:
        text = next(blocks, None)
        *lines, rest = (rest if text is None else rest + text).split(end)
        for line in lines if text is not None or is_cut else [*lines, rest]:
            number += 1
            plain = line.removeprefix("\ufeff") if number == 1 else line
            whole = plain if end == "\0" else plain.removesuffix("\r")
            if whole.strip():
                yield number, whole
        if text is None:
            return
