"""Folders of Parquet files that hold images, in parts: one file after another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..parquet_folder import in_one, parquet_folder
from . import lists
from .part import Parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from .part import Memory, Part


@dataclass
class TablesParts(Parts):
    """A folder of tables in parts."""

    tables: Sequence[Parts] = ()

    def __iter__(self) -> Iterator[Part]:
        for table in self.tables:
            yield from table


def survey(
    path: Path, exclude: Sequence[str], options: Mapping[str, Any], memory: Memory
) -> TablesParts:
    """Look through a folder of Parquet files; see `load_dataset`."""
    found = parquet_folder(path, exclude)
    tables = [lists.survey(file, options, memory, is_table=True) for file in found.files]
    return TablesParts(
        str(path),
        n_images=sum(len(table) for table in tables),
        ignored_kinds=dict(found.passed_over.most_common()),
        unreadable=found.unreadable,
        notes=in_one((table.source, note) for table in tables for note in table.notes),
        tables=tables,
    )
