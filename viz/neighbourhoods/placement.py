"""Places for new images on a map that is there, which moves nothing and nobody.

An image's place depends on the image and on the images that were laid out, and on nothing else: not
on what is placed beside it, nor how many at a time. So a map does not change under its readers, and
an image lies where it lay. That is held to the last bit:

- On a map of principal components an image is **projected**: its place is where it would have been,
  had it taken no part in choosing the axes.
- On any other it goes where its nearest laid-out images are (`_among`).

Products of matrices are no part of a place, since libraries of linear algebra add in another order
for one row than for a thousand, and for other numbers of threads. They only tell which images may
be among the nearest, with a bound on their error; the distances that count are computed for each
image by itself, by NumPy's sums in float64.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

N_NEIGHBORS = 10
_BLOCK_VALUES = 16_000_000


class Projection(NamedTuple):
    """What makes coordinates of transfer values."""

    origin: NDArray[np.float64]
    """float64, (d,)."""
    axes: NDArray[np.float64]
    """float64, (dimensions, d)."""


def project(features: NDArray[np.float32], projection: Projection) -> NDArray[np.float32]:
    """Coordinates of images, float32 (n, dimensions), each by itself."""
    places = [(projection.axes * (row - projection.origin)).sum(axis=1) for row in features]
    return np.array(places, np.float32).reshape(-1, len(projection.axes))


def place_among(
    features: NDArray[np.float32],
    laid_out: NDArray[np.float32],
    points: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Place images where those like them are.

    Parameters
    ----------
    features
        Transfer values of the new images, float32, (m, d), finite.
    laid_out, points
        Transfer values of the images on the map, float32, (n, d), finite, and their places,
        float32, (n, 2) or (n, 3).

    Returns
    -------
    ndarray
        float32, (m, 2) or (m, 3).
    """
    n_neighbors = min(N_NEIGHBORS, len(laid_out))
    places = np.empty((len(features), points.shape[1]), np.float32)
    middle = laid_out.mean(axis=0, dtype=np.float64).astype(np.float32)
    centred = laid_out - middle
    lengths = _lengths(centred)
    block = max(1, _BLOCK_VALUES // len(laid_out))
    for start in range(0, len(features), block):
        part = features[start : start + block]
        shortlists = _shortlists(part - middle, centred, lengths, n_neighbors)
        for row, (each, shortlist) in enumerate(zip(part, shortlists, strict=True), start):
            candidates = np.flatnonzero(shortlist)
            differences = laid_out[candidates].astype(np.float64) - each
            squares = np.square(differences).sum(axis=1)
            nearest = np.argsort(squares, kind="stable")[:n_neighbors]
            places[row] = _among(points[candidates[nearest]].astype(np.float64), squares[nearest])
    return places


def _shortlists(
    features: NDArray[np.float32],
    laid_out: NDArray[np.float32],
    lengths: NDArray[np.float64],
    n_neighbors: int,
) -> NDArray[np.bool_]:
    """bool, (m, n): which laid-out images may be among the nearest, whatever rounding has done.

    The rounding of a product of rows is at most `d` units of the last place of the product of their
    lengths (Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd ed., section 3.1); the
    bound is four times that, which covers the centred rows and the other sums.
    """
    mine = _lengths(features)[:, None]
    products = (features @ laid_out.T).astype(np.float64)
    squares = mine**2 + lengths**2 - 2 * products
    unit = np.finfo(np.float32).eps / 2
    error = 4 * (features.shape[1] + 4) * unit * (mine + lengths) ** 2
    most = np.partition(squares + error, n_neighbors - 1, axis=1)[:, n_neighbors - 1]
    return squares - error <= most[:, None]


def _lengths(values: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.sqrt(np.einsum("ij,ij->i", values, values, dtype=np.float64))


def _among(places: NDArray[np.float64], squares: NDArray[np.float64]) -> NDArray[np.float64]:
    """In the middle of the larger part of an image's neighbours.

    Their mean would lie between two groups, where nobody is, when the neighbours are of both. So
    the neighbour is taken that lies nearest to all others, each of these weighed by one over its
    squared distance to the image. The place is between it, for three quarters, and the two that lie
    nearest to it on the map: exactly on it, the image would hide it. A copy of the image decides
    alone.

    Parameters
    ----------
    places
        float64, (k, dimensions), of the neighbours, the nearest first.
    squares
        float64, (k,): squared distances by transfer values.
    """
    if squares[0] == 0:
        return places[0]
    weights = squares[0] / squares
    apart = np.sqrt(np.square(places[:, None] - places).sum(axis=2))
    middle = int((apart * weights).sum(axis=1).argmin())
    beside = np.argsort(apart[middle], kind="stable")
    beside = beside[beside != middle][:2]
    if not len(beside):
        return places[middle]
    return 0.75 * places[middle] + 0.25 * (places[beside].sum(axis=0) / len(beside))
