"""The values of a column of bytes in a Parquet file, one page at a time.

One page is in memory, and what it says of its size is not believed beyond a limit. The format is
that of Apache Parquet: data pages of both versions, plain values and dictionaries.
"""

# pyarrow has no types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .files import open_regular
from .thrift_structs import read_struct, varint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from .thrift_structs import Struct

MOST_OF_PAGE = 1 << 30
"""Bytes of a page, unpacked, beyond which it is refused."""

_MOST_VALUES = 1 << 22
_MOST_PAGES = 1 << 20
_HEADER_BYTES, _MOST_OF_HEADER = 1 << 12, 1 << 24
_DATA, _DICTIONARY, _DATA_2 = 0, 2, 3
_PLAIN, _DICTIONARIES = 0, (2, 8)
_CODECS = {
    "SNAPPY": "snappy",
    "GZIP": "gzip",
    "BROTLI": "brotli",
    "ZSTD": "zstd",
    "LZ4": "lz4_raw",
    "LZ4_RAW": "lz4_raw",
}
_DAMAGED = "its page is damaged"


class Chunk(NamedTuple):
    """A column of bytes in a row group."""

    start: int
    """Where its first page begins in the file."""
    n_bytes: int
    codec: str
    """How its pages are compressed, as Parquet calls it."""
    deepest: int
    """The definition level of a value that is there; a smaller one stands for none."""
    n_rows: int


class _Page(NamedTuple):
    """A page, as its header has it."""

    first: int
    """Its first row in the row group."""
    n_values: int
    at: int
    n_bytes: int
    n_unpacked: int
    encoding: int
    levels_bytes: int | None
    """Of the levels that lie before the values, uncompressed; None where they are among them."""
    is_packed: bool


class _Values(NamedTuple):
    """The values of a page."""

    page: _Page
    data: bytes
    starts: NDArray[np.int64]
    """Of each value in `data`; -1 where there is none."""
    ends: NDArray[np.int64]


def value_at(handle: int, chunk: Chunk, row: int) -> bytes | None:
    """The value of a row of the row group, from 0; None where there is none.

    Raises
    ------
    ValueError
        When the pages are damaged, larger than `MOST_OF_PAGE`, or written in an unknown way.
    OSError
        When the file cannot be read.
    """
    status = os.fstat(handle)
    changes = status.st_mtime_ns, status.st_ctime_ns, status.st_size
    return _reader(status.st_dev, status.st_ino, changes, chunk).value(handle, row)


def missing_in(path: str, chunk: Chunk) -> Iterator[bool]:
    """Of each row of the row group, whether it has no value; errors are those of `value_at`."""
    reader = _Reader(chunk)
    with open_regular(path) as file:
        for page in reader.pages(file.fileno()):
            levels, _ = reader.unpacked(file.fileno(), page)
            yield from (levels < chunk.deepest).tolist()


