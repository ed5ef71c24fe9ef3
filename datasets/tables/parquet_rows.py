"""The rows of a Parquet file that lists or holds images, as text, as those of a CSV file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeVar

from ...errors import DatasetError
from ...extras import how_to_install
from ...untrusted.files import open_regular
from ...untrusted.parquet_members import ends_as_parquet, features_of, image_columns
from ...untrusted.parquet_pages import missing_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ...untrusted.parquet_members import ImageColumn

_T = TypeVar("_T")

_MAGIC = b"PAR1"
_ROWS_AT_ONCE = 1 << 12


def is_parquet(file: Path) -> bool:
    """Whether a file begins as Parquet files do.

    Raises
    ------
    OSError
        When it cannot be read.
    """
    with open_regular(file) as opened:
        return opened.read(len(_MAGIC)) == _MAGIC


class ParquetRows:
    """A Parquet file, row by row.

    Columns of lists, structures and bytes are left out, but for the one of images, whose values
    are paths: of the image in the file, or of the file that is named in its place. A missing value
    is an empty one, true and false are 1 and 0, and Hugging Face's classes are their names.

    Parameters
    ----------
    file
        The file.
    path_column
        The column of images, or of paths; None finds out whether there are images.

    Raises
    ------
    DatasetError
        When pyarrow is not installed, the file is damaged, or it has no column of images, text or
        numbers, or several of images.
    """

    def __init__(self, file: Path, path_column: str | None = None) -> None:
        self._file = file
        self.images: ImageColumn | None = None
        """The column of images that are in the file."""
        self.class_columns: Sequence[str] = ()
        """Columns that hold Hugging Face's classes."""
        self._rows = self._read(path_column)
        self.header: Sequence[str] = next(self._rows)[1]
        """The names of the columns."""

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        """Rows with their numbers, from 2; once."""
        return self._rows

    @property
    def own(self) -> str | None:
        """How the paths of images in the file begin; None where there are none."""
        return None if self.images is None else os.path.join(self._file, "")  # noqa: PTH118

    def _read(self, path_column: str | None) -> Iterator[tuple[int, list[str]]]:
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError as error:
            install = how_to_install("parquet")
            raise DatasetError(f"{self._file}: to read Parquet files, {install}") from error
        try:
            with open_regular(self._file) as opened, pyarrow.parquet.ParquetFile(opened) as table:
                yield from self._rows_of(table, os.fstat(opened.fileno()).st_size, path_column)
        except DatasetError:
            raise
        except (pyarrow.ArrowException, OSError, ValueError) as error:
            raise DatasetError(
                f"{self._file} is no Parquet file, or a damaged one: {error}"
            ) from error

    def _rows_of(
        self, table: Any, n_bytes: int, path_column: str | None
    ) -> Iterator[tuple[int, list[str]]]:
        names = [field.name for field in table.schema_arrow if _is_plain(field.type)]
        self.images = images = self._chosen(image_columns(table, n_bytes), path_column, names)
        if images is None and not names:
            others = ", ".join(f"{each.name} ({each.type})"[:80] for each in table.schema_arrow)
            raise DatasetError(
                f"{self._file}: expected columns such as path and label, or a column image of "
                f"bytes, or of bytes and path: {others or 'no column'} holds neither"
            )
        classes = {
            name: about["names"]
            for name, about in features_of(table).items()
            if about.get("_type") == "ClassLabel" and isinstance(about.get("names"), list)
        }
        self.class_columns = [name.strip() for name in names if name in classes]
        own = [] if images is None else [images.name]
        yield 1, [name.strip() for name in (*own, *names)]
        number = 2
        for group in range(table.metadata.num_row_groups):
            paths = iter(()) if images is None else self._paths_in(table, images, group)
            values = _values(table, group, names)
            n_rows = table.metadata.row_group(group).num_rows
            for _ in range(n_rows):
                row = [self._next(paths)] if images is not None else []
                for name, value in zip(names, self._next(values) if names else (), strict=True):
                    row.append(_as_text(self._named(value, classes.get(name), name, number)))
                yield number, row
                number += 1
            if next(values, None) is not None:
                raise self._lies()

    def _chosen(
        self, found: Sequence[ImageColumn], path_column: str | None, others: Sequence[str]
    ) -> ImageColumn | None:
        chosen = [
            each
            for each in found
            if (each.is_default if path_column is None else each.name == path_column)
        ]
        if found and not chosen and path_column is None:
            names = ", ".join(each.name for each in found)
            raise DatasetError(
                f"{self._file}: any of the columns {names} may hold the images: use --path-column"
            )
        if chosen and not ends_as_parquet(str(self._file)):
            raise DatasetError(
                f"{self._file} holds images: give it a name that ends in .parquet, which their "
                f"paths go on below"
            )
        return chosen[0] if chosen else None

    def _paths_in(self, table: Any, images: ImageColumn, group: int) -> Iterator[str]:
        """The paths of the images of a row group."""
        first, end = images.firsts[group : group + 2]
        here = (f"{self.own}{images.name_of(row)}" for row in range(first, end))
        if not images.may_lack[group] or not images.has_paths:
            yield from here
            return
        chunk = images.chunks[group]
        missing = iter(()) if chunk is None else missing_in(str(self._file), chunk)
        beside = _values(table, group, [f"{images.name}.path"])
        for path in here:
            [value] = self._next(beside)
            other = _as_text((value or {}).get("path"))
            is_missing = chunk is None or self._next(missing)
            yield other if is_missing and other else path

    def _next(self, values: Iterator[_T]) -> _T:
        for value in values:
            return value
        raise self._lies()

    def _lies(self) -> DatasetError:
        return DatasetError(
            f"{self._file} is a damaged Parquet file: a row group has not as many rows as it says"
        )

    def _named(self, value: Any, names: Sequence[Any] | None, column: str, number: int) -> Any:
        if names is None or type(value) is not int:
            return value
        if value == -1:  # no class, as in test splits
            return None
        if not 0 <= value < len(names):
            raise DatasetError(
                f"{self._file}, line {number}: {column} is {value}, and there are {len(names)} "
                f"classes"
            )
        return names[value]


def _values(table: Any, group: int, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """The values of the rows of a row group."""
    if not names:
        return
    for batch in table.iter_batches(
        _ROWS_AT_ONCE, row_groups=[group], columns=names, use_threads=False
    ):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _is_plain(kind: Any) -> bool:
    from pyarrow import types

    if types.is_dictionary(kind):
        kind = kind.value_type
    return any(
        is_it(kind)
        for is_it in (
            types.is_string,
            types.is_large_string,
            types.is_integer,
            types.is_floating,
            types.is_boolean,
            types.is_null,
            types.is_decimal,
            types.is_temporal,
        )
    )


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    return str(int(value) if isinstance(value, bool) else value).strip()
