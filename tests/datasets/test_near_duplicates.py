import numpy as np
import pytest

from bottlebank.datasets.near_duplicates import LEAST_COSINE, candidates


@pytest.mark.parametrize("width", [120, 1280])
def test_planted_pairs_are_found_and_no_others(width):
    """Rows as transfer values are: positive, and all of them somewhat alike."""
    random = np.random.default_rng(0)
    rows = np.abs(random.normal(size=(3000, width)) + 2).astype(np.float32)
    planted = random.choice(2000, 60, replace=False)
    copies = rows[planted] + 0.15 * random.normal(size=(60, width)).astype(np.float32)
    features = np.vstack([rows, copies])
    found = list(candidates(features, np.arange(2000, 3060), np.arange(2000)))
    assert {(row, other) for row, other, _ in found} == {
        (3000 + number, int(original)) for number, original in enumerate(planted)
    }
    assert all(cosine >= LEAST_COSINE for *_, cosine in found)


def test_the_most_similar_come_first_and_three_at_most():
    random = np.random.default_rng(1)
    base = random.normal(size=300).astype(np.float32)
    rows = [base + 0.02 * number * random.normal(size=300) for number in range(9)]
    others = random.normal(size=(200, 300))
    features = np.vstack([*rows, *others]).astype(np.float32)
    found = list(candidates(features, np.array([0]), np.arange(len(features))))
    assert [other for _, other, _ in found] == [1, 2, 3]  # not with itself
    cosines = [cosine for *_, cosine in found]
    assert cosines == sorted(cosines, reverse=True)


@pytest.mark.parametrize("classes", [None, 2])
def test_where_all_are_alike_few_are_compared_in_full(classes, monkeypatch):
    """The nearest are still found, and not one of the same class."""
    random = np.random.default_rng(2)
    n, base = 1200, random.normal(size=(1, 300))
    features = (base + 0.4 * random.normal(size=(n, 300))).astype(np.float32)
    features[::2] -= 2 * base.astype(np.float32)  # two crowds
    features[1::4] = features[3::4] + 0.01 * features[1::4]
    differing = None if classes is None else np.array(["a", "b"])[np.arange(n) // 2 % 2]
    n_compared = 0
    real = np.einsum

    def einsum(what, one, other):
        nonlocal n_compared
        n_compared += len(one)
        assert len(one) <= 8192
        return real(what, one, other)

    monkeypatch.setattr(np, "einsum", einsum)
    found = list(candidates(features, np.arange(n), np.arange(n), differing=differing))
    assert n_compared <= 64 * n
    best = {}
    for row, other, cosine in found:
        assert row != other
        assert differing is None or differing[row] != differing[other]
        best.setdefault(row, (other, cosine))
    assert all(best[row][0] == row + 2 for row in range(1, n, 4))


def test_none_where_there_is_nothing_to_compare():
    features = np.ones((4, 8), np.float32)
    assert list(candidates(features, np.arange(0), np.arange(4))) == []
    assert (
        list(candidates(features, np.arange(2), np.arange(2, 4))) == []
    )  # all alike: no direction
