"""A dataset in a CSV file, in the dialects that people's tools write, or in a Parquet file."""

from __future__ import annotations

import itertools
import os
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from ..errors import DatasetError
from ..formatting import in_brief_names
from .columns import (
    Columns,
    are_known,
    as_flag,
    find_columns,
    headerless,
)
from .csv_rows import find_dialect, rows_of
from .folders import find_images, holds_images
from .listed_files import ListedFiles
from .parquet_rows import is_parquet, parquet_rows
from .split_names import KNOWN_NAMES, split_of
from .text_file import LEGACY, encoding_of
from .weight_values import remarks, weight_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
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


def read_listed(
    file: Path,
    *,
    path_column: str | None = None,
    label_column: str | None = None,
    weights_column: str | None = None,
    image_root: str | os.PathLike[str] | None = None,
    encoding: str | None = None,
) -> Listed:
    """Read a CSV or Parquet file; parameters and errors are those of `load_dataset`."""
    try:
        is_table = is_parquet(file)
        taken = "utf-8" if is_table else encoding_of(file, encoding)
        said = {"path": path_column, "label": label_column, "weight": weights_column}
        listed = _read(file, None if is_table else taken, said, image_root)
    except OSError as error:
        raise DatasetError(f"{file} cannot be read: {error.strerror}") from error
    if taken == LEGACY and encoding is None:
        odd = next((label for label in listed.labels if not label.isascii()), "its paths")
        listed.notes.append(
            f"{file} is not UTF-8: read as Windows-1252, with labels such as {odd!r}; "
            f"--encoding names another"
        )
    return listed


def _read(
    file: Path,
    encoding: str | None,
    said: Mapping[str, str | None],
    image_root: str | os.PathLike[str] | None,
) -> Listed:
    """Rows of text in an encoding, or of a Parquet file, which has None."""
    if encoding is None:
        lines = parquet_rows(file)
    else:
        dialect = find_dialect(file, encoding, partial(understood, said=said))
        lines = rows_of(file, encoding, dialect, "path,label[,split]")
    header = next((row for _, row in lines), [])
    first = list(itertools.islice(lines, _ROWS_LOOKED_AT))
    width = len(header)
    try:
        columns = None
        if not any(said.values()) and are_known(header, said) == 0:
            columns = headerless(header)
        if columns is not None:
            first.insert(0, (1, header))
        else:
            padded = [row + [""] * (width - len(row)) for _, row in first]
            columns = find_columns(header, padded, said)
    except DatasetError as error:
        raise DatasetError(f"{file}: {error}") from None
    listed = Listed(notes=[f"{file}: {note}" for note in columns.notes])
    files = ListedFiles(file, image_root, encoding or "utf-8")
    files.look_for_root([row[columns.path] for _, row in first if len(row) > columns.path])
    n_folders = 0
    unlabelled: list[int] = []
    for line, row in itertools.chain(first, lines):
        path, label, split, group, weight = _values(file, line, row, width, columns)
        found = files.find(path, line)
        if not label:
            unlabelled.append(line)
        if holds_images(found):
            n_folders += 1
            group = group or found
            images = find_images(found)
        else:
            images = [found]
        listed.paths += images
        listed.labels += [label] * len(images)
        listed.splits += [split] * len(images)
        listed.groups += [group] * len(images)
        if weight is not None:
            listed.weights += [weight] * len(images)
    if listed.paths:
        files.require_some()
    if n_folders:
        name = "row names a folder" if n_folders == 1 else "rows name folders"
        listed.notes.append(
            f"{file}: {n_folders:,} {name}: the images in each have the row's label and stay in "
            f"one split"
        )
    if unlabelled:
        rows = "1 row has" if len(unlabelled) == 1 else f"{len(unlabelled):,} rows have"
        listed.notes.append(
            f"{file}: {rows} no label, line {unlabelled[0]} first: these images have no class"
        )
    listed.notes += files.notes
    try:
        of_weights = remarks(listed.weights)
    except DatasetError as error:
        raise DatasetError(f"{file}: {error}") from None
    of_labels = filter(None, [case_twins(listed.labels), _no_names(listed.labels)])
    listed.notes += [f"{file}: {remark}" for remark in (*of_labels, *of_weights)]
    return listed


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
