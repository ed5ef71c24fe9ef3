"""What to label next: images that stand for others, and that are uncertain."""

import numpy as np
import pytest

from bottlebank.auditing import next_to_label as module
from bottlebank.auditing.next_to_label import next_to_label, uncertainty

from ..toys.toy_table import toy_rows


@pytest.mark.parametrize(("n", "k"), [(60, 4), (300, 12)])
def test_without_labels_every_group_is_covered(n, k):
    rows, codes = toy_rows(n, k, width=32, spread=0.1)
    chosen = next_to_label(rows, np.arange(n), np.array([], int), np.ones(n), k)
    assert sorted(codes[chosen].tolist()) == list(range(k))


def test_what_lies_near_a_label_comes_last():
    rows, codes = toy_rows(90, 3, width=32, spread=0.1)
    labelled = np.flatnonzero(codes == 0)[:5]
    pool = np.setdiff1d(np.arange(90), labelled)
    chosen = next_to_label(rows, pool, labelled, np.ones(90), 2)
    assert sorted(codes[chosen].tolist()) == [1, 2]


def test_of_two_groups_the_uncertain_one_comes_first():
    rows, codes = toy_rows(80, 2, width=32, spread=0.2)
    uncertain = np.where(codes == 1, 0.9, 0.1)
    chosen = next_to_label(rows, np.arange(80), np.array([], int), uncertain, 1)
    assert codes[chosen].tolist() == [1]


def test_choosing_one_after_the_other_is_the_same_as_trying_all():
    """Lazily evaluated gains give what the plain greedy choice gives."""
    random = np.random.default_rng(0)
    rows = random.gamma(1.0, size=(50, 8)).astype("f4")
    uncertain = random.random(50)
    found = next_to_label(rows, np.arange(50), np.array([], int), uncertain, 20).tolist()
    units = module.units_of(rows)
    near_each = np.square(np.maximum(units @ units.T, 0)).astype(float)
    near, expected = np.zeros(50), []
    for _ in range(20):
        gains = uncertain * (uncertain @ np.maximum(near_each - near[:, None], 0))
        gains[expected] = -1
        expected.append(int(gains.argmax()))
        near = np.maximum(near, near_each[:, expected[-1]])
    assert found == expected


def test_fewer_images_more_images_and_a_seed(monkeypatch):
    rows, _ = toy_rows(40, 4)
    everything = next_to_label(rows, np.arange(40), np.array([], int), np.ones(40), 100)
    assert sorted(everything.tolist()) == list(range(40))
    nothing = next_to_label(rows, np.array([], int), np.arange(40), np.ones(40), 5)
    assert nothing.tolist() == []
    constant = next_to_label(np.ones((6, 3), "f4"), np.arange(6), np.array([], int), np.ones(6), 3)
    assert len(set(constant.tolist())) == 3
    monkeypatch.setattr(module, "MOST_COMPARED", 10)
    one, same, other = (
        next_to_label(rows, np.arange(40), np.array([], int), np.ones(40), 10, seed).tolist()
        for seed in (0, 0, 1)
    )
    assert one == same
    assert sorted(one) != sorted(other)


def test_uncertainty_is_one_less_the_margin():
    probabilities = np.array([[0.7, 0.2, 0.1], [0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])
    np.testing.assert_allclose(uncertainty(probabilities), [0.5, 1, 0])
    np.testing.assert_allclose(uncertainty(np.ones((2, 1))), 1)
