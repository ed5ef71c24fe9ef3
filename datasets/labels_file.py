"""A labels file: what somebody has decided of images, by their content, laid over any dataset.

Renamed and moved images keep their labels, and no image is moved or rewritten.
"""

from __future__ import annotations

import contextlib
import csv
import io
import re
import unicodedata
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from ..arguments import require_path
from ..errors import DatasetError
from .guarded_names import guarded, unguarded
from .tables.columns import normal
from .tables.csv_rows import clean, find_dialect, rows_of
from .tables.text_file import encoding_of

if TYPE_CHECKING:
    import os
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

COLUMNS = ("key", "path", "label")
SUGGESTED, ACCEPT, SCORE, KIND = "suggested", "accept", "score", "kind"
SUGGESTION_COLUMNS = (*COLUMNS, SUGGESTED, SCORE, KIND, ACCEPT)
"""Of what an audit writes, for a person to fill in the last."""
EARLIER = "earlier"
"""In `kind`: the row repeats a decision of an earlier labels file."""
_EXPECTED = "key,path,label"
_YES = {"yes", "y", "true", "1", "x", "ok", "accept", "accepted"}
_NO = {"", "no", "n", "false", "0", "-", "reject", "rejected"}
_KEY = re.compile("[0-9a-f]{64}")


class LabelsFile(NamedTuple):
    """What a labels file says."""

    source: Path
    labels: Mapping[bytes, str]
    """By the SHA-256 of an image's bytes; empty: the image is left out."""
    scores: Mapping[bytes, float] = MappingProxyType({})
    """By the same, how suspicious an audit found the image, where the file says it."""
    paths: Mapping[bytes, str] = MappingProxyType({})
    """By the same, for people."""
    undecided: frozenset[bytes] = frozenset()
    """Images of which an audit has written the label, and nobody has decided anything."""

    def __len__(self) -> int:
        return len(self.labels)


class Decision(NamedTuple):
    """A row that the labels files of all later rounds repeat, until a newer one goes before it."""

    key: str
    path: str
    label: str
    """Empty: the image is left out; or, of one that is `undecided`, it has none yet."""
    undecided: bool = False

    @property
    def accept(self) -> str:
        """For the column ``accept``: the label counts, unless nobody has decided it."""
        return "" if self.undecided else "no"

    @property
    def suggestion(self) -> tuple[str, ...]:
        """As a row of `SUGGESTION_COLUMNS` in which nothing is accepted."""
        return (*self[:3], "", "", "" if self.undecided else EARLIER, "")


def read_labels(source: str | os.PathLike[str]) -> LabelsFile:
    """Read a labels file.

    Parameters
    ----------
    source
        A CSV file with the columns ``key``, the SHA-256 of an image's bytes in hexadecimal, and
        ``label``; an empty label leaves the image out. Where there are ``suggested`` and
        ``accept``, as in what an audit writes, a row whose ``accept`` is yes has the suggested
        label, and its own where nothing is suggested, as if ``accept`` were empty; where rows of
        equal files contradict each other, those in which ``accept`` is empty do not count, unless
        ``kind`` says that they repeat a decision. Other columns, such as ``path``, are for people.

    Raises
    ------
    DatasetError
        When it cannot be read, or a row makes no sense; the message has the line.
    """
    path = require_path(source, "the path of a labels file")
    try:
        return LabelsFile(path, *_read(path))
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from error


def write_labels(rows: Iterable[tuple[str, str, str]]) -> bytes:
    """A labels file of (key, path, label), in UTF-8; other bytes in names are `escaped`."""
    return _written(COLUMNS, rows)


def write_suggestions(rows: Iterable[tuple[str, ...]]) -> bytes:
    """A labels file with the columns `SUGGESTION_COLUMNS`, in UTF-8, as by `write_labels`."""
    return _written(SUGGESTION_COLUMNS, rows)


def are_undecided_suggestions(file: Path) -> bool:
    """Whether a file is what `write_suggestions` made, and nobody has accepted anything in it."""
    header = ",".join(SUGGESTION_COLUMNS)
    with file.open(encoding="utf-8", errors="replace", newline="") as lines:
        if lines.readline().rstrip("\r\n") != header:
            return False
        try:
            return all(
                len(row) == len(SUGGESTION_COLUMNS) and not row[-1].strip() for row in _full(lines)
            )
        except csv.Error:  # such as a field that is longer than any name
            return False


def has_other_labels(
    file: Path,
    labels: Mapping[str, Collection[str]],
    suggestible: Collection[str],
    kinds: Collection[str],
) -> bool:
    """Whether a file that `write_suggestions` made has other words than an audit writes.

    Somebody has written them into it since, or it is of other images.

    Parameters
    ----------
    file
        In which `are_undecided_suggestions`.
    labels
        Of images, by their keys.
    suggestible
        The labels that can be suggested. Whether a person has written one of them into
        ``suggested`` cannot be told.
    kinds
        The kinds of findings.
    """
    may_be_kind, may_be_suggested = {*kinds, EARLIER}, set(map(_as_read, ["", *suggestible]))
    with file.open(encoding="utf-8", errors="replace", newline="") as lines:
        rows = _full(lines)
        next(rows, None)
        return any(
            _normal(unguarded(label)) not in set(map(_as_read, labels.get(key, ())))
            or _normal(unguarded(suggested)) not in may_be_suggested
            or not may_be_kind.issuperset(kind.split())
            for key, _, label, suggested, _, kind, *_ in rows
        )


