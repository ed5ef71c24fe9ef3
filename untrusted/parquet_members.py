"""Images in Parquet files, by paths that go on below the file's: ``train.parquet/12``.

The name of an image is the number of its row, from 0. In a file with several columns of images, it
is that of the default column; ``train.parquet/thumbnail/12`` is in another. Images are bytes, or
structures with the fields ``bytes`` and ``path``, as Hugging Face's libraries write them.
"""

# pyarrow has no types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import errno
import os
import re
import stat
from bisect import bisect_right
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from .files import open_regular
from .json_text import read_json_object
from .member_status import MemberStatus, changes_of
from .parquet_pages import Chunk

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ENDING = ".parquet"
_KEPT = 64
_MOST_OF_METADATA = 1 << 24
_MOST_ROWS_PER_BYTE = 1000  # rows without images, or with the same one, take next to nothing
_NAMES = ("image", "img", "picture", "photo", "pic", "images", "jpg", "jpeg", "png", "webp")
"""Usual names of columns of images, the first of them the default."""


class PyarrowMissingError(OSError):
    """Signal: what reads Parquet files is not installed."""


class ImageColumn(NamedTuple):
    """A column of images in a Parquet file."""

    name: str
    is_default: bool
    firsts: Sequence[int]
    """The first row of each row group, and the end."""
    chunks: Sequence[Chunk | None]
    """Of each row group; None where no image is in the file."""
    may_lack: Sequence[bool]
    """Of each row group, whether an image may be missing in the file."""
    has_paths: bool
    """Whether a path stands beside each image."""

    def chunk_of(self, row: int) -> tuple[Chunk | None, int]:
        """The chunk in which a row is, and the row's number in it."""
        group = bisect_right(self.firsts, row) - 1
        return self.chunks[group], row - self.firsts[group]

    def name_of(self, row: int) -> str:
        """By which an image is found in the file."""
        return str(row) if self.is_default else f"{self.name}/{row}"


def ends_as_parquet(name: str) -> bool:
    """Whether a name is that of a Parquet file which images are read from."""
    return name.lower().endswith(ENDING)


def status_of(file: str, name: str) -> MemberStatus:
    """Of an image, by its name.

    Raises
    ------
    FileNotFoundError
        When it is not there.
    OSError
        When the file cannot be read.
    """
    status = os.stat(file)  # noqa: PTH116 (names may hold surrogate escapes)
    changes = changes_of(status)
    column, _, digits = name.rpartition("/")
    for each in _columns_of(file, changes):
        if (each.name == column if column else each.is_default) and _is_row(digits):
            if int(digits) >= each.firsts[-1]:
                break
            chunk, row = each.chunk_of(int(digits))
            if chunk is None:
                break
            n_bytes = chunk.n_bytes // chunk.n_rows
            mode = stat.S_IFREG | 0o444
            return MemberStatus(n_bytes, *changes, mode, file, row, tuple(chunk))
    raise FileNotFoundError(errno.ENOENT, "no such image in the Parquet file", name)


def columns_of(file: str) -> Sequence[ImageColumn]:
    """The columns of images in a Parquet file.

    Raises
    ------
    OSError
        When it cannot be read.
    """
    return _columns_of(file, changes_of(os.stat(file)))  # noqa: PTH116 (surrogate escapes)


def _is_row(digits: str) -> bool:
    return re.fullmatch(r"0|[1-9][0-9]{0,17}", digits) is not None


@lru_cache(_KEPT)
def _columns_of(file: str, changes: tuple[int, int, int]) -> Sequence[ImageColumn]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        reason = "what reads Parquet files, pyarrow, is not installed"
        raise PyarrowMissingError(errno.ENOPKG, reason, file) from error
    try:
        with open_regular(file) as opened, pyarrow.parquet.ParquetFile(opened) as table:
            return image_columns(table, os.fstat(opened.fileno()).st_size)
    except (pyarrow.ArrowException, ValueError) as error:
        raise OSError(errno.EIO, f"the Parquet file is damaged: {error}", file) from error


