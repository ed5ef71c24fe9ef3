"""Photographs unlike all others, or unlike their class."""

import numpy as np
import pytest

from bottlebank.auditing import nearest as nearest_module
from bottlebank.auditing.nearest import most_similar, nearest_of, units_of
from bottlebank.auditing.outliers import DEVIATIONS, deviations
from bottlebank.cache import content_of_bytes


def contents(n):
    return [content_of_bytes(row.to_bytes(4)) for row in range(n)]


@pytest.mark.parametrize(("n", "d"), [(60, 16), (700, 64)])  # within a block, and over one
def test_a_row_of_something_else_is_far(n, d):
    random = np.random.default_rng(0)
    rows = random.gamma(2.0, size=(n, d)).astype("f4")
    rows[7] = 0
    rows[7, :2] = 30
    codes = np.arange(n) % 2
    found = deviations(nearest_of(rows, codes, contents(n)).distance)
    assert found.argmax() == 7
    assert found[7] > DEVIATIONS
    assert (np.delete(found, 7) > DEVIATIONS).mean() < 0.02


def test_distances_are_those_to_the_five_nearest_of_other_files():
    random = np.random.default_rng(1)
    rows = random.gamma(1.0, size=(12, 5)).astype("f4")
    rows[1] = rows[0]
    files = contents(12)
    files[1] = files[0]  # equal bytes are no neighbour
    codes = np.array([0] * 6 + [1] * 5 + [-1])
    found = nearest_of(rows, codes, files)
    roots = np.sqrt(rows.astype(float))
    roots /= np.linalg.norm(roots, axis=1, keepdims=True)
    apart = 1 - roots @ roots.T
    np.testing.assert_allclose(found.distance[0], np.sort(apart[0, 2:])[:5].mean(), atol=1e-6)
    np.testing.assert_allclose(found.distance_in_class[0], apart[0, 2:6].mean(), atol=1e-6)
    assert np.isnan(found.distance_in_class[11])


def test_what_is_not_unusual():
    assert (deviations(np.ones(50)) == -np.inf).all()  # equal ones
    assert (deviations(np.arange(19.0)) == -np.inf).all()  # too few
    some = np.append(np.random.default_rng(0).random(40), np.nan)
    assert deviations(some)[-1] == -np.inf


def test_constant_rows_are_similar_to_nothing():
    rows = np.full((5, 4), 0.1, "f4")
    assert (units_of(rows) == 0).all()
    every = np.arange(5)
    assert most_similar(units_of(rows), every[:2], every, 2) == [(1, 2), (0, 2)]
    found = nearest_of(rows, np.zeros(5, int), contents(5))
    np.testing.assert_allclose(found.distance, 0, atol=1e-6)


def test_a_single_row_has_no_neighbour():
    found = nearest_of(np.ones((1, 3), "f4"), np.zeros(1, int), contents(1))
    assert np.isnan(found.distance).all()


def test_the_most_similar_are_those_of_the_cosine(monkeypatch):
    monkeypatch.setattr(nearest_module, "_ROWS_AT_ONCE", 7)
    units = units_of(np.random.default_rng(0).normal(size=(60, 9)).astype(np.float32))
    among = np.arange(0, 60, 2)
    found = most_similar(units, np.arange(60), among, 3)
    for row in range(60):
        order = [each for each in among[np.argsort(-units[among] @ units[row])] if each != row]
        assert found[row] == tuple(order[:3])
    assert most_similar(units, np.arange(2), np.empty(0, int), 3) == [(), ()]
