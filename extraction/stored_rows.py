"""Transfer values of a table, read from the cache a part at a time."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import numpy as np

from ..cache import CacheFolder, Variant

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from .feature_table import FeatureTable

BLOCK_BYTES = 1 << 26


class StoredRows(contextlib.AbstractContextManager["StoredRows"]):
    """The rows of a table, of which no more than a block is in memory at a time.

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
        self._keys, self._width = table.keys, table.recipe.width
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
        return len(self._keys)

    def rows(self, rows: Sequence[int]) -> NDArray[np.float32]:
        """Those of some rows of the table: float32, (m, width)."""
        found = self._cache.rows([self._keys[row] for row in rows])
        return found.reshape(-1, self._width)

    def blocks(self) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float32]]]:
        """(rows of the table, int (m,); their values, float32 (m, width)), each row once.

        Blocks follow the order of the cache, so that each of its bytes is read once; the rows of
        a block ascend.
        """
        if self._order is None:
            self._order = self._cache.stored_order(self._keys)
        n_rows = max(1, BLOCK_BYTES // max(1, 4 * self._width))
        for start in range(0, len(self._order), n_rows):
            part = np.sort(self._order[start : start + n_rows])
            yield part, self.rows(part.tolist())
