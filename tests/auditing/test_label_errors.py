"""Confident learning: what is counted, flagged and ranked."""

import numpy as np
import pytest

from bottlebank.auditing.label_errors import (
    confident_joint,
    confidently_of,
    normalised_margin,
    suspicions,
)
from bottlebank.classifier.logistic_held_out import held_out_logistic

from ..toys.toy_table import toy_rows


def test_a_row_is_counted_for_the_most_probable_class_above_its_mean():
    probabilities = np.array(
        [[0.8, 0.2, 0.0], [0.6, 0.4, 0.0], [0.1, 0.9, 0.0], [0.35, 0.6, 0.05], [0.2, 0.7, 0.1]]
    )
    codes = np.array([0, 0, 0, 1, 1])
    # The means of the own class are 0.5 and 0.65; class 2 has no rows, so that nothing is of it.
    assert confident_joint(probabilities, codes).tolist() == [[2, 1, 0], [0, 1, 0], [0, 0, 0]]


def test_margins():
    probabilities = np.array([[0.7, 0.2, 0.1], [0.3, 0.3, 0.4]])
    np.testing.assert_allclose(normalised_margin(probabilities, np.array([0, 1])), [0.5, -0.1])
    np.testing.assert_allclose(normalised_margin(np.ones((2, 1)), np.array([0, 0])), [1, 1])


@pytest.mark.parametrize(("n", "k", "seed"), [(200, 2, 0), (300, 5, 1), (600, 20, 2)])
def test_flipped_labels_come_first_with_the_right_suggestion(n, k, seed):
    rows, codes = toy_rows(n, k, width=24, seed=seed)
    given = codes.copy()
    wrong = np.random.default_rng(seed).choice(n, n // 20, replace=False)
    given[wrong] = (codes[wrong] + 1) % k
    folds = np.random.default_rng(seed).permutation(n) % 5
    probabilities = held_out_logistic(rows, given, folds, k).probabilities
    found = suspicions(probabilities, given, np.ones(n, bool))
    first = np.argsort(-found.score)[: n // 10]
    assert np.isin(wrong, first).mean() >= 0.9
    assert (found.suggested[wrong] == codes[wrong]).mean() >= 0.9
    assert found.flagged[wrong].mean() >= 0.8
    assert found.flagged.mean() <= 0.1
    assert 0.02 <= found.n_wrong / found.n_judged <= 0.1


def test_rows_without_a_label_or_a_fair_prediction_are_not_suspected():
    probabilities = np.array([*[[0.1, 0.9]] * 6, [0.8, 0.2]])
    codes = np.array([0, 0, -1, 1, 1, 1, 0])
    fair = np.array([True, False, True, True, True, True, True])
    found = suspicions(probabilities, codes, fair)
    np.testing.assert_allclose(found.score, [0.9, 0, 0, 0.1, 0.1, 0.1, 0.2])
    assert found.suggested.tolist() == [1, -1, -1, -1, -1, -1, -1]


def test_predictions_that_know_no_more_than_the_largest_class_say_nothing():
    codes = np.array([0, 0, 0, 1, 1, 2])
    for probabilities in ([0.5, 0.3, 0.2], [1 / 3] * 3):
        found = suspicions(np.tile(probabilities, (6, 1)), codes, np.ones(6, bool))
        assert not found.flagged.any()
        assert (found.n_judged, found.n_wrong) == (0, 0)


def test_one_class_or_no_rows_say_nothing():
    for probabilities, codes in ((np.ones((3, 1)), [0, 0, 0]), (np.ones((2, 2)) / 2, [-1, -1])):
        found = suspicions(probabilities, np.array(codes), np.ones(len(codes), bool))
        assert not found.flagged.any()
        assert (found.n_judged, found.n_wrong) == (0, 0)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of libraries that it imports
@pytest.mark.parametrize(("n", "k", "seed"), [(300, 3, 0), (500, 10, 1), (1000, 25, 2)])
def test_it_agrees_with_cleanlab(n, k, seed):
    count = pytest.importorskip("cleanlab.count", reason="cleanlab, the oracle, is not installed")
    from cleanlab.filter import find_label_issues

    random = np.random.default_rng(seed)
    codes = np.concatenate([np.arange(k), random.integers(0, k, n - k)])
    probabilities = random.dirichlet(np.full(k, 0.4), n) * 0.6
    probabilities[np.arange(n), codes] += 0.4
    flipped = random.choice(n, n // 10, replace=False)
    codes[flipped] = random.integers(0, k, len(flipped))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    theirs = count.compute_confident_joint(codes, probabilities, calibrate=False)
    ours = confident_joint(probabilities, codes)
    off = ~np.eye(k, dtype=bool)
    np.testing.assert_array_equal(ours[off], theirs[off])
    issues = find_label_issues(codes, probabilities, filter_by="confident_learning")
    confident = confidently_of(probabilities, codes)
    best = probabilities.argmax(axis=1)
    counted = (confident >= 0) & (confident != codes) & (best != codes)
    np.testing.assert_array_equal(counted, issues)
    found = suspicions(probabilities, codes, np.ones(n, bool))
    assert found.flagged[counted].all()
