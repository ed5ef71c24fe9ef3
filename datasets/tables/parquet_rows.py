"""The rows of a Parquet file that lists images, as text, in the way of those of a CSV file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import DatasetError
from ...extras import how_to_install
from ...untrusted.files import open_regular

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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


def parquet_rows(file: Path) -> Iterator[tuple[int, list[str]]]:
    """Rows with their numbers, from 2; first, as row 1, the names of the columns.

    Columns of lists, structures and bytes are left out. A missing value is an empty one, and true
    and false are 1 and 0.

    Raises
    ------
    DatasetError
        When pyarrow is not installed, the file is damaged, or it has no column of text or numbers.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise DatasetError(f"{file}: to read Parquet files, {how_to_install('parquet')}") from error
    try:
        with open_regular(file) as opened, pyarrow.parquet.ParquetFile(opened) as table:
            names = [field.name for field in table.schema_arrow if _is_plain(field.type)]
            if not names:
                others = ", ".join(map(repr, table.schema_arrow.names))
                raise DatasetError(
                    f"{file}: expected columns such as path and label; {others} hold no text. "
                    f"Images that are in the file itself are not read: write them to files first"
                )
            yield 1, [name.strip() for name in names]
            number = 2
            for batch in table.iter_batches(_ROWS_AT_ONCE, columns=names, use_threads=False):
                columns = [column.to_pylist() for column in batch.columns]
                for values in zip(*columns, strict=True):
                    yield number, [_as_text(value) for value in values]
                    number += 1
    except DatasetError:
        raise
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise DatasetError(f"{file} is no Parquet file, or a damaged one: {error}") from error


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
