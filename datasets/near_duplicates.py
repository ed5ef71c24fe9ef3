"""Pictures of nearly the same: the same photograph saved, scaled or cropped once more.

On two sides of a split they make a head look better than it is.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..rows_on_disk import Rows

LEAST_COSINE = 0.6
"""Between the centred transfer values of an image and of what may be its near-duplicate: low,
because a photograph at half its size has come out at 0.6; what they look like decides."""

_N_PROJECTIONS = 128
_MARGIN = 0.17  # three standard deviations of a projected cosine at `LEAST_COSINE`
_ROWS_A_BLOCK = 1024
_COLUMNS_A_BLOCK = 16_384
_PAIRS_AT_ONCE = 2048
_MOST_CANDIDATES = 3
"""Of each row: the most similar ones."""
_MOST_IN_FULL = 64
"""Of each row and block of others: where all pictures are alike, those nearest by the projections
are compared in full, and not thousands."""


def candidates(
    features: Rows,
    rows: np.ndarray,
    others: np.ndarray,
    *,
    differing: np.ndarray | None = None,
    least_cosine: float = LEAST_COSINE,
) -> Iterator[tuple[int, int, float]]:
    """Pairs of rows whose transfer values are alike.

    All pairs are compared in 128 random projections (Johnson & Lindenstrauss, 1984), those that
    come near in full. The mean of all rows is subtracted first: what all images share says
    nothing.

    Parameters
    ----------
    features
        float32, (n, d); in memory or on disk.
    rows, others
        int: indices between which pairs are looked for.
    differing
        (n,): pairs for which it is equal are passed over, such as pairs of one class.
    least_cosine
        Of the pairs that are given; at least `LEAST_COSINE`.

    Yields
    ------
    (row, other, cosine)
        The most similar of a row first, three at most.
    """
    n, width = features.shape
    blocks = [slice(first, first + _ROWS_A_BLOCK) for first in range(0, n, _ROWS_A_BLOCK)]
    total = np.zeros(width)
    for part in blocks:
        total += features[part].sum(axis=0, dtype=np.float64)
    mean = (total / max(1, n)).astype(np.float32)

    lengths = np.ones((n, 1), np.float32)

    def unit(part: slice | np.ndarray) -> np.ndarray:
        """float32, (m, d): centred, and of length 1 where `lengths` are known."""
        return (features[part] - mean) / lengths[part]

    directions = None
    if width > _N_PROJECTIONS:
        generator = np.random.default_rng(0)
        directions = generator.standard_normal((width, _N_PROJECTIONS), np.float32)
    sketch = np.empty((n, min(width, _N_PROJECTIONS)), np.float32)
    for part in blocks:
        centred = unit(part)
        lengths[part] = _lengths(centred)
        centred /= lengths[part]
        sketch[part] = centred if directions is None else centred @ directions
    if directions is not None:
        sketch /= _lengths(sketch)
    margin = 0.0 if directions is None else _MARGIN
    same = np.arange(len(features))  # pairs for which it is equal are none
    if differing is not None:
        same = np.unique(differing, return_inverse=True)[1]
    for first in range(0, len(rows), _ROWS_A_BLOCK):
        block = rows[first : first + _ROWS_A_BLOCK]
        left, right = _alike(sketch, block, others, same, least_cosine - margin)
        cosines = np.empty(len(left), np.float32)
        for start in range(0, len(left), _PAIRS_AT_ONCE):
            part = slice(start, start + _PAIRS_AT_ONCE)
            one, which = np.unique(left[part], return_inverse=True)
            cosines[part] = np.einsum("nd,nd->n", unit(one)[which], unit(right[part]))
        kept = np.flatnonzero(cosines >= least_cosine)
        order = kept[np.lexsort((-cosines[kept], left[kept]))]
        n_of_row: Counter[int] = Counter()
        for row, other, cosine in zip(
            left[order].tolist(), right[order].tolist(), cosines[order].tolist(), strict=True
        ):
            n_of_row[row] += 1
            if n_of_row[row] <= _MOST_CANDIDATES:
                yield row, other, cosine


def _lengths(rows: np.ndarray) -> np.ndarray:
    """(n, 1), of rows (n, d): never 0, to be divided by."""
    return np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def _alike(
    sketch: np.ndarray, rows: np.ndarray, against: np.ndarray, same: np.ndarray, least: float
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of `rows` and `against` whose cosine is at least `least`, and which `same` tells apart.

    Of a row that has many, the nearest of each block.
    """
    left: list[np.ndarray] = [np.empty(0, np.int64)]
    right: list[np.ndarray] = [np.empty(0, np.int64)]
    for first in range(0, len(against), _COLUMNS_A_BLOCK):
        columns = against[first : first + _COLUMNS_A_BLOCK]
        cosines = sketch[rows] @ sketch[columns].T
        cosines[same[rows, None] == same[columns]] = -np.inf
        near = cosines >= least
        for row in np.flatnonzero(np.count_nonzero(near, axis=1) > _MOST_IN_FULL).tolist():
            near[row] = False
            near[row, np.argpartition(-cosines[row], _MOST_IN_FULL)[:_MOST_IN_FULL]] = True
        near_rows, near_columns = np.nonzero(near)
        left.append(rows[near_rows])
        right.append(columns[near_columns])
    return np.concatenate(left), np.concatenate(right)
