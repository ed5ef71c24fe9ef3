"""A dataset in a CSV file, in the dialects that people's tools write, or in a Parquet file."""

from __future__ import annotations

import contextlib
import itertools
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import DatasetError
from ..formatting import in_brief_names
from .folders import find_images, holds_images
from .listed_files import ListedFiles
from .split_names import KNOWN_NAMES, split_of
from .tables.columns import (
    Columns,
    are_known,
    as_flag,
    find_columns,
    headerless,
)
from .tables.csv_rows import find_dialect, rows_of
from .tables.parquet_rows import ParquetRows, is_parquet
from .tables.text_file import LEGACY, encoding_of
from .tables.weight_values import remarks, weight_of

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_ROWS_LOOKED_AT = 1000

_NO_LABEL = {"nan", "null", "n/a", "na", "#n/a", "nil", "<na>", "nat"}


@dataclass
class Listed:
    """What a CSV file lists, row by row."""

    paths: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    splits: list[str | None] = field(default_factory=list)
    groups: list[str | None] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    """Empty where no column holds any."""
    notes: list[str] = field(default_factory=list)


class Row(NamedTuple):
    """What a row of a table says."""

    images: list[str]
    """One path, or those in the folder that it names."""
    label: str
    split: str | None
    group: str | None
    weight: float | None


def read_listed(file: Path, **options: Any) -> Listed:
    """Read a CSV or Parquet file; parameters and errors are those of `Table`."""
    table = Table(file, **options)
    listed = Listed()
    for line, row in table.rows():
        images, label, split, group, weight = table.take(line, row)
        listed.paths += images
        listed.labels += [label] * len(images)
        listed.splits += [split] * len(images)
        listed.groups += [group] * len(images)
        if weight is not None:
            listed.weights += [weight] * len(images)
    listed.notes = table.notes(listed.weights)
    return listed


