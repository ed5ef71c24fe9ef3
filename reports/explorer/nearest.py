"""The nearest images of each image, by the cosine of their transfer values."""

from __future__ import annotations

import numpy as np

from ...progress import Progress
from .points import Nearest

N_NEAREST = 10
MOST_IMAGES = 200_000
"""Beyond, all pairs take too long to compare."""
_MOST_EXACT = 20_000
_N_COMPONENTS = 64
_CANDIDATES = 64
_CELLS = 1 << 23  # of a block of cosines, float32; their order has twice its bytes
_GATHERED = 1 << 24  # transfer values of the candidates of a block, float32


def nearest_of(features: np.ndarray, *, progress: bool | None = None) -> Nearest | None:
    """The ten nearest of each row of float32 (n, width), but for itself.

    Of more than 20,000 rows, 64 candidates are found in the 64 principal directions, and compared
    in full. None for more than `MOST_IMAGES` rows, and for one alone.
    """
    n = len(features)
    k = min(N_NEAREST, n - 1)
    if k < 1 or n > MOST_IMAGES:
        return None
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    units = (features / np.maximum(lengths, 1e-12)).astype(np.float32, copy=False)
    few = units if n <= _MOST_EXACT else _principal(units)
    n_candidates = k if n <= _MOST_EXACT else _CANDIDATES
    rows = np.empty((n, k), np.int64)
    cosines = np.empty((n, k), np.float32)
    block = max(1, _CELLS // n)
    if few is not units:
        block = max(1, min(block, _GATHERED // (n_candidates * units.shape[1])))
    with Progress("nearest images", n, show=progress) as shown:
        for start in range(0, n, block):
            here = slice(start, min(n, start + block))
            alike = few[here] @ few.T  # (block, n)
            alike[np.arange(len(alike)), np.arange(n)[here]] = -np.inf  # itself
            found = np.argpartition(alike, n - n_candidates, axis=1)[:, n - n_candidates :]
            exact = (
                np.take_along_axis(alike, found, axis=1)
                if few is units
                else np.einsum("bcd,bd->bc", units[found], units[here])
            )
            best = np.argsort(-exact, axis=1, kind="stable")[:, :k]
            rows[here] = np.take_along_axis(found, best, axis=1)
            cosines[here] = np.take_along_axis(exact, best, axis=1)
            shown.update(len(alike))
    return Nearest(rows, cosines)


def _principal(units: np.ndarray) -> np.ndarray:
    """float32, (n, 64): coordinates that keep most of the products of rows."""
    moments = units.T @ units
    _, directions = np.linalg.eigh(moments.astype(np.float64))
    return units @ directions[:, -_N_COMPONENTS:].astype(np.float32)
