"""Gaps are narrowed, and nothing else changes."""

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist, pdist

from bottlebank.viz.neighbourhoods.gaps import narrow_gaps


def islands(centres: list, n: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Round islands of radius 1 around centres, and the island of each point."""
    random = np.random.default_rng(seed)
    places = np.array(centres, float)
    ways = random.normal(size=(len(places), n, places.shape[1]))
    ways *= random.random((len(places), n, 1)) / np.linalg.norm(ways, axis=2, keepdims=True)
    points = (places[:, None] + ways).reshape(-1, places.shape[1]).astype(np.float32)
    return points, np.repeat(np.arange(len(places)), n)


def gaps(points: np.ndarray, island_of: np.ndarray) -> np.ndarray:
    """Distances between the nearest points of islands, (islands, islands)."""
    groups = [points[island_of == island] for island in range(island_of.max() + 1)]
    return np.array([[cdist(a, b).min() for b in groups] for a in groups])


@pytest.mark.parametrize(
    "centres",
    [
        [(0, 0), (30, 2)],
        [(0, 0), (20, 0), (25, 18), (-40, 3), (0, 90)],
        [(0, 0, 0), (9, 9, 9), (-30, 4, 1)],
        [(0, 0), (-100, 100), (100, 100), (100, -100), (-100, -100)],
        [(1e4, 1e4), (1.1e4, 1e4)],
    ],
)
def test_islands_come_as_close_as_that_and_keep_their_shape(centres):
    points, island_of = islands(centres)
    moved = narrow_gaps(points, 2.0)
    assert moved.dtype == np.float32
    for island in range(len(centres)):
        before, after = pdist(points[island_of == island]), pdist(moved[island_of == island])
        np.testing.assert_allclose(after, before, atol=1e-2)
    apart = gaps(moved, island_of)
    np.fill_diagonal(apart, np.inf)
    assert apart.min() >= 2.0 * 0.85
    # Each island has another at the width that is wanted.
    assert apart.min(axis=1).max() <= 2.0 * 1.15
    assert np.ptp(moved, axis=0).max() < 0.5 * np.ptp(points, axis=0).max()
    np.testing.assert_array_equal(narrow_gaps(points, 2.0), moved)


def test_an_island_moves_towards_the_one_that_lay_closest():
    points, island_of = islands([(0, 0), (30, 0), (30, 40)], n=200)
    moved = narrow_gaps(points, 1.0)
    middles = [moved[island_of == island].mean(axis=0) for island in range(3)]
    assert middles[1][0] - middles[0][0] == pytest.approx(3, abs=0.5)
    assert middles[2][1] - middles[1][1] == pytest.approx(3, abs=0.5)
    assert middles[2][0] == pytest.approx(middles[1][0], abs=2)


@pytest.mark.parametrize("seed", range(4))
def test_what_has_no_gap_stays_to_the_last_bit(seed):
    random = np.random.default_rng(seed)
    points = random.normal(size=(400, 2 + seed % 2)).astype(np.float32)
    np.testing.assert_array_equal(narrow_gaps(points, 4.0), points)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 12])
def test_a_few_images_that_lie_apart_everywhere_are_no_islands(n):
    points = np.column_stack([np.arange(n) * 10.0, np.arange(n) % 2]).astype(np.float32)
    np.testing.assert_array_equal(narrow_gaps(points, 1.0), points)


def test_equal_points():
    points = np.zeros((50, 2), np.float32)
    np.testing.assert_array_equal(narrow_gaps(points, 1.0), points)
    points[25:] = 7
    assert sorted(set(np.round(pdist(narrow_gaps(points, 1.0)), 3))) == [0, 1]


def test_fifty_islands_keep_their_own_neighbours():
    centres = np.random.default_rng(3).uniform(-300, 300, (50, 2))
    points, _ = islands(list(map(tuple, centres)), n=12)
    moved = narrow_gaps(points, 1.5)
    assert np.ptp(moved, axis=0).prod() < 0.5 * np.ptp(points, axis=0).prod()
    # Nobody got a nearest neighbour of another island.
    before, after = (cKDTree(each).query(each, 2)[1][:, 1] // 12 for each in (points, moved))
    np.testing.assert_array_equal(before, after)
