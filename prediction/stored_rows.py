"""Transfer values of a table, read from the cache a part at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..cache import CacheFolder, KeyArray, Variant
from ..extraction.prefetch import prefetch, threads

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray

    from ..cache import Key
    from ..extraction import FeatureTable

BLOCK_BYTES = 1 << 24


class StoredRows:
    """The rows of a table, of which no more than three blocks are in memory at a time.

    To be closed; safe to use from threads.

    Parameters
    ----------
    table
        From `extract`.
    keys
        Whose rows, in what order; None: those of the images of the table.

    Raises
    ------
    MissingRowsError, DamagedShardError
        On every read, as `FeatureCache.rows`.
    """

    def __init__(self, table: FeatureTable, keys: Sequence[Key] | None = None) -> None:
        report = table.report
        self._keys = KeyArray.of(table.keys if keys is None else keys)
        self._width = table.recipe.width
        self._folder = CacheFolder(report.cache)
        variant = Variant(report.precision, report.store).name
        self._cache = self._folder.open(report.fingerprint, variant)
        self._order: NDArray[np.intp] | None = None

    def close(self) -> None:
        """Close the cache."""
        self._folder.__exit__()

    def rows(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """Some of them, int (m,): float32, (m, width)."""
        return self._cache.rows(self._keys.take(rows)).reshape(-1, self._width)

    def blocks(self) -> Generator[tuple[NDArray[np.intp], NDArray[np.float32]]]:
        """(which rows, int (m,); their values, float32 (m, width)), each row once.

        Blocks follow the order of the cache, so that each of its bytes is read once; the rows of
        a block ascend.
        """
        if self._order is None:
            self._order = self._cache.order_of(self._keys)
        n_rows = max(1, BLOCK_BYTES // max(1, 4 * self._width))
        order = self._order
        parts = (np.sort(order[at : at + n_rows]) for at in range(0, len(order), n_rows))
        with threads(1) as pool:  # one block is read while another is used
            yield from prefetch(pool, lambda part: (part, self.rows(part)), parts, 2)
