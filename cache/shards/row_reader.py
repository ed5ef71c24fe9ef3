"""Where the numbers of a shard lie in its file, and reading them from there.

HDF5 takes about 2 ms to open a shard and to find its arrays, which are contiguous and never move.
Who knows where they are reads at the speed of the disk, with every checksum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xxhash

from ..keys import HASH_BYTES, KeyArray
from ..storage import FetchesAhead

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from ..storage import Storage

_BLOCK_BYTES = 1 << 19
_BLOCKS_A_READ = 2  # as much as stays in the processor's cache until its checksums are taken


class BytesDifferError(Exception):
    """Signal to `Shard` and `FeatureCache`: the bytes are not those that the layout promises."""


class Layout(NamedTuple):
    """Where the rows and keys of one shard are."""

    n_rows: int
    width: int
    dtype: str
    """``float32`` or ``float16``."""
    rows_per_block: int
    features_at: int
    """Offset in the file, in bytes."""
    keys_at: int
    views_at: int
    checksums: bytes
    """XXH3 of each block of rows, uint64 (blocks,)."""

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return self.width * np.dtype(self.dtype).itemsize


def rows_per_block(width: int, dtype: np.dtype[Any]) -> int:
    """How many rows share a checksum: 512 KiB of them, at least one."""
    return max(1, _BLOCK_BYTES // max(1, dtype.itemsize * width))


def block_checksums(pieces: Iterable[memoryview], block_bytes: int) -> NDArray[np.uint64]:
    """XXH3 of each block of the bytes in `pieces`, uint64 (blocks,); the last may be shorter."""
    checksums: list[int] = []
    block, left = xxhash.xxh3_64(), block_bytes
    for piece in pieces:
        rest = piece
        while rest:
            if left == block_bytes <= len(rest):  # the common case
                checksums.append(xxhash.xxh3_64_intdigest(rest[:block_bytes]))
                rest = rest[block_bytes:]
                continue
            part = rest[:left]
            block.update(part)
            rest, left = rest[left:], left - len(part)
            if left == 0:
                checksums.append(block.intdigest())
                block, left = xxhash.xxh3_64(), block_bytes
    if left < block_bytes:
        checksums.append(block.intdigest())
    return np.array(checksums, np.uint64)


class RowReader:
    """Reads rows of one shard; a context manager. What it returns has passed its checksum.

    Raises
    ------
    FileNotFoundError
        On opening, when the file is gone.
    BytesDifferError
        On every read.
    OSError
        When the disk fails.
    """

    def __init__(self, storage: Storage, name: str, layout: Layout) -> None:
        """Open the shard `name`; nothing is read."""
        self._layout = layout
        self._checksums = np.frombuffer(layout.checksums, np.uint64)
        self._file = storage.open(name)

    def __enter__(self) -> RowReader:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def keys(self) -> KeyArray:
        """As they are in the file: to be compared with what is asked for."""
        contents = np.empty((self._layout.n_rows, HASH_BYTES), np.uint8)
        self._fill(contents, self._layout.keys_at)
        views = np.empty(self._layout.n_rows, "<u4")
        self._fill(views, self._layout.views_at)
        return KeyArray(contents, views)

    def read(
        self,
        rows: NDArray[np.intp],
        out: NDArray[np.float32],
        positions: NDArray[np.intp] | None = None,
    ) -> None:
        """Read ``out[positions[i]] = features[rows[i]]``; `rows` ascend.

        Whole blocks are read, since the checksum is theirs.

        Parameters
        ----------
        rows
            In ascending order, with repetitions.
        out
            float32, (m, width).
        positions
            One a row; by default 0, 1, ...
        """
        layout = self._layout
        if positions is None:
            positions = np.arange(len(rows))
        follows = np.diff(rows, prepend=-2) == 1
        goes_on = follows & (np.diff(positions, prepend=-2) == 1)
        n_follows, n_goes_on = np.cumsum(follows), np.cumsum(goes_on)
        scratch: NDArray[Any] | None = None
        pieces = [*self._pieces(rows)]
        if isinstance(self._file, FetchesAhead):
            self._file.expect(
                [
                    (
                        layout.features_at + first * layout.row_bytes,
                        (past - first) * layout.row_bytes,
                    )
                    for first, past, _, _ in pieces
                ]
            )
        for first, past, start, end in pieces:
            n_rows = past - first
            is_whole = n_rows == end - start == n_follows[end - 1] - n_follows[start] + 1
            is_straight = n_rows == n_goes_on[end - 1] - n_goes_on[start] + 1
            if is_whole and is_straight and layout.dtype == "float32":
                at = int(positions[start])
                self._read_blocks(first, out[at : at + n_rows])  # no second copy
                continue
            if scratch is None:
                n_most = _BLOCKS_A_READ * layout.rows_per_block
                scratch = np.empty((min(n_most, layout.n_rows), layout.width), layout.dtype)
            values = scratch[:n_rows]
            self._read_blocks(first, values)
            out[positions[start:end]] = values if is_whole else values[rows[start:end] - first]

    def _pieces(self, rows: NDArray[np.intp]) -> Iterator[tuple[int, int, int, int]]:
        """(first, past, start, end): blocks that touch hold `rows[start:end]`, in one read."""
        per_block = self._layout.rows_per_block
        found, where = np.unique(rows // per_block, return_index=True)
        blocks, starts = found.tolist(), [*where.tolist(), len(rows)]
        piece = 0
        for number in range(1, len(blocks) + 1):
            touches = number < len(blocks) and blocks[number] == blocks[number - 1] + 1
            if not touches or number - piece == _BLOCKS_A_READ:
                first, past = blocks[piece] * per_block, (blocks[number - 1] + 1) * per_block
                yield first, min(past, self._layout.n_rows), starts[piece], starts[number]
                piece = number

    def _read_blocks(self, first: int, values: NDArray[Any]) -> None:
        """Read whole blocks from row `first` on into `values`, and compare their checksums."""
        layout = self._layout
        self._fill(values, layout.features_at + first * layout.row_bytes)
        found = block_checksums([values.data.cast("B")], layout.rows_per_block * layout.row_bytes)
        block = first // layout.rows_per_block
        if not np.array_equal(found, self._checksums[block : block + len(found)]):
            raise BytesDifferError(f"checksum of rows {first} to {first + len(values) - 1}")

    def _fill(self, array: NDArray[Any], offset: int) -> None:
        rest = array.data.cast("B")
        self._file.seek(offset)
        while rest:
            n_bytes = self._file.readinto(rest)
            if not n_bytes:
                raise BytesDifferError(f"it ends {len(rest)} bytes early")
            rest = rest[n_bytes:]
