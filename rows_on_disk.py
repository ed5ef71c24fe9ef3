"""Rows of numbers that lie in a temporary file and are read as they are needed.

The file has no name: nothing of it is left behind, however the process ends. It is read by plain
reads and never mapped, so that what is read of it does not count as memory of the process.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from typing import IO, TYPE_CHECKING

import numpy as np

from .errors import TemporaryFileError
from .formatting import mebibytes

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

_BYTES_AT_ONCE = 1 << 23
"""Of the blocks in which all rows are read."""


class RowsOnDisk:
    """Rows, float32 (n, width), in a file: made by `rows_on_disk`.

    Indexed as an array is, by a slice, by whole numbers (m,) or by bools (n,), it reads those rows
    into an array. Safe to read from threads.
    """

    ndim = 2
    dtype = np.dtype(np.float32)

    def __init__(self, file: _File, positions: np.ndarray) -> None:
        """Rows at `positions`, int (n,), of a file."""
        self._file, self._positions = file, positions

    def __len__(self) -> int:
        return len(self._positions)

    def __repr__(self) -> str:
        return f"<RowsOnDisk {len(self)} × {self._file.width}>"

    @property
    def shape(self) -> tuple[int, int]:
        """(n, width)."""
        return len(self), self._file.width

    def __getitem__(self, index: slice | np.ndarray) -> np.ndarray:
        return self._file.read(self._positions[index])

    def some(self, index: slice | np.ndarray) -> RowsOnDisk:
        """Some of the rows, in any order; nothing is read."""
        return RowsOnDisk(self._file, self._positions[index])

    def put(self, index: slice | np.ndarray, rows: np.ndarray) -> None:
        """Write rows, float32 (m, width), to where an index leads.

        Raises
        ------
        TemporaryFileError
            When the disk is full.
        """
        self._file.write(self._positions[index], rows)

    def grown(self, n_rows: int) -> RowsOnDisk:
        """So many further rows of the same file, which are to be `put`.

        Raises
        ------
        TemporaryFileError
            When the disk has no room for them.
        """
        return RowsOnDisk(self._file, self._file.grow(n_rows))

    def and_then(self, others: RowsOnDisk) -> RowsOnDisk:
        """These rows, and then others of the same file."""
        assert self._file is others._file
        return RowsOnDisk(self._file, np.concatenate([self._positions, others._positions]))

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """All rows, a few megabytes at a time, with where they are."""
        n_together = max(1, _BYTES_AT_ONCE // (4 * self._file.width))
        for start in range(0, len(self), n_together):
            part = slice(start, min(start + n_together, len(self)))
            yield part, self[part]


Rows = np.ndarray | RowsOnDisk
"""Rows, float32 (n, width), in memory or on disk. Both have a length, a shape, and slices that are
arrays."""


@contextlib.contextmanager
def rows_on_disk(n_rows: int, width: int) -> Generator[RowsOnDisk]:
    """Rows in a temporary file, to be `put` before they are read; gone when the block is left.

    It is in the folder that the environment variable ``TMPDIR`` names, else in the system's.

    Raises
    ------
    TemporaryFileError
        When there is no such folder, it cannot be written, or the disk has no room.
    """
    folder = os.environ.get("TMPDIR") or tempfile.gettempdir()
    try:
        opened = tempfile.TemporaryFile(buffering=0, dir=folder)  # noqa: SIM115 (closed below)
    except OSError as error:
        raise TemporaryFileError(
            f"no temporary file can be made in {folder}: {error.strerror or error}; set TMPDIR to "
            f"a folder with room for {mebibytes(4 * n_rows * width)}, or give more --memory"
        ) from error
    with contextlib.closing(opened):
        file = _File(opened, folder, width)
        yield RowsOnDisk(file, file.grow(n_rows))


def some_rows(rows: Rows, index: slice | np.ndarray) -> Rows:
    """Some of the rows: of an array the part or a copy, on disk nothing is read."""
    return rows.some(index) if isinstance(rows, RowsOnDisk) else rows[index]


def columns_of(rows: Rows, positions: np.ndarray, columns: slice) -> np.ndarray:
    """float32 (m, columns): of the rows at positions, int (m,)."""
    if not isinstance(rows, RowsOnDisk):
        return rows[:, columns][positions]
    chosen = rows.some(positions)
    found = np.empty((len(positions), len(range(rows.shape[1])[columns])), np.float32)
    for part, block in chosen.blocks():
        found[part] = block[:, columns]
    return found


@contextlib.contextmanager
def standardised(rows: Rows, mean: np.ndarray, scale: np.ndarray) -> Generator[Rows]:
    """Rows less a mean, divided by a scale, float32 (width,) both.

    An array is changed in place. Rows on disk are written anew, in their order, so that reading
    them one after the other is fast.
    """
    if not isinstance(rows, RowsOnDisk):
        rows -= mean
        rows /= scale
        yield rows
        return
    with rows_on_disk(*rows.shape) as changed:
        for part, block in rows.blocks():
            block -= mean
            block /= scale
            changed.put(part, block)
        yield changed


class _File:
    """An open file of rows, which grows."""

    def __init__(self, opened: IO[bytes], folder: str, width: int) -> None:
        self.width = width
        self._opened, self._folder, self._row_bytes = opened, folder, 4 * width
        self._n_rows = 0

    def grow(self, n_rows: int) -> np.ndarray:
        n_bytes = n_rows * self._row_bytes
        free = shutil.disk_usage(self._folder).free
        if n_bytes > free:
            raise self._is_full(f"of which {mebibytes(free)} are free", n_bytes)
        start, self._n_rows = self._n_rows, self._n_rows + n_rows
        return np.arange(start, self._n_rows)

    def read(self, positions: np.ndarray) -> np.ndarray:
        rows = np.empty((len(positions), self.width), np.float32)
        into = rows.reshape(-1).view(np.uint8).data
        handle = self._opened.fileno()  # a ValueError once it is closed
        for first, last, at in self._runs(positions):
            _fill(handle, into[first:last], at)
        return rows

    def write(self, positions: np.ndarray, rows: np.ndarray) -> None:
        data = np.ascontiguousarray(rows, np.float32).reshape(-1).view(np.uint8).data
        handle = self._opened.fileno()
        for first, last, at in self._runs(positions):
            try:
                while first < last:
                    written = os.pwrite(handle, data[first:last], at)
                    first, at = first + written, at + written
            except OSError as error:
                n_bytes = self._n_rows * self._row_bytes
                raise self._is_full(f"but {error.strerror or error}", n_bytes) from error

    def _runs(self, positions: np.ndarray) -> Iterator[tuple[int, int, int]]:
        """(first, last, at): bytes of an array, and where they begin in the file, ascending."""
        starts = np.flatnonzero(np.diff(positions, prepend=-2) != 1)
        ends = np.append(starts[1:], len(positions))
        order = np.argsort(positions[starts], kind="stable")
        n_bytes = self._row_bytes
        return zip(
            (starts[order] * n_bytes).tolist(),
            (ends[order] * n_bytes).tolist(),
            (positions[starts[order]] * n_bytes).tolist(),
            strict=True,
        )

    def _is_full(self, why: str, n_bytes: int) -> TemporaryFileError:
        return TemporaryFileError(
            f"the transfer values exceed the memory, and a temporary file for them takes "
            f"{mebibytes(n_bytes)} in {self._folder}, {why}: make room there, set TMPDIR to "
            f"another folder, or give more --memory"
        )


def _fill(handle: int, into: memoryview, at: int) -> None:
    while into:
        if hasattr(os, "preadv"):
            n_bytes = os.preadv(handle, [into], at)
        else:  # macOS before 11
            read = os.pread(handle, len(into), at)
            n_bytes = len(read)
            into[:n_bytes] = read
        if not n_bytes:
            raise TemporaryFileError("a temporary file has been cut short by another program")
        into, at = into[n_bytes:], at + n_bytes
