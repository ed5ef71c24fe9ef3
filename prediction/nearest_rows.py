"""The rows of a matrix that are nearest to one vector, by cosine; exact."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_ERROR = 1e-5
"""More than a cosine in float32 is off."""
_LEAST_LENGTH = 1e-12


class NearestRows(NamedTuple):
    """Rows, the nearest first; of equally near ones, the first."""

    rows: np.ndarray
    """int, (m,)."""
    cosines: np.ndarray
    """float64, (m,), -1 to 1; 0 where a row, or the vector, is all zeros."""


class NearestSoFar:
    """The nearest of rows that come in blocks: in the end, what `nearest_rows` finds of all.

    Parameters
    ----------
    vector
        float32, (width,).
    n
        How many; all where there are fewer.
    """

    def __init__(self, vector: np.ndarray, n: int) -> None:
        self._vector, self._n = vector, n
        self._rows, self._cosines = np.empty(0, int), np.empty(0)

    def add(self, rows: np.ndarray, features: np.ndarray) -> None:
        """Compare rows, int (m,) in ascending order, that are float32 (m, width)."""
        near, cosines = _nearest(features, self._vector, self._n, None)
        both = np.concatenate([self._rows, rows[near]])
        cosines = np.concatenate([self._cosines, cosines])
        best = np.lexsort((both, -cosines))[: self._n]
        self._rows, self._cosines = both[best], cosines[best]

    def found(self) -> NearestRows:
        """Of all rows that have come."""
        return NearestRows(self._rows, np.clip(self._cosines, -1, 1))


def nearest_rows(
    features: np.ndarray, vector: np.ndarray, n: int, *, lengths: np.ndarray | None = None
) -> NearestRows:
    """Find the rows that have the greatest cosines with a vector.

    All cosines are computed in float32, and those of the nearest again in float64, so that equal
    rows are equally near and their order is that of the rows.

    Parameters
    ----------
    features
        float32, (n_rows, width), finite.
    vector
        float32, (width,).
    n
        How many; all where there are fewer.
    lengths
        float, (n_rows,): of the rows, where they are known.
    """
    rows, cosines = _nearest(features, vector, n, lengths)
    return NearestRows(rows, np.clip(cosines, -1, 1))


def _nearest(
    features: np.ndarray, vector: np.ndarray, n: int, lengths: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Rows, and cosines that may be beyond 1 by what float64 rounds."""
    n = min(n, len(features))
    if n < 1:
        return np.empty(0, int), np.empty(0)
    unit = np.asarray(vector, np.float64)
    unit = unit / max(float(np.linalg.norm(unit)), _LEAST_LENGTH)
    known = row_lengths(features) if lengths is None else lengths
    cosines = features @ unit.astype(np.float32) / np.maximum(known, _LEAST_LENGTH)
    least = np.partition(cosines, len(cosines) - n)[len(cosines) - n]
    near = np.flatnonzero(cosines >= least - _ERROR)
    rows = features[near].astype(np.float64)
    exact = np.einsum("ij,j->i", rows, unit) / np.maximum(row_lengths(rows), _LEAST_LENGTH)
    order = np.argsort(-exact, kind="stable")[:n]
    return near[order], exact[order]


def row_lengths(rows: np.ndarray) -> np.ndarray:
    """The length of each row of (n, width), in its own precision."""
    return np.sqrt(np.einsum("ij,ij->i", rows, rows))
