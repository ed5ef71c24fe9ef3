"""Gaps between the islands of a map, narrowed: how wide they are says nothing.

UMAP pulls images together along the edges of its graph of neighbours, and pushes any two apart a
little. Where no edge joins two groups, only the push is left, and how far it has moved them depends
on the number of iterations. A map with such groups is mostly empty, and what it shows is small.

So the two islands that lie closest are taken, at the distance d between their nearest points, and
the one of fewer images moves towards the other, along the line between these two points, by d - w,
where w is the widest gap that shall remain; from then on they are one island. And so on, until
there is one. No island comes closer to another than w by that: all distances between the two were
at least d, and, since no pair was closer, those to every other island were as well; none of them
shrinks by more than d - w. Within an island nothing moves, and no two islands change places.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.spatial import KDTree

_SPACINGS: Final = 4
"""Points that are so many times further apart than most from their nearest are of two islands."""
_COARSE_CELLS: Final = 4
_FINE_CELLS: Final = 20
"""To the width of a gap: cells of the grid by which islands are found, and measured. One point of
each cell is looked at, since all pairs of points would be too many; a gap is so exact."""
_MOST_ISLANDS: Final = 200
"""More than these are not groups any more, and all pairs of them would take long."""


def narrow_gaps(points: NDArray[np.float32], least: float) -> NDArray[np.float32]:
    """Points of a map, (n, 2) or (n, 3), with no gap between islands wider than it has to be.

    Parameters
    ----------
    points
        float32, finite.
    least
        The width to which gaps are narrowed; of few images, which lie apart everywhere, four times
        their median distance to the nearest one, if that is more.

    Returns
    -------
    ndarray
        float32, of the same shape; the same values where no gap is wider.
    """
    if len(points) < 3:
        return points
    places = points.astype(np.float64)
    width = max(least, _SPACINGS * _spacing(places))
    island_of = _islands(places, width)
    n_islands = int(island_of.max()) + 1
    if not 1 < n_islands <= _MOST_ISLANDS:
        return points
    thinned = _one_of_each_cell(places, width / _FINE_CELLS)[0]
    islands = [thinned[island_of[thinned] == island] for island in range(n_islands)]
    sizes = np.bincount(island_of)
    moved = _moves([places[rows] for rows in islands], sizes, width)
    if not moved.any():
        return points
    return (places + moved[island_of]).astype(np.float32)


def _spacing(places: NDArray[np.float64]) -> float:
    """The median distance to the nearest point, of a thousand of them."""
    from scipy.spatial import KDTree

    some = places[:: max(1, len(places) // 1000)]
    return float(np.median(KDTree(places).query(some, k=2)[0][:, 1]))


def _islands(places: NDArray[np.float64], width: float) -> NDArray[np.int64]:
    """The island of each point; those of two islands are nearly `width` apart, or more."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import KDTree

    first, cell_of = _one_of_each_cell(places, width / _COARSE_CELLS)
    pairs = KDTree(places[first]).query_pairs(width, output_type="ndarray")
    joined = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), (len(first),) * 2)
    return connected_components(joined, directed=False)[1].astype(np.int64)[cell_of]


def _one_of_each_cell(
    places: NDArray[np.float64], side: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The first point of each cell of a grid, and the cell of each point."""
    cells = np.floor((places - places.min(axis=0)) / side).astype(np.int64)
    numbers = np.ravel_multi_index(cells.T, cells.max(axis=0) + 1)
    _, first, cell_of = np.unique(numbers, return_index=True, return_inverse=True)
    return first, cell_of


def _moves(
    islands: list[NDArray[np.float64]], sizes: NDArray[np.intp], width: float
) -> NDArray[np.float64]:
    """How far each island moves, (islands, dimensions)."""
    from scipy.spatial import KDTree

    n_islands = len(islands)
    trees = [KDTree(points) for points in islands]
    moved = np.zeros((n_islands, islands[0].shape[1]))
    # A bound below each distance, which is measured only where it is the smallest.
    low, high = np.array([[points.min(axis=0), points.max(axis=0)] for points in islands]).swapaxes(
        0, 1
    )
    between = np.maximum(low[:, None] - high, low - high[:, None]).clip(0)
    apart = np.sqrt(np.square(between).sum(axis=2))
    is_measured = np.zeros_like(apart, dtype=bool)
    np.fill_diagonal(apart, np.inf)
    group = np.arange(n_islands)
    while len(np.unique(group)) > 1:
        a, b = divmod(int(apart.argmin()), n_islands)
        distance, way = _nearest(trees[a], trees[b], moved[b] - moved[a])
        if not is_measured[a, b]:
            apart[a, b] = apart[b, a] = distance
            is_measured[a, b] = is_measured[b, a] = True
            continue
        if sizes[group == group[a]].sum() < sizes[group == group[b]].sum():
            a, b, way = b, a, -way
        mine, others = group == group[b], group != group[b]
        if distance > width:
            moved[mine] += way * (1 - width / distance)
            for rows in (np.ix_(mine, others), np.ix_(others, mine)):
                apart[rows] -= distance - width
                is_measured[rows] = False
        group[mine] = group[a]
        apart[group[:, None] == group] = np.inf
    return moved


def _nearest(a: KDTree, b: KDTree, shift: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """The distance of two islands, of which `b` is shifted, and the way from there to `a`."""
    if a.n < b.n:
        distance, way = _nearest(b, a, -shift)
        return distance, -way
    places = np.asarray(b.data) + shift
    distances, rows = a.query(places)
    nearest = int(np.argmin(distances))
    way = np.asarray(a.data)[np.asarray(rows)[nearest]] - places[nearest]
    return float(np.linalg.norm(way)), way