def _as_read(label: str) -> str:
    """A label of an image as it is after writing and reading."""
    return _normal(escaped(label))


def _full(lines: Iterable[str]) -> Iterator[list[str]]:
    """The rows that hold anything: spreadsheets and editors leave empty ones at the end."""
    return (row for row in csv.reader(lines) if any(map(clean, row)))


def _normal(label: str) -> str:
    return unicodedata.normalize("NFC", label)


def _written(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)  # ends lines with CR LF, and so quotes names that hold either
    writer.writerow(columns)
    writer.writerows([key, *map(guarded, values)] for key, *values in rows)
    return escaped(text.getvalue()).encode()


def escaped(name: str) -> str:
    """Bytes of a name that are not UTF-8, as people can read and type them."""
    try:
        return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # half a pair of UTF-16, as in names on Windows
        return name.encode("utf-8", "backslashreplace").decode()


def _read(
    file: Path,
) -> tuple[dict[bytes, str], dict[bytes, float], dict[bytes, str], frozenset[bytes]]:
    encoding = encoding_of(file, can_be_said=False)
    dialect = find_dialect(file, encoding, _understood)
    lines = rows_of(file, encoding, dialect, _EXPECTED, cleaned=False)
    _, header = next(lines, (0, []))
    names = [normal(name) for name in header]
    for name in ("key", "label"):
        if names.count(name) != 1:
            found = ", ".join(filter(None, header)) or "nothing"
            raise DatasetError(
                f"{file}: expected a labels file with the columns {_EXPECTED}, found "
                f"{found[:200]!r}"
            )
    for name in (SUGGESTED, ACCEPT, SCORE, KIND):
        if names.count(name) > 1:
            raise DatasetError(
                f"{file}: expected one column {name}, found {names.count(name)}: remove the others"
            )
    labels: dict[bytes, str] = {}
    scores: dict[bytes, float] = {}
    paths: dict[bytes, str] = {}
    seen: dict[bytes, int] = {}
    open_ones: dict[bytes, set[str]] = {}  # labels beside an empty `accept`
    for line, row in lines:
        said = dict(zip(names, row, strict=False))
        value = {name: clean(text) for name, text in said.items()}
        where = f"{file}, line {line}"
        if any(map(clean, row[len(names) :])):
            raise DatasetError(
                f"{where}: {len(row)} values where the header has {len(names)}: put a value that "
                f"holds the separator between quotation marks"
            )
        key = value.get("key", "").lower()
        if not _KEY.fullmatch(key):
            raise DatasetError(
                f"{where}: expected a key of 64 hexadecimal digits, the SHA-256 of the image's "
                f"bytes; found {key[:80]!r}"
            )
        label, content = _label(said, where), bytes.fromhex(key)
        score = value.get(SCORE, "")
        if dialect.separator != ",":  # where it is not, the comma is the decimal point
            score = score.replace(",", ".")
        with contextlib.suppress(ValueError):  # a score is a remark: without one, labels count
            scores[content] = float(score)
        paths.setdefault(content, unguarded(said.get("path", "")))
        repeats = EARLIER in value.get(KIND, "").split()
        if ACCEPT in names and not _decides(said) and not repeats:
            open_ones.setdefault(content, set()).add(label)
            continue
        if labels.setdefault(content, label) != label:
            raise DatasetError(
                f"{where}: the image has the label {label!r} here and {labels[content]!r} in line "
                f"{seen[content]}: remove one of them"
            )
        seen.setdefault(content, line)
    undecided = set()
    for content, found in open_ones.items():
        # Of equal files with two labels, as an audit has seen them, neither label counts.
        if len(found) == 1 and content not in labels:
            labels[content] = next(iter(found))
            undecided.add(content)
    return labels, scores, paths, frozenset(undecided)


def _label(value: Mapping[str, str], where: str) -> str:
    accept = clean(value.get(ACCEPT, "")).casefold()
    if accept not in _YES | _NO:
        raise DatasetError(f"{where}: expected yes, no or nothing in accept; found {accept[:80]!r}")
    if accept in _YES and SUGGESTED not in value:
        raise DatasetError(f"{where}: accept is {accept}, and there is no column {SUGGESTED}")
    suggested = unguarded(value.get(SUGGESTED, "")) if accept in _YES else ""
    return _normal(suggested or unguarded(value.get("label", "")))


def _decides(value: Mapping[str, str]) -> bool:
    """Whether `accept` says anything; yes to no suggestion, as of a column filled down, is none."""
    accept = clean(value.get(ACCEPT, "")).casefold()
    return bool(accept and (accept not in _YES or unguarded(value.get(SUGGESTED, ""))))


def _understood(header: Sequence[str]) -> int:
    return len({"key", "label"} & {normal(name) for name in header})
