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
    n = min(n, len(features))
    if n < 1:
        return NearestRows(np.empty(0, int), np.empty(0))
    unit = np.asarray(vector, np.float64)
    unit = unit / max(float(np.linalg.norm(unit)), _LEAST_LENGTH)
    known = row_lengths(features) if lengths is None else lengths
    cosines = features @ unit.astype(np.float32) / np.maximum(known, _LEAST_LENGTH)
    least = np.partition(cosines, len(cosines) - n)[len(cosines) - n]
    near = np.flatnonzero(cosines >= least - _ERROR)
    rows = features[near].astype(np.float64)
    exact = np.einsum("ij,j->i", rows, unit) / np.maximum(row_lengths(rows), _LEAST_LENGTH)
    order = np.argsort(-exact, kind="stable")[:n]
    return NearestRows(near[order], np.clip(exact[order], -1, 1))


def row_lengths(rows: np.ndarray) -> np.ndarray:
    """The length of each row of (n, width), in its own precision."""
    return np.sqrt(np.einsum("ij,ij->i", rows, rows))
