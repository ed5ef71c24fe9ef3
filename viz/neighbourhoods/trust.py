"""How far a map can be trusted: whether what lies together on it is alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

N_NEIGHBORS = 10
_MOST_ROWS = 1_000
_LEAST_ROWS = 200
# Products of the distances that are computed: they take some tenths of a second.
_MOST_PRODUCTS = 5_000_000_000


class Trust(NamedTuple):
    """What a map keeps of the neighbourhoods of images."""

    trustworthiness: float
    """0 to 1: 1 when the nearest neighbours of each image on the map are also its nearest by
    transfer values; about 0.5 when points lie at random."""
    neighbourhood_hit: float | None
    """0 to 1: share of the nearest neighbours on the map that have an image's label; None where
    there are not two labels."""
    n_neighbors: int
    """How many neighbours of each image trustworthiness looks at."""
    n_labelled_neighbors: int = 0
    """How many that have a label the hit rate looks at; 0 where there is none."""

    def in_words(self) -> str:
        """For a caption."""
        words = f"trustworthiness {self.trustworthiness:.2f}"
        if self.neighbourhood_hit is not None:
            hit = f"{self.neighbourhood_hit:.0%}".replace("%", " %")
            near = f"the nearest {self.n_labelled_neighbors} on the map"
            words += f", {hit} of {near} have the same label"
        return words


def trust(
    features: NDArray[np.float32],
    points: NDArray[np.float32],
    labels: Sequence[str] | NDArray[np.str_] | None = None,
    random_state: int = 0,
) -> Trust | None:
    """Measure a map against the transfer values that it shows.

    Trustworthiness is Venna & Kaski's (2001, doi:10.1007/3-540-44668-0_68), as
    `sklearn.manifold.trustworthiness` computes it for all images. Here, of many images up to 1,000
    are drawn, and their neighbours are looked for among **all**, which estimates the same number;
    scikit-learn's function of a part of the images would measure another, sparser map. The
    neighbourhood hit rate is that of Paulovich et al. (2008, doi:10.1109/TVCG.2007.70443).

    Parameters
    ----------
    features
        Transfer values, float32, (n, d), finite.
    points
        Their places on the map, (n, 2) or (n, 3).
    labels
        str, (n,); images without one ("") count in trustworthiness alone.
    random_state
        Which images are drawn.

    Returns
    -------
    Trust or None
        None for fewer than three images, and where all share one place.
    """
    n_neighbors = min(N_NEIGHBORS, (len(points) - 1) // 2)
    if n_neighbors < 1 or not np.ptp(points, axis=0).any():
        return None
    rows = _drawn(len(points), features.shape[1], random_state)
    worth = _trustworthiness(features, points, rows, n_neighbors)
    hit = None if labels is None else _neighbourhood_hit(points, np.asarray(labels), rows)
    if hit is None:
        return Trust(worth, None, n_neighbors)
    rate, n_labelled = hit
    return Trust(worth, rate, n_neighbors, n_labelled)


def _drawn(n_images: int, n_features: int, seed: int) -> NDArray[np.int64]:
    most = _MOST_PRODUCTS // (n_images * n_features)
    n_rows = min(n_images, max(_LEAST_ROWS, min(_MOST_ROWS, most)))
    if n_rows == n_images:
        return np.arange(n_images)
    return np.sort(np.random.default_rng(seed).choice(n_images, n_rows, replace=False))


def _trustworthiness(
    features: NDArray[np.float32],
    points: NDArray[np.float32],
    rows: NDArray[np.int64],
    n_neighbors: int,
) -> float:
    """One minus what the neighbours on the map lack, by their ranks among all images."""
    n_images = len(points)
    neighbours = _nearest_on_map(points, points[rows], rows, n_neighbors)
    centred = features - features.mean(axis=0)
    squares = np.einsum("ij,ij->i", centred, centred)
    rounding = np.finfo(np.float32).eps * np.sqrt(features.shape[1])  # of a product, relative
    lacking = 0
    block = max(1, 16_000_000 // n_images)  # distances, some 64 MB at a time
    for start in range(0, len(rows), block):
        part = rows[start : start + block]
        # Squared distances but for what is the same for all images of a row: (block, n)
        distances = squares - 2 * (centred[part] @ centred.T)
        distances[np.arange(len(part)), part] = np.inf
        for each in neighbours[start : start + block].T:
            mine = np.take_along_axis(distances, each[:, None], axis=1)
            # Copies of an image are equally near, though a product may round each differently.
            mine -= rounding * (squares[part] + squares[each])[:, None]
            rank = 1 + np.count_nonzero(distances < mine, axis=1)  # the nearest has rank 1
            lacking += int(np.maximum(0, rank - n_neighbors).sum())
    most = n_neighbors * (2 * n_images - 3 * n_neighbors - 1) / 2  # of one image
    return 1 - lacking / (most * len(rows))


def _neighbourhood_hit(
    points: NDArray[np.float32], labels: NDArray[np.str_], rows: NDArray[np.int64]
) -> tuple[float, int] | None:
    """The rate, and of how many neighbours."""
    labelled = np.flatnonzero(labels != "")
    if len(np.unique(labels[labelled])) < 2 or len(labelled) < 3:
        return None
    rows = np.flatnonzero(np.isin(labelled, rows))  # numbers among those that have a label
    if not len(rows):
        return None
    points, labels = points[labelled], labels[labelled]
    n_neighbors = min(N_NEIGHBORS, (len(points) - 1) // 2)
    neighbours = _nearest_on_map(points, points[rows], rows, n_neighbors)
    return float((labels[neighbours] == labels[rows, None]).mean()), n_neighbors


def _nearest_on_map(
    points: NDArray[np.float32],
    asked: NDArray[np.float32],
    rows: NDArray[np.int64],
    n_neighbors: int,
) -> NDArray[np.int64]:
    """int64, (m, n_neighbors): rows of `points` nearest to `asked`, whose own are `rows`."""
    from scipy.spatial import KDTree

    found = np.asarray(KDTree(points).query(asked, n_neighbors + 1)[1])
    is_other = found != rows[:, None]
    # Of many points in one place, a point may not be found among its own nearest.
    is_other[is_other.all(axis=1), -1] = False
    return found[is_other].reshape(len(rows), n_neighbors)