class _Reader:
    """Reads a column; keeps where its pages are, and the values of the last."""

    def __init__(self, chunk: Chunk) -> None:
        self._chunk = chunk
        self._pages: list[_Page] | None = None
        self._dictionary: _Values | None = None
        self._last: _Values | None = None

    def value(self, handle: int, row: int) -> bytes | None:
        """As `value_at`."""
        last = self._last
        if last is None or not 0 <= row - last.page.first < last.page.n_values:
            self._last = None  # before the next is in memory
            within = (page for page in self.pages(handle) if row < page.first + page.n_values)
            page = next(within, None)
            if page is None:
                raise ValueError("its row group ends before it does")
            last = self._last = self._values(handle, page)
        start, end = int(last.starts[row - last.page.first]), int(last.ends[row - last.page.first])
        return None if start < 0 else last.data[start:end]

    def pages(self, handle: int) -> list[_Page]:
        """The pages of data."""
        if self._pages is None:
            self._pages = [*self._found(handle)]
        return self._pages

    def _found(self, handle: int) -> Iterator[_Page]:
        at, first = self._chunk.start, 0
        end = at + self._chunk.n_bytes
        for _ in range(_MOST_PAGES):
            if at >= end or first >= self._chunk.n_rows:
                return
            kind, page = _header(handle, at, first)
            if page.at + page.n_bytes > end:
                raise ValueError(_DAMAGED)
            if kind == _DICTIONARY:
                self._dictionary_page = page
            elif kind in (_DATA, _DATA_2):
                yield page
                first += page.n_values
            at = page.at + page.n_bytes
        raise ValueError(f"its row group has more than {_MOST_PAGES:,} pages")

    _dictionary_page: _Page | None = None

    def _values(self, handle: int, page: _Page) -> _Values:
        levels, data = self.unpacked(handle, page)
        is_there = levels == self._chunk.deepest
        n_there = int(np.count_nonzero(is_there))
        starts = np.full(page.n_values, -1, np.int64)
        ends = np.full(page.n_values, -1, np.int64)
        if page.encoding == _PLAIN:
            starts[is_there], ends[is_there] = _plain(data, n_there)
        elif page.encoding in _DICTIONARIES:
            dictionary = self._read_dictionary(handle)
            numbers = _numbers(data[1:], n_there, data[0]) if n_there else np.empty(0, np.int64)
            if n_there and int(numbers.max()) >= len(dictionary.starts):
                raise ValueError(_DAMAGED)
            starts[is_there] = dictionary.starts[numbers]
            ends[is_there] = dictionary.ends[numbers]
            data = dictionary.data
        else:
            raise ValueError(
                f"its values are in Parquet's encoding {page.encoding}, which is not read: write "
                f"the file anew without it"
            )
        return _Values(page, data, starts, ends)

    def _read_dictionary(self, handle: int) -> _Values:
        if self._dictionary is None:
            page = self._dictionary_page
            if page is None or page.encoding not in (_PLAIN, *_DICTIONARIES):
                raise ValueError(_DAMAGED)
            data = self._bytes(handle, page)
            self._dictionary = _Values(page, data, *_plain(data, page.n_values))
        return self._dictionary

    def unpacked(self, handle: int, page: _Page) -> tuple[NDArray[np.int64], bytes]:
        """The definition level of each value of a page, and the values that are there."""
        data = self._bytes(handle, page)
        deepest, n_levels = self._chunk.deepest, page.levels_bytes
        if not deepest:
            return np.zeros(page.n_values, np.int64), data[n_levels or 0 :]
        at = 0
        if n_levels is None:
            at, n_levels = 4, int.from_bytes(data[:4], "little")
        if at + n_levels > len(data):
            raise ValueError(_DAMAGED)
        levels = _numbers(data[at : at + n_levels], page.n_values, deepest.bit_length())
        return levels, data[at + n_levels :]

    def _bytes(self, handle: int, page: _Page) -> bytes:
        if max(page.n_bytes, page.n_unpacked) > MOST_OF_PAGE:
            raise ValueError(
                f"its page has {max(page.n_bytes, page.n_unpacked):,} bytes, and at most "
                f"{MOST_OF_PAGE:,} are read: write the file anew with fewer rows in a row group"
            )
        data = os.pread(handle, page.n_bytes, page.at)
        if len(data) < page.n_bytes:
            raise ValueError("the file ends in its page")
        before = page.levels_bytes or 0
        codec = self._chunk.codec
        if codec == "UNCOMPRESSED" or not page.is_packed or page.n_unpacked == before:
            return data
        return data[:before] + _unpacked(data[before:], codec, page.n_unpacked - before)


@lru_cache(1)
def _reader(device: int, inode: int, changes: tuple[int, ...], chunk: Chunk) -> _Reader:
    return _Reader(chunk)


