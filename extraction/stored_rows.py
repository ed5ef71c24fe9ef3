"""Transfer values of a table, read from the cache a part at a time."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import numpy as np

from ..cache import CacheFolder, KeyArray, Variant
from ..errors import UsageError
from ..formatting import mebibytes
from ..hardware import available_memory_bytes
from .prefetch import prefetch, threads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from .feature_table import FeatureTable

BLOCK_BYTES = 1 << 25


class StoredRows(contextlib.AbstractContextManager["StoredRows"]):
    """The rows of a table, of which no more than three blocks are in memory at a time.

    A context manager, which closes the cache. Safe to use from threads.

    Parameters
    ----------
    table
        From `extract`.

    Raises
    ------
    MissingRowsError, DamagedShardError
        On every read, as `FeatureCache.rows`.
    """

    def __init__(self, table: FeatureTable) -> None:
        report = table.report
        self._keys, self._width = KeyArray.of(table.keys), table.recipe.width
        self._folder = CacheFolder(report.cache)
        variant = Variant(report.precision, report.store).name
        self._cache = self._folder.open(report.fingerprint, variant)
        self._order: NDArray[np.intp] | None = None

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the cache."""
        self._folder.__exit__()

    def __len__(self) -> int:
        return len(self._keys.views)

    def rows(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """Those of some rows of the table, int (m,): float32, (m, width)."""
        return self._cache.rows(self._keys.take(rows)).reshape(-1, self._width)

    def blocks(self) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float32]]]:
        """(rows of the table, int (m,); their values, float32 (m, width)), each row once.

        Blocks follow the order of the cache, so that each of its bytes is read once; the rows of
        a block ascend.
        """
        if self._order is None:
            self._order = self._cache.stored_order(self._keys)
        n_rows = max(1, BLOCK_BYTES // max(1, 4 * self._width))
        order = self._order
        parts = (np.sort(order[at : at + n_rows]) for at in range(0, len(order), n_rows))
        with threads(1) as pool:  # one block is read while another is used
            yield from prefetch(pool, lambda part: (part, self.rows(part)), parts, 2)


def require_room(table: FeatureTable, n_copies: int, what: str) -> None:
    """Refuse what would have more copies of a table's rows in memory than there is room for.

    Parameters
    ----------
    table
        From `extract`.
    n_copies
        Of all rows at a time.
    what
        Needs them, such as ``an audit``.

    Raises
    ------
    UsageError
        Then; with how many images there is room for.
    """
    bytes_each = 4 * n_copies * table.recipe.width
    needed, available = bytes_each * len(table), available_memory_bytes()
    if needed > available:
        most = max(1, available // bytes_each)
        raise UsageError(
            f"{what} of {len(table):,} images needs {mebibytes(needed)} of memory, and "
            f"{mebibytes(available)} are available: expected at most {most:,} images, such as "
            f"those that --images {most} takes at random (load_dataset(…, images={most}))"
        )
