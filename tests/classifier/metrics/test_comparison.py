import json
from collections import Counter
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.model_selection import StratifiedGroupKFold

from bottlebank.classifier.metrics.comparison import (
    compare,
    holm,
    mcnemar,
    stratified_folds,
)
from bottlebank.errors import UsageError


def heads(n, accuracies, random, alike=0.7):
    """Right or wrong of several heads on the same rows, some of which are hard for all."""
    hard = random.normal(size=n) * np.sqrt(alike)
    return {
        name: hard + np.sqrt(1 - alike) * random.normal(size=n) > NormalDist().inv_cdf(1 - accuracy)
        for name, accuracy in accuracies.items()
    }


def test_mcnemar_worked_out_by_hand():
    """One head alone is right in 1 row and the other in 7: 2 (C(8, 0) + C(8, 1)) / 2**8."""
    one = [True] * 1 + [False] * 7 + [True] * 12
    other = [False] * 1 + [True] * 7 + [True] * 12
    assert mcnemar(one, other) == pytest.approx(18 / 256)
    assert mcnemar(other, one) == pytest.approx(18 / 256)
    assert mcnemar(one, one) == 1
    assert mcnemar([True, False], [False, True]) == 1


def test_holm_worked_out_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.5]) == [1, 1]
    assert holm([]) == []


def test_equal_heads_are_told_apart_in_at_most_one_of_twenty():
    random = np.random.default_rng(0)
    found = 0
    for _ in range(1500):
        pair = heads(1000, {"one": 0.8, "other": 0.8}, random)
        found += mcnemar(pair["one"], pair["other"]) < 0.05
    assert 0.03 <= found / 1500 <= 0.055


def test_the_best_of_six_equal_heads_is_not_better_than_all():
    """It was chosen by the same rows; p-values for the five pairs with it alone forget that."""
    random = np.random.default_rng(1)
    told, told_without = 0, 0
    for _ in range(300):
        right = heads(1000, dict.fromkeys("abcdef", 0.8), random)
        found = compare(right)
        others = [each.name for each in found.candidates[1:]]
        told += any(each.p_value < 0.05 for each in found.candidates[1:])
        pairs = [mcnemar(right[found.best], right[name]) for name in others]
        told_without += min(holm(pairs)) < 0.05
    assert told / 300 <= 0.06
    assert told_without / 300 > 0.07


def test_a_worse_head_is_found():
    random = np.random.default_rng(2)
    found = [
        compare(heads(400, {"good": 0.9, "bad": 0.8}, random)).candidates[1] for _ in range(50)
    ]
    assert {each.name for each in found} == {"bad"}
    assert np.mean([each.p_value < 0.05 for each in found]) > 0.95


def test_a_comparison_counts_wins_and_losses():
    found = compare(
        {
            "first": [True, True, False, False, True],
            "second": [True, True, True, True, False],
            "third": [True, True, True, False, True],
        }
    )
    assert found.images == 5
    assert found.best == "second"  # as good as the third, and named before it
    assert [each.name for each in found.candidates] == ["second", "third", "first"]
    assert [(each.wins, each.losses) for each in found.candidates] == [(0, 0), (1, 1), (1, 2)]
    assert [each.accuracy for each in found.candidates] == [0.8, 0.8, 0.6]
    assert [each.p_value for each in found.candidates] == [None, 1, 1]
    low, high = found.candidates[0].interval
    assert (low, high) == pytest.approx((0.376, 0.964), abs=1e-3)
    answer = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert answer["candidates"][2]["name"] == "first"
    assert answer["candidates"][2]["interval"] == list(found.candidates[2].interval)


def test_one_head_alone_is_the_best():
    found = compare({"only": [True, False]})
    assert (found.best, found.candidates[0].p_value) == ("only", None)


