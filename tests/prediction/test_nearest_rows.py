import numpy as np
import pytest

from bottlebank.prediction.nearest_rows import nearest_rows


@pytest.mark.parametrize(
    ("n_rows", "width", "n"), [(1, 1, 1), (7, 3, 50), (1024, 8, 1024), (2500, 64, 10)]
)
@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e6])
def test_the_nearest_are_those_of_float64(n_rows, width, n, scale):
    random = np.random.default_rng([n_rows, width])
    features = (scale * random.normal(size=(n_rows, width))).astype(np.float32)
    vector = random.normal(size=width).astype(np.float32)
    rows = features.astype(np.float64)
    cosines = rows @ vector.astype(np.float64)
    cosines /= np.linalg.norm(rows, axis=1) * np.linalg.norm(vector.astype(np.float64))
    expected = np.argsort(-cosines, kind="stable")[:n]
    lengths = np.linalg.norm(features, axis=1)
    for found in (
        nearest_rows(features, vector, n),
        nearest_rows(features, vector, n, lengths=lengths),
    ):
        np.testing.assert_array_equal(found.rows, expected)
        np.testing.assert_allclose(found.cosines, cosines[expected], rtol=0, atol=1e-12)


def test_equal_rows_come_in_their_order_wherever_they_are():
    random = np.random.default_rng(0)
    features = random.normal(size=(3000, 40)).astype(np.float32)
    equal = [0, 3, 1023, 1024, 2047, 2999]
    features[equal] = features[5] = vector = random.normal(size=40).astype(np.float32)
    found = nearest_rows(features, vector, 7)
    assert found.rows.tolist() == [0, 3, 5, 1023, 1024, 2047, 2999]
    assert set(found.cosines.tolist()) == {1.0}
    assert nearest_rows(features, vector, 3).rows.tolist() == [0, 3, 5]


def test_zeros_are_like_nothing():
    features = np.array([[0, 0], [1, 0], [-1, 0], [0, 1]], np.float32)
    found = nearest_rows(features, np.array([1, 0], np.float32), 4)
    assert found.rows.tolist() == [1, 0, 3, 2]
    assert found.cosines.tolist() == [1, 0, 0, -1]
    assert nearest_rows(features, np.zeros(2, np.float32), 2).cosines.tolist() == [0, 0]
    assert len(nearest_rows(features[:0], features[0], 3).rows) == 0