def image_columns(table: Any, n_bytes: int) -> list[ImageColumn]:
    """The columns of images in a `pyarrow.parquet.ParquetFile` of so many bytes.

    Raises
    ------
    ValueError
        When it says of itself what cannot be.
    """
    declared = features_of(table)
    found: dict[str, str] = {}
    for field in table.schema_arrow:
        kind = field.type
        place = ""
        if _is_bytes(kind) and field.name in _NAMES:
            place = field.name
        elif _has_fields(kind):
            of_type = declared.get(field.name, {}).get("_type")
            if of_type == "Image" or (of_type is None and field.name in _NAMES):
                place = f"{field.name}.bytes"
        if place:
            found[field.name] = place
    usual = [name for name in _NAMES if name in found]
    default = usual[0] if usual else next(iter(found), "") if len(found) == 1 else ""
    places = {table.schema.column(at).path: at for at in range(len(table.schema))}
    firsts = _firsts(table.metadata, n_bytes) if found else [0]
    return [
        _column(table, name, places[place], firsts, n_bytes, is_default=name == default)
        for name, place in found.items()
        if place in places
    ]


def _column(
    table: Any, name: str, at: int, firsts: Sequence[int], n_bytes: int, *, is_default: bool
) -> ImageColumn:
    schema = table.schema.column(at)
    chunks: list[Chunk | None] = []
    may_lack: list[bool] = []
    if schema.max_repetition_level:
        raise ValueError(f"the column {name!r} holds lists")
    for group in range(len(firsts) - 1):
        about = table.metadata.row_group(group).column(at)
        n_rows = firsts[group + 1] - firsts[group]
        if not n_rows:
            chunks.append(None)
            may_lack.append(False)
            continue
        start = about.data_page_offset
        if about.has_dictionary_page and 0 < about.dictionary_page_offset < start:
            start = about.dictionary_page_offset
        size = about.total_compressed_size
        if about.num_values != n_rows or not 0 < start <= start + size <= n_bytes:
            raise ValueError(f"the column {name!r} does not fit row group {group}")
        n_missing = about.statistics.null_count if _has_nulls(about) else None
        is_in_file = schema.physical_type == "BYTE_ARRAY" and n_missing != n_rows
        chunk = Chunk(start, size, about.compression, schema.max_definition_level, n_rows)
        chunks.append(chunk if is_in_file else None)
        may_lack.append(schema.max_definition_level > 0 and n_missing != 0)
    has_paths = schema.path == f"{name}.bytes"
    return ImageColumn(name, is_default, firsts, chunks, may_lack, has_paths)


def _has_nulls(about: Any) -> bool:
    return about.is_stats_set and about.statistics.has_null_count


def _firsts(metadata: Any, n_bytes: int) -> list[int]:
    firsts = [0]
    for group in range(metadata.num_row_groups):
        n_rows = metadata.row_group(group).num_rows
        if n_rows < 0 or firsts[-1] + n_rows > n_bytes * _MOST_ROWS_PER_BYTE:
            raise ValueError(f"row group {group} has {n_rows:,} rows in {n_bytes:,} bytes")
        firsts.append(firsts[-1] + n_rows)
    return firsts


def _is_bytes(kind: Any) -> bool:
    from pyarrow import types

    return types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind)


def _has_fields(kind: Any) -> bool:
    """Whether a type is the structure of an image."""
    from pyarrow import types

    if not types.is_struct(kind):
        return False
    fields = {field.name: field.type for field in kind}
    if len(fields) != 2 or {*fields} != {"bytes", "path"}:
        return False
    path = fields["path"]
    is_path = types.is_string(path) or types.is_large_string(path) or types.is_null(path)
    return is_path and (_is_bytes(fields["bytes"]) or types.is_null(fields["bytes"]))


def features_of(table: Any) -> Mapping[str, Mapping[str, Any]]:
    """What Hugging Face's libraries note of each column; nothing where it is not understood."""
    text = (table.schema_arrow.metadata or {}).get(b"huggingface", b"")
    try:
        features = read_json_object(text, _MOST_OF_METADATA).get("info", {}).get("features", {})
        return {name: about for name, about in features.items() if isinstance(about, dict)}
    except (AttributeError, ValueError):
        return {}
