"""Coordinates as a Parquet file: text, null where there is none, and float32."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...atomic_file import write_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from .laid_out import LaidOut

_SIGNED = b"bottlebank"
"""Key of the file's metadata, of which the value says how the images were placed."""


def write(laid_out: LaidOut, output: Path) -> None:
    """See `registry`."""
    import pyarrow as pa
    from pyarrow import parquet

    columns = {
        name: pa.array([value or None for value in values], pa.string())
        for name, values in laid_out.words.items()
    }
    points = laid_out.embedding.points
    columns |= {axis: pa.array(points[:, at]) for at, axis in enumerate(laid_out.axes)}
    about = {_SIGNED: laid_out.embedding.caption, "extractor": laid_out.table.recipe.extractor}
    table = pa.table(columns).replace_schema_metadata(about)
    buffer = pa.BufferOutputStream()
    parquet.write_table(table, buffer)
    write_bytes(output, memoryview(buffer.getvalue()))


def is_own(output: Path) -> bool:
    """See `registry`."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return _SIGNED in (parquet.read_schema(output).metadata or {})
    except pa.ArrowException:
        return False
