"""The rows that a search compares an image with: in memory, or in the cache."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

import numpy as np

from .nearest_rows import NearestRows, NearestSoFar, nearest_rows, row_lengths
from .stored_rows import StoredRows

if TYPE_CHECKING:
    from ..extraction import FeatureTable


class RowsInMemory:
    """Rows, float32 (n, width), with their lengths."""

    how = "all compared"

    def __init__(self, features: np.ndarray) -> None:
        self._features, self._lengths = features, row_lengths(features)

    def values(self, row: int) -> np.ndarray:
        """float32, (width,)."""
        return self._features[row]

    def nearest(self, vector: np.ndarray, n: int) -> NearestRows:
        """See `nearest_rows`."""
        return nearest_rows(self._features, vector, n, lengths=self._lengths)


class RowsInCache:
    """The rows of a table, all of which each answer reads, in blocks.

    The cache is open for as long as this lives.
    """

    how = "all read and compared for each answer"

    def __init__(self, table: FeatureTable) -> None:
        self._stored = StoredRows(table)
        weakref.finalize(self, self._stored.close)

    def values(self, row: int) -> np.ndarray:
        """float32, (width,)."""
        return self._stored.rows(np.array([row]))[0]

    def nearest(self, vector: np.ndarray, n: int) -> NearestRows:
        """See `nearest_rows`."""
        so_far = NearestSoFar(vector, n)
        for rows, features in self._stored.blocks():
            so_far.add(rows, features)
        return so_far.found()