class Table:
    """A CSV or Parquet file, row by row."""

    def __init__(
        self,
        file: Path,
        *,
        path_column: str | None = None,
        label_column: str | None = None,
        weights_column: str | None = None,
        image_root: str | os.PathLike[str] | None = None,
        encoding: str | None = None,
    ) -> None:
        """Find out what its columns hold; parameters and errors are those of `load_dataset`."""
        self._file = file
        said = {"path": path_column, "label": label_column, "weight": weights_column}
        with self._reading():
            is_table = is_parquet(file)
            taken = "utf-8" if is_table else encoding_of(file, encoding)
            self._own = None
            if is_table:
                rows = ParquetRows(file, path_column)
                self._lines, self._own = iter(rows), rows.own
                header = [*rows.header]
                if rows.images is not None:
                    said["path"] = rows.images.name
                if len(rows.class_columns) == 1 and label_column is None:
                    said["label"] = rows.class_columns[0]
            else:
                dialect = find_dialect(file, taken, partial(understood, said=said))
                self._lines = rows_of(file, taken, dialect, "path,label[,split]")
                header = next((row for _, row in self._lines), [])
            first = list(itertools.islice(self._lines, _ROWS_LOOKED_AT))
        self._is_legacy = taken == LEGACY and encoding is None
        self._width = len(header)
        try:
            columns = None
            if not any(said.values()) and are_known(header, said) == 0:
                columns = headerless(header)
            if columns is not None:
                first.insert(0, (1, header))
            else:
                padded = [row + [""] * (self._width - len(row)) for _, row in first]
                columns = find_columns(header, padded, said, holds_images=self._own is not None)
        except DatasetError as error:
            raise DatasetError(f"{file}: {error}") from None
        self._columns, self._first = columns, first
        self.files = ListedFiles(file, image_root, taken)
        at = columns.path
        self._first_paths = [row[at] for _, row in first if len(row) > at]
        self._labels: dict[str, None] = {}
        self._n_rows = self._n_own = self._n_folders = 0
        self._n_unlabelled = self._first_unlabelled = 0

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise DatasetError(f"{self._file} cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise DatasetError(
                f"{self._file} has changed while it was read: {error.reason} in its text; run the "
                f"command again"
            ) from error

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Rows that hold anything, with the numbers of their lines; once."""
        first, self._first = self._first, []
        with self._reading():
            yield from first
            yield from self._lines

    def take(self, line: int, row: Sequence[str]) -> Row:
        """What a row says.

        Raises
        ------
        DatasetError
            When it is no row of a path and a label, or its path cannot be meant.
        """
        path, label, split, group, weight = _values(
            self._file, line, row, self._width, self._columns
        )
        found = self._found(path, line)
        self._n_rows += 1
        self._labels.setdefault(label)
        if not label and self._columns.has_labels:
            self._n_unlabelled += 1
            self._first_unlabelled = self._first_unlabelled or line
        if self._is_own(found) or not holds_images(found):
            return Row([found], label, split, group, weight)
        self._n_folders += 1
        return Row(find_images(found), label, split, group or found, weight)

    def _is_own(self, path: str) -> bool:
        """Whether a path is that of an image in the table itself."""
        return self._own is not None and path.startswith(self._own)

    def _found(self, path: str, line: int) -> str:
        if self._is_own(path):
            self._n_own += 1
            return path
        if self._first_paths:
            self.files.look_for_root([each for each in self._first_paths if not self._is_own(each)])
            self._first_paths = []
        return self.files.find(path, line)

    def notes(self, weights: Sequence[float] = ()) -> list[str]:
        """What should be known of it, when all rows have been taken.

        Raises
        ------
        DatasetError
            When none of its paths leads to a file, or all weights are 0.
        """
        file = self._file
        notes = [f"{file}: {note}" for note in self._columns.notes]
        if self._n_rows and not self._n_own:
            self.files.require_some()
        if self._n_folders:
            name = "row names a folder" if self._n_folders == 1 else "rows name folders"
            notes.append(
                f"{file}: {self._n_folders:,} {name}: the images in each have the row's label and "
                f"stay in one split"
            )
        if self._n_unlabelled:
            rows = "1 row has" if self._n_unlabelled == 1 else f"{self._n_unlabelled:,} rows have"
            notes.append(
                f"{file}: {rows} no label, line {self._first_unlabelled} first: these images have "
                f"no class"
            )
        notes += self.files.notes
        try:
            of_weights = remarks(weights)
        except DatasetError as error:
            raise DatasetError(f"{file}: {error}") from None
        labels = list(self._labels)
        of_labels = filter(None, [case_twins(labels), _no_names(labels)])
        notes += [f"{file}: {remark}" for remark in (*of_labels, *of_weights)]
        if self._is_legacy:
            odd = next((label for label in labels if not label.isascii()), "its paths")
            notes.append(
                f"{file} is not UTF-8: read as Windows-1252, with labels such as {odd!r}; "
                f"--encoding names another"
            )
        return notes


def understood(header: Sequence[str], *, said: Mapping[str, str | None]) -> int:
    """How well a row is understood as a header, or as values without one: 0 not at all."""
    known = are_known(header, said) if len(header) > 1 else 0
    return 2 if not known and headerless(header) is not None else known


def _values(
    file: Path, line: int, row: Sequence[str], width: int, columns: Columns
) -> tuple[str, str, str | None, str | None, float | None]:
    where = f"{file}, line {line}"
    if any(row[width:]):
        raise DatasetError(
            f"{where}: {len(row)} values where the header has {width}: put a value that holds the "
            f"separator between quotation marks"
        )

    def value(position: int | None) -> str:
        return "" if position is None or position >= len(row) else row[position]

    path = value(columns.path)
    if columns.one_hot:
        flags = {name: as_flag(value(p)) for p, name in columns.one_hot.items()}
        named = [name for name, flag in flags.items() if flag]
        if len(named) != 1 or None in flags.values():
            what = ", ".join(named) or "no class"
            raise DatasetError(f"{where}: expected a 1 in one column and 0 elsewhere, found {what}")
        label = named[0]
    else:
        label = value(columns.label)
    is_torn = columns.label is not None and columns.label >= len(row)
    if not path or is_torn:  # an empty label, after its separator, is no label
        raise DatasetError(f"{where}: path or label is missing: fill it in, or remove the row")
    if re.fullmatch(r"\{.*\}|\[.*\]", label):
        raise DatasetError(f"{where}: the label {label[:80]!r} is a list: expected one class")
    declared = value(columns.split)
    split = split_of(declared) if declared else None
    if declared and split is None:
        raise DatasetError(f"{where}: split {declared!r} is not one of {KNOWN_NAMES}")
    weight = None if columns.weight is None else weight_of(value(columns.weight), where)
    label = unicodedata.normalize("NFC", label)
    return path, label, split, value(columns.group) or None, weight


def _no_names(labels: Sequence[str]) -> str | None:
    """A remark on classes that other tools write for no label, or for several."""
    found = sorted(
        label for label in set(labels) if label.casefold() in _NO_LABEL or re.search("[|;]", label)
    )
    if not found:
        return None
    names = in_brief_names(found)
    return f"these labels count as classes, though they may stand for none or several: {names}"


def case_twins(labels: Sequence[str]) -> str | None:
    """A remark on classes whose names differ in case alone."""
    counts = Counter(name.casefold() for name in set(labels))
    twins = sorted(name for name in set(labels) if counts[name.casefold()] > 1)
    if not twins:
        return None
    return f"classes whose names differ only in case are kept apart: {', '.join(twins[:4])}"
