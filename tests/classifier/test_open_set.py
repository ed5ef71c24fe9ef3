import json

import numpy as np
import pytest

from bottlebank.classifier import LogisticHead
from bottlebank.classifier.open_set import MOST_PROTOTYPES, UnknownRule, fit_unknown

WIDTH = 48


def activations(n_each, kinds=range(4), seed=0):
    """Rows like averaged activations: each kind of thing has its own few large columns."""
    random = np.random.default_rng(seed)
    shapes = np.random.default_rng(99).gamma(0.3, 2.0, size=(12, WIDTH))[list(kinds)]
    codes = np.repeat(np.arange(len(shapes)), n_each)
    rows = random.gamma(4.0 * shapes[codes] + 0.2) / 4
    order = random.permutation(len(codes))
    return rows[order].astype(np.float32), codes[order]


def make(n_each=60, n_held_out_each=100, kinds=range(4), seed=0, **settings):
    rows, codes = activations(n_each, kinds, seed)
    head = LogisticHead(strengths=(0.1,)).fit(rows, codes)
    held_out, _ = activations(n_held_out_each, kinds, seed + 1000)
    return head.layers_, fit_unknown(head.layers_, rows, codes, held_out, **settings)


@pytest.fixture(scope="module")
def made():
    return make()


def share_unknown(layers, rule, rows):
    return rule.is_unknown(rows, layers.logits(rows)).mean()


def test_other_things_are_unknown_and_the_classes_are_not(made):
    assert share_unknown(*made, activations(100, range(4, 12), seed=3)[0]) > 0.95
    assert share_unknown(*made, activations(500, seed=3)[0]) < 0.1


@pytest.mark.parametrize("coverage", [0.8, 0.95])
def test_coverage_holds_on_fresh_rows(coverage):
    layers, _ = make()
    rows, codes = activations(60)
    shares = []
    for seed in range(20):
        held_out, _ = activations(50, seed=2000 + seed)
        rule = fit_unknown(layers, rows, codes, held_out, coverage)
        shares.append(1 - share_unknown(layers, rule, activations(500, seed=3000 + seed)[0]))
    # 20 thresholds from 200 rows each: as a share of 4,000 rows scatters
    noise = np.sqrt(coverage * (1 - coverage) / (20 * 200))
    assert coverage - 3 * noise < np.mean(shares) < coverage + 1 / 201 + 3 * noise


def test_the_threshold_leaves_out_no_more_held_out_rows_than_it_may(made):
    layers, rule = made
    held_out, _ = activations(100, seed=1000)
    scores = np.sort(rule.scores(held_out, layers.logits(held_out)))  # of 400
    assert rule.threshold == pytest.approx(scores[19], abs=2e-4)
    assert (scores < rule.threshold).sum() <= 19


def test_rows_between_two_classes_are_told_by_the_odds(made):
    layers, rule = made
    rows, codes = activations(100, seed=5)
    n = min((codes == 0).sum(), (codes == 1).sum())
    between = (rows[codes == 0][:n] + rows[codes == 1][:n]) / 2
    undecided = np.zeros((n, 4))
    decided = np.tile([20.0, 0, 0, 0], (n, 1))
    scores = rule.scores(between, undecided)
    assert (scores < rule.scores(between, decided)).all()
    assert share_unknown(layers, rule, between) > 0.5


def test_what_the_head_is_sure_of_is_unknown_when_it_is_far_from_all_training_rows(made):
    layers, rule = made
    sure = np.zeros((1, WIDTH), np.float32)
    kernel = layers.kernels[0] / layers.scale[:, None]
    sure[0, (kernel[:, 0] - np.delete(kernel, 0, axis=1).max(axis=1)).argmax()] = 50
    assert layers.probabilities(sure)[0, 0] > 0.99
    assert rule.is_unknown(sure, layers.logits(sure)).all()


def with_steady_columns(rows, seed=0):
    """And as many columns that hardly vary, as a network has where all images are alike."""
    random = np.random.default_rng(seed)
    steady = 0.05 + 0.002 * random.random((len(rows), WIDTH), np.float32)
    return np.concatenate([rows, steady], axis=1)


