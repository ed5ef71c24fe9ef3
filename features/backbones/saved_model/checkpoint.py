"""The weights in ``variables/``: a sorted table of names, and files with the numbers.

The index is a table in the format of LevelDB, whose values are messages BundleEntryProto; both are
described in TensorFlow's ``tensor_bundle.proto`` and ``lib/io/table_format``.
"""

from __future__ import annotations

import math
import mmap
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ....untrusted.files import open_regular, read_bounded, require_regular
from .tensors import DTYPES, STRING, read_shape, read_texts, require_shape
from .wire import Reader, read_varint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

INDEX = "variables/variables.index"
_MAX_INDEX_BYTES = 1 << 26
_MAX_SHARDS = 1000
_MAX_TEXT_BYTES = 1 << 26
_MAGIC = 0xDB4775248B80FB57
_FOOTER_BYTES = 48
_DAMAGED = f"{INDEX} is damaged, or cut short"


class Entry(NamedTuple):
    """Where the numbers of a variable are."""

    data_type: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    n_bytes: int


class Checkpoint:
    """The variables of a SavedModel.

    Parameters
    ----------
    located
        Finds a file by its name in the folder; raises ValueError where it is outside of it.

    Raises
    ------
    ValueError
        When the index is damaged, or a file of numbers is missing.
    """

    def __init__(self, located: Callable[[str], Path]) -> None:
        self._located = located
        self._reader = Reader()
        data = memoryview(read_bounded(located(INDEX), _MAX_INDEX_BYTES))
        self._entries = dict(_table(data))
        header = self._entries.pop("", memoryview(b""))
        self._n_shards = self._reader.number(header, 1)
        if not 1 <= self._n_shards <= _MAX_SHARDS or self._reader.number(header, 2):
            raise ValueError(_DAMAGED)
        self._mapped: dict[int, memoryview] = {}

    def files(self, entries: Iterable[Entry]) -> list[str]:
        """The names in the folder of the index and of the files of variables, in a fixed order."""
        shards = sorted({entry.shard for entry in entries})
        return [INDEX, *map(self._shard_name, shards)]

    def entry(self, key: str) -> Entry:
        """Where a variable is.

        Raises
        ------
        ValueError
            When it is nowhere, or not where it could be.
        """
        what = f"its variable {key[:80]!r}"
        if key not in self._entries:
            raise ValueError(f"{what} has no value in {INDEX}")
        message, reader = self._entries[key], self._reader
        if reader.messages(message, 7):
            raise ValueError(f"{what} is in parts, which is not supported")
        found = Entry(
            reader.number(message, 1),
            require_shape(read_shape(reader, reader.message(message, 2)), what),
            reader.number(message, 3),
            reader.number(message, 4),
            reader.number(message, 5),
        )
        if not 0 <= found.shard < self._n_shards:
            raise ValueError(f"{what} would be in file {found.shard} of {self._n_shards}")
        if found.data_type != STRING:
            if found.data_type not in DTYPES:
                raise ValueError(f"{what} is of a type that is not supported")
            n_bytes = math.prod(found.shape) * DTYPES[found.data_type].itemsize
            if n_bytes != found.n_bytes:
                raise ValueError(
                    f"{what} of shape {found.shape} takes {n_bytes:,} bytes, not {found.n_bytes:,}"
                )
        n_there = require_regular(self._located(self._shard_name(found.shard)))
        if found.offset < 0 or found.n_bytes < 0 or found.offset + found.n_bytes > n_there:
            raise ValueError(
                f"{what} would be {found.n_bytes:,} bytes at {found.offset:,} of "
                f"{self._shard_name(found.shard)}, which has {n_there:,}"
            )
        return found

    def data(self, entry: Entry) -> memoryview:
        """The bytes of a variable."""
        if entry.shard not in self._mapped:
            path = self._located(self._shard_name(entry.shard))
            n_bytes = require_regular(path)
            with open_regular(path) as file:
                held = mmap.mmap(file.fileno(), n_bytes, access=mmap.ACCESS_READ)
            self._mapped[entry.shard] = memoryview(held)
        return self._mapped[entry.shard][entry.offset : entry.offset + entry.n_bytes]

    def array(self, entry: Entry) -> np.ndarray:
        """The numbers of a variable."""
        return np.frombuffer(self.data(entry), DTYPES[entry.data_type]).reshape(entry.shape)

    def text(self, key: str) -> bytes:
        """The one text under a key."""
        entry = self.entry(key)
        if entry.data_type != STRING or entry.shape or entry.n_bytes > _MAX_TEXT_BYTES:
            raise ValueError(f"its variable {key[:80]!r} is not text")
        return read_texts(bytes(self.data(entry)), 1)[0]

    def _shard_name(self, shard: int) -> str:
        return f"variables/variables.data-{shard:05d}-of-{self._n_shards:05d}"


def _table(data: memoryview) -> Iterator[tuple[str, memoryview]]:
    """The keys and values of a table."""
    if len(data) < _FOOTER_BYTES or int.from_bytes(data[-8:], "little") != _MAGIC:
        raise ValueError(_DAMAGED)
    at = len(data) - _FOOTER_BYTES
    for _ in range(2):  # of the block of other settings, which is not needed
        _, at = read_varint(data, at)
    for _, place in _block(data, *_handle(data, at)):
        yield from ((_key(key), value) for key, value in _block(data, *_handle(place, 0)))


def _handle(data: memoryview, at: int) -> tuple[int, int]:
    offset, at = read_varint(data, at)
    size, _ = read_varint(data, at)
    return offset, size


def _block(data: memoryview, offset: int, size: int) -> Iterator[tuple[bytes, memoryview]]:
    """The keys and values of a block: each key without what it shares with the one before."""
    if offset + size + 5 > len(data) or size < 4:
        raise ValueError(_DAMAGED)
    if data[offset + size]:
        raise ValueError(f"{INDEX} is compressed, which is not supported")
    block = data[offset : offset + size]
    n_restarts = int.from_bytes(block[-4:], "little")
    end, at, key = size - 4 - 4 * n_restarts, 0, b""
    while at < end:
        shared, at = read_varint(block, at)
        n_more, at = read_varint(block, at)
        n_bytes, at = read_varint(block, at)
        if shared > len(key) or at + n_more + n_bytes > end or shared + n_more > 4096:
            raise ValueError(_DAMAGED)
        key = key[:shared] + bytes(block[at : at + n_more])
        at += n_more
        yield key, block[at : at + n_bytes]
        at += n_bytes


def _key(key: bytes) -> str:
    """A key as text; raises ValueError where it is none."""
    try:
        return key.decode()
    except UnicodeDecodeError as error:
        raise ValueError(_DAMAGED) from error
