"""The nearest images of every image, exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

EXACT_IMAGES = 50_000
"""Up to here all distances take seconds to some minutes; beyond, they grow with the square."""


def nearest_rows(
    values: NDArray[np.float32], n_neighbors: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Rows that lie nearest to each row, itself not among them.

    Parameters
    ----------
    values
        float32, (n, k).
    n_neighbors
        At most n - 1.

    Returns
    -------
    indices, distances
        (n, n_neighbors), the nearest first.
    """
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=n_neighbors, algorithm="brute").fit(values)
    distances, indices = search.kneighbors()
    # Rounding gives copies of an image some 1e-7 of each other, and not always the same.
    distances[distances < 1e-6] = 0
    return indices, distances.astype(np.float32)