@pytest.fixture(scope="module")
def made_with_steady_columns():
    rows, codes = activations(60)
    rows = with_steady_columns(rows)
    layers = LogisticHead(strengths=(0.1,)).fit(rows, codes).layers_
    held_out = with_steady_columns(activations(100, seed=1000)[0], seed=1)
    return layers, fit_unknown(layers, rows, codes, held_out)


def directions(n, width, seed=0):
    rows = np.random.default_rng(seed).gamma(0.3, size=(n, width))
    return (rows / rows.mean(axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("length", [0, 0.1, 1, 10, 100])
def test_what_the_head_is_surest_of_is_unknown_in_any_direction(made_with_steady_columns, length):
    layers, rule = made_with_steady_columns
    strangers = length * directions(300, 2 * WIDTH)
    if length >= 1:
        odds = np.sort(layers.logits(strangers), axis=1)
        assert np.median(odds[:, -1] - odds[:, -2]) > 30  # e^30 to 1
    assert share_unknown(layers, rule, strangers) == 1
    known = with_steady_columns(activations(500, seed=3)[0], seed=3)
    assert share_unknown(layers, rule, known) < 0.1


def test_rows_of_the_classes_that_are_far_too_long_are_unknown(made):
    rows, _ = activations(100, seed=12)
    shares = [share_unknown(*made, length * rows) for length in (1, 10, 100)]
    assert shares[0] < 0.1
    assert shares[1:] == [1, 1]


def test_odds_beyond_those_of_nearly_all_held_out_rows_add_nothing(made):
    _, rule = made
    rows, _ = activations(50, seed=13)
    sure = np.tile([1e3, 0, 0, 0], (len(rows), 1))
    assert np.array_equal(rule.scores(rows, sure), rule.scores(rows, 1e6 * sure))


def test_one_value_that_is_far_off_decides_nothing_alone(made_with_steady_columns):
    layers, rule = made_with_steady_columns
    rows = with_steady_columns(activations(100, seed=14)[0], seed=14)
    logits = layers.logits(rows)
    rows[:, -1] = 0.1  # 80 deviations from the mean
    assert rule.is_unknown(rows, logits).mean() < 0.1


def test_rows_without_a_direction_or_a_number_are_unknown(made):
    assert share_unknown(*made, np.zeros((2, WIDTH), np.float32)) == 1
    assert share_unknown(*made, np.full((2, WIDTH), np.nan, np.float32)) == 1


def test_one_row_is_judged_as_it_is_among_others(made):
    layers, rule = made
    rows, _ = activations(100, seed=1000)  # the one that set the threshold is among them
    logits = layers.logits(rows)
    alone = [rule.is_unknown(rows[[at]], logits[[at]])[0] for at in range(len(rows))]
    assert alone == rule.is_unknown(rows, logits).tolist()


def test_what_is_added_to_all_logits_says_nothing(made):
    layers, rule = made
    rows, _ = activations(10, seed=6)
    logits = layers.logits(rows)
    np.testing.assert_allclose(
        rule.scores(rows, logits + 1000), rule.scores(rows, logits), atol=1e-9
    )


def test_both_of_two_classes_are_familiar():
    layers, rule = make(kinds=range(2))
    rows, codes = activations(500, range(2), seed=7)
    unknown = rule.is_unknown(rows, layers.logits(rows))
    assert unknown[codes == 0].mean() < 0.15
    assert unknown[codes == 1].mean() < 0.15
    assert share_unknown(layers, rule, activations(100, range(4, 12), seed=7)[0]) > 0.9


def test_values_below_zero_count_too():
    layers, rule = make()
    rows, _ = activations(50, seed=8)
    assert share_unknown(layers, rule, -rows) == 1


@pytest.mark.parametrize(("coverage", "least"), [(0.95, 19), (0.9, 9), (0.99, 99)])
def test_without_enough_held_out_rows_there_is_no_rule(coverage, least):
    rows, codes = activations(20)
    layers = LogisticHead(strengths=(0.1,)).fit(rows, codes).layers_
    held_out, _ = activations(30, seed=9)
    assert fit_unknown(layers, rows, codes, None, coverage) is None
    assert fit_unknown(layers, rows, codes, held_out[: least - 1], coverage) is None
    rule = fit_unknown(layers, rows, codes, held_out[:least], coverage)
    assert not rule.is_unknown(held_out[:least], layers.logits(held_out[:least])).any()


@pytest.mark.parametrize("coverage", [0, 1, -0.1, 95])
def test_a_coverage_that_is_none_is_refused(coverage):
    with pytest.raises(ValueError, match=f"between 0 and 1; got {coverage}"):
        make(coverage=coverage)


def test_few_or_equal_rows_in_a_class_are_enough():
    rows, codes = activations(60)
    keep = (codes != 0) | (np.cumsum(codes == 0) <= 1)  # one row of the first class
    rows[codes == 1] = rows[codes == 1][0]
    layers = LogisticHead(strengths=(0.1,)).fit(rows[keep], codes[keep]).layers_
    held_out, _ = activations(100, seed=1)
    rule = fit_unknown(layers, rows[keep], codes[keep], held_out)
    assert np.isfinite(rule.scores(held_out, layers.logits(held_out))).all()
    assert share_unknown(layers, rule, rows[codes == 1]) == 0


def test_its_size_is_bounded():
    _, rule = make(n_each=3000, kinds=range(2))
    assert rule.prototypes.shape == (MOST_PROTOTYPES, WIDTH)
    np.testing.assert_allclose(np.linalg.norm(rule.prototypes, axis=1), 1, rtol=1e-5)


def test_it_is_the_same_every_time(made):
    _, rule = made
    again = make()[1]
    assert again.numbers() == rule.numbers()
    for name, array in rule.arrays().items():
        assert np.array_equal(again.arrays()[name], array)


def weighed(weights, held_out_weights):
    rows, codes = activations(60)
    layers = LogisticHead(strengths=(0.1,)).fit(rows, codes).layers_
    held_out, _ = activations(5, seed=1000)
    more = {"weights": weights, "held_out_weights": held_out_weights}
    return layers, fit_unknown(layers, rows, codes, held_out, **more)


@pytest.mark.parametrize("weight", [1e-9, 0.5, 2, 1e9])
def test_weights_that_are_all_alike_change_nothing(weight):
    """Not even where they are few: 20 held-out rows are 20, whatever they weigh."""
    layers, rule = weighed(np.full(240, weight), np.full(20, weight))
    _, plain = weighed(None, None)
    assert rule.numbers() == pytest.approx(plain.numbers(), rel=1e-9)
    for mine, its in zip(rule.arrays().values(), plain.arrays().values(), strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-5)
    UnknownRule.of(rule.arrays(), rule.numbers(), layers)


@pytest.mark.parametrize("seed", range(4))
def test_equal_directions_are_at_no_negative_distance(seed):
    """Their cosine exceeds 1 by the last digits."""
    rows, codes = activations(60, seed=seed)
    lengths = 1 + np.arange(240, dtype=np.float32)[:, None] / 100
    rows = rows[[(codes == code).argmax() for code in codes]] * lengths
    layers = LogisticHead(strengths=(0.1,)).fit(rows, codes).layers_
    held_out, _ = activations(100, seed=1)
    heavy = np.where(codes == 0, 1e9, 1e-9)
    for weights in (None, heavy):
        rule = fit_unknown(layers, rows, codes, held_out, weights=weights)
        UnknownRule.of(rule.arrays(), rule.numbers(), layers)


@pytest.mark.parametrize("which", ["all", "some"])
def test_copies_of_a_row_are_the_row_with_the_sum_of_their_weights(which):
    """For prototypes, deviations and threshold alike."""
    rows, codes = activations(60)
    layers = LogisticHead(strengths=(0.1,)).fit(rows, codes).layers_
    held_out, _ = activations(100, seed=1000)
    random = np.random.default_rng(0)
    of_rows, of_held_out = (
        np.full(n, 2) if which == "all" else random.integers(1, 4, n) for n in (240, 400)
    )
    order = np.repeat(np.arange(240), of_rows)  # a copy behind each row, or behind all of them
    copies = [np.flatnonzero(of_held_out > n) for n in range(3)]
    held_out_order = np.concatenate(copies)
    twice = fit_unknown(layers, rows[order], codes[order], held_out[held_out_order])
    more = {"weights": of_rows, "held_out_weights": of_held_out}
    once = fit_unknown(layers, rows, codes, held_out, **more)
    assert len(once.spreads) == len(twice.spreads) == 60
    assert once.numbers() == pytest.approx(twice.numbers(), rel=1e-9)
    for mine, its in zip(once.arrays().values(), twice.arrays().values(), strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-5, atol=1e-7)


def test_it_comes_back_whole(made):
    layers, rule = made
    numbers = json.loads(json.dumps(rule.numbers()))
    assert {array.dtype for array in rule.arrays().values()} == {np.dtype(np.float32)}
    back = UnknownRule.of(rule.arrays(), numbers, layers)
    rows, _ = activations(50, seed=10)
    logits = layers.logits(rows)
    assert np.array_equal(back.scores(rows, logits), rule.scores(rows, logits))
    assert (back.threshold, back.coverage) == (rule.threshold, 0.95)


def test_a_rule_of_two_signs_comes_back_as_it_was(made):
    layers, rule = made
    earlier = rule._replace(odds_limit=np.inf, range_mean=0.0, standardisation=None)
    numbers = json.loads(json.dumps(earlier.numbers()))
    assert len(numbers) == len(rule.numbers()) - 3
    back = UnknownRule.of(earlier.arrays(), numbers, layers)
    rows, _ = activations(50, seed=11)
    logits = 1e3 * layers.logits(rows)
    assert np.array_equal(back.scores(rows, logits), earlier.scores(rows, logits))
    assert (back.scores(rows, logits) > rule.scores(rows, logits)).all()


HARMS = {
    "another array": (lambda a, n: a.update(more=np.zeros(3, "f4")), "has .*more"),
    "a missing array": (lambda a, n: a.pop("spreads"), "rule has"),
    "another number": (lambda a, n: n.update(more=1.0), "has .*more"),
    "a missing number": (lambda a, n: n.pop("threshold"), "rule has"),
    "a word": (lambda a, n: n.update(threshold="1"), "threshold of .* '1', no finite"),
    "a truth": (lambda a, n: n.update(threshold=True), "threshold of .* True, no finite"),
    "not finite": (lambda a, n: n.update(threshold=float("nan")), "threshold of .* nan"),
    "no limit of the odds": (lambda a, n: n.pop("odds_limit"), "rule has"),
    "an endless limit": (lambda a, n: n.update(odds_limit=float("inf")), "odds_limit of .* inf"),
    "a scale of ranges of 0": (lambda a, n: n.update(range_scale=0.0), "must be positive"),
    "a scale of 0": (lambda a, n: n.update(odds_scale=0.0), "must be positive"),
    "a coverage of 1": (lambda a, n: n.update(coverage=1.0), "coverage within 0 and 1"),
    "another type": (lambda a, n: a.update(spreads=a["spreads"].astype("f8")), "finite float32"),
    "not finite rows": (lambda a, n: a.update(prototypes=a["prototypes"] * np.inf), "finite"),
    "another width": (lambda a, n: a.update(prototypes=a["prototypes"][:, 1:]), r"expected \(60"),
    "fewer rows": (lambda a, n: a.update(prototypes=a["prototypes"][1:]), r"\(59, 48\)"),
    "spreads of 0": (lambda a, n: a.update(spreads=a["spreads"] * 0), "positive numbers"),
    "a table of spreads": (lambda a, n: a.update(spreads=a["spreads"][None]), r"got \(1, 60\)"),
    "a single spread": (lambda a, n: a.update(spreads=np.array(1, "f4")), "got"),
    "no rows": (lambda a, n: a.update(spreads=a["spreads"][:0]), r"got \(0,\)"),
    "too many rows": (lambda a, n: a.update(spreads=np.ones(513, "f4")), "1 to 512 .*513"),
}


@pytest.mark.parametrize("harm", HARMS)
def test_anything_else_is_refused_with_the_reason(made, harm):
    layers, rule = made
    arrays, numbers = rule.arrays(), rule.numbers()
    spoil, reason = HARMS[harm]
    spoil(arrays, numbers)
    with pytest.raises(ValueError, match=reason):
        UnknownRule.of(arrays, numbers, layers)