def _unpacked(data: bytes, codec: str, n_bytes: int) -> bytes:
    if codec not in _CODECS:
        raise ValueError(f"its page is compressed by {codec}, which is not read")
    import pyarrow

    packed = pyarrow.Codec(_CODECS[codec])
    try:
        # pyarrow does not say where a page is shorter than its header has it: what follows would
        # be whatever was in the memory.
        if codec == "SNAPPY" and varint(data, 0)[0] != n_bytes:
            raise ValueError(_DAMAGED)
        unpacked = packed.decompress(data, n_bytes, asbytes=True)
    except (pyarrow.ArrowException, OSError, ValueError, EOFError) as error:
        raise ValueError(_DAMAGED) from error
    if codec not in ("SNAPPY", "ZSTD"):  # of ZSTD, the codec compares the lengths
        try:
            packed.decompress(data, n_bytes - 1, asbytes=True)
        except (pyarrow.ArrowException, OSError, ValueError):
            return unpacked
        raise ValueError(_DAMAGED)
    return unpacked


def _header(handle: int, at: int, first: int) -> tuple[int, _Page]:
    """The kind of a page, and what its header says of it."""
    n_bytes = _HEADER_BYTES
    while True:
        data = os.pread(handle, n_bytes, at)
        try:
            fields, length = read_struct(data)
        except EOFError:
            if len(data) < n_bytes or n_bytes >= _MOST_OF_HEADER:
                raise ValueError("the header of its page is damaged") from None
            n_bytes *= 16
        else:
            break

    def number(within: int | bool | Struct | None, field: int) -> int:
        found = within.get(field) if isinstance(within, dict) else None
        if type(found) is not int or found < 0:
            raise ValueError("the header of its page is damaged")
        return found

    kind = number(fields, 1)
    sizes = number(fields, 3), number(fields, 2)
    about = fields.get({_DATA: 5, _DICTIONARY: 7, _DATA_2: 8}.get(kind, 0))
    if about is None:
        return kind, _Page(first, 0, at + length, *sizes, _PLAIN, None, is_packed=True)
    n_values = number(about, 1)
    if n_values > _MOST_VALUES:
        raise ValueError(f"its page has {n_values:,} values, and at most {_MOST_VALUES:,} are read")
    if kind != _DATA_2:
        encoding = number(about, 2)
        return kind, _Page(first, n_values, at + length, *sizes, encoding, None, is_packed=True)
    levels_bytes = number(about, 5) + number(about, 6)
    if number(about, 6) or levels_bytes > min(sizes):
        raise ValueError("the header of its page is damaged")
    is_packed = not isinstance(about, dict) or about.get(7) is not False
    page = _Page(first, n_values, at + length, *sizes, number(about, 4), levels_bytes, is_packed)
    return kind, page


def _plain(data: bytes, n_values: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where values begin and end that lie one after another, each with its length before it."""
    starts, ends = np.empty(n_values, np.int64), np.empty(n_values, np.int64)
    at = 0
    for number in range(n_values):
        start = at + 4
        at = start + int.from_bytes(data[at:start], "little")
        if at > len(data) or start > len(data):
            raise ValueError(_DAMAGED)
        starts[number], ends[number] = start, at
    return starts, ends


def _numbers(data: bytes, n_values: int, n_bits: int) -> NDArray[np.int64]:
    """Numbers in Parquet's hybrid of runs and packed bits."""
    found = np.zeros(n_values, np.int64)
    if n_bits > 32:
        raise ValueError(_DAMAGED)
    at = n_found = 0
    try:
        while n_found < n_values:
            head, at = varint(data, at)
            if head & 1:
                n_new = min((head >> 1) * 8, n_values - n_found)
                packed = data[at : at - (-n_new * n_bits // 8)]
                bits = np.unpackbits(np.frombuffer(packed, np.uint8), bitorder="little")
                if len(bits) < n_new * n_bits:
                    raise ValueError(_DAMAGED)
                at += (head >> 1) * n_bits
                new: NDArray[np.int64] | int = np.zeros(n_new, np.int64)
                for bit in range(n_bits):
                    new |= bits[bit : n_new * n_bits : n_bits].astype(np.int64) << bit
            else:
                n_new = min(head >> 1, n_values - n_found)
                n_bytes = -(-n_bits // 8)
                new = int.from_bytes(data[at : at + n_bytes], "little")
                at += n_bytes
            found[n_found : n_found + n_new] = new
            n_found += n_new
    except EOFError:
        raise ValueError(_DAMAGED) from None
    return found