@pytest.mark.parametrize(
    "right", [{}, {"a": []}, {"a": [True], "b": [True, False]}, {"a": [[True]]}]
)
def test_heads_on_other_rows_are_not_compared(right):
    with pytest.raises(UsageError, match="evaluated on the same rows"):
        compare(right)


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12)), min_size=2, max_size=80),
    n_folds=st.integers(2, 6),
    seed=st.integers(0, 5),
)
def test_the_rows_of_a_group_stay_together(rows, n_folds, seed):
    labels = [f"class {code}" for code, _ in rows]
    groups = [number for _, number in rows]
    n_folds = min(n_folds, len(set(groups)))
    if n_folds < 2:
        return
    folds, warnings = stratified_folds(labels, groups, n_folds, seed)
    assert len(set(zip(groups, folds.tolist(), strict=True))) == len(set(groups))
    assert 0 <= folds.min() <= folds.max() < n_folds
    thin = {label for label in labels if len(set(folds[np.array(labels) == label])) < n_folds}
    named = {label for label in thin if any(repr(label) in text for text in warnings)}
    assert named == thin
    again, _ = stratified_folds(labels, groups, n_folds, seed)
    assert (again == folds).all()


@settings(max_examples=50, deadline=None)
@given(codes=st.lists(st.integers(0, 4), min_size=5, max_size=200), n_folds=st.integers(2, 5))
def test_single_images_are_dealt_evenly(codes, n_folds):
    folds, _ = stratified_folds([str(code) for code in codes], np.arange(len(codes)), n_folds)
    for members in (np.ones(len(codes), bool), *(np.array(codes) == code for code in set(codes))):
        counts = np.bincount(folds[members], minlength=n_folds)
        assert counts.max() - counts.min() <= 1


def test_groups_are_dealt_as_evenly_as_by_scikit_learn():
    random = np.random.default_rng(0)
    sizes = random.integers(1, 6, size=120)
    groups = np.repeat(np.arange(120), sizes)
    labels = np.repeat(random.integers(6, size=120), sizes)
    theirs = np.empty(len(groups), int)
    splits = StratifiedGroupKFold(5, shuffle=True, random_state=0).split(groups, labels, groups)
    for fold, (_, held_out) in enumerate(splits):
        theirs[held_out] = fold

    def unevenness(folds):
        counts = np.array([np.bincount(folds[labels == code], minlength=5) for code in range(6)])
        return np.ptp(counts, axis=1).max()

    assert unevenness(stratified_folds(labels, groups)[0]) <= min(unevenness(theirs), 2)


def test_another_seed_deals_otherwise():
    labels, groups = np.repeat(["a", "b"], 50), np.arange(100)
    dealt = {tuple(stratified_folds(labels, groups, 5, seed)[0]) for seed in range(5)}
    assert len(dealt) == 5


def test_rare_classes_are_named_and_do_not_fail():
    labels = ["common"] * 20 + ["pair"] * 2 + ["copies"] * 3 + ["single"]
    groups = [*range(22), 22, 22, 22, 23]
    folds, warnings = stratified_folds(labels, groups, 5)
    assert Counter(folds[:20].tolist()) == dict.fromkeys(range(5), 4)
    assert len(set(folds[22:25].tolist())) == 1
    assert [text.split(":")[0] for text in warnings] == ["'copies', 'single'", "'pair'"]
    assert "not in training when it is evaluated" in warnings[0]
    assert "evaluated in fewer than 5 folds" in warnings[1]


def test_what_cannot_be_dealt_is_refused():
    with pytest.raises(UsageError, match="from 2 to 3 folds, .*got 4"):
        stratified_folds(list("aabb"), [0, 1, 2, 2], 4)
    with pytest.raises(UsageError, match="from 2 to "):
        stratified_folds(list("aabb"), [0, 1, 2, 3], 1)
    with pytest.raises(UsageError, match="a group for each label; got 3 for 4"):
        stratified_folds(list("aabb"), [0, 1, 2])


def test_the_p_value_is_that_of_scipys_binomial_test():
    for n_one, n_other in ((0, 5), (3, 9), (40, 61), (4000, 4200), (7, 7)):
        one = np.repeat([True, False], [n_one, n_other])
        expected = binomtest(n_one, n_one + n_other).pvalue
        assert mcnemar(one, ~one) == pytest.approx(expected)
