"""The rows of a CSV file, in the dialects that people's tools write."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING, NamedTuple

from ...errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

_SEPARATORS = (",", ";", "\t", "|")


class Dialect(NamedTuple):
    """How a file is written."""

    separator: str
    n_skipped: int
    """Lines before the header."""


def find_dialect(file: Path, encoding: str, understood: Callable[[Sequence[str]], int]) -> Dialect:
    """The separator by which the header is understood best.

    Parameters
    ----------
    understood
        How well a header is: 0 not at all.
    """
    with file.open(newline="", encoding=encoding) as lines:
        start = lines.read(1 << 16).lstrip("\ufeff")
    excel = re.match(r"sep=(.)\r?\n?", start, re.IGNORECASE)
    if excel:
        return Dialect(excel.group(1), 1)
    rows = [line for line in start.splitlines() if line.strip(" ,;\t|")]
    scores = []
    for separator in _SEPARATORS:
        try:
            header = next(csv.reader(rows[:1], delimiter=separator, skipinitialspace=True), [])
        except csv.Error:
            header = []
        header = [clean(value) for value in header]
        scores.append((understood(header), len(header)))
    best = max(range(len(scores)), key=lambda position: scores[position])
    return Dialect(_SEPARATORS[best], 0)


def rows_of(
    file: Path, encoding: str, dialect: Dialect, columns: str, *, cleaned: bool = True
) -> Iterator[tuple[int, list[str]]]:
    """Rows that hold anything, cleaned, with the numbers of their lines; first the header.

    `cleaned` False leaves white space at the ends of values where it is.

    Raises
    ------
    DatasetError
        When it is no CSV file; it names the `columns` that were expected.
    """
    with file.open(newline="", encoding=encoding) as lines:
        reader = csv.reader(lines, delimiter=dialect.separator, strict=True, skipinitialspace=True)
        line = 1
        try:
            for row in reader:
                values = [clean(value) for value in row]
                if any(values) and line > dialect.n_skipped:
                    yield line, values if cleaned else row
                line = reader.line_num + 1
        except csv.Error as error:
            raise DatasetError(
                f"{file}, line {line}: not a CSV file with {columns}: {error}; is a quotation "
                f"mark never closed?"
            ) from error


def clean(value: str) -> str:
    """A value without white space and byte order marks at its ends."""
    return value.strip().strip("\ufeff\u200b").strip()
