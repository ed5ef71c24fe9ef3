import json
from itertools import pairwise
from statistics import NormalDist

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from bottlebank.classifier import LogisticHead
from bottlebank.errors import UsageError
from bottlebank.training.learning_curve import LearningCurve, fit_power_law, learning_curve

from ..classifier.conftest import blobs


def simulated(a, b, c, n, n_held_out=341, n_repeats=5, seed=0, by_training=0.0):
    """A curve whose error is ``a size^-b + c``; some held-out rows are hard at every size.

    `by_training` is how much heads of one size differ, as a normal deviate.
    """
    random = np.random.default_rng(seed)
    sizes = np.geomspace(max(2, n / 32), n, 6)
    limits = np.array([NormalDist().inv_cdf(float(a * size**-b + c)) for size in sizes])
    shape = (6, n_repeats, n_held_out)
    ease = np.sqrt(0.7) * random.normal(size=n_held_out) + np.sqrt(0.3) * random.normal(size=shape)
    ease -= by_training * random.normal(size=(6, n_repeats, 1))
    ease[-1] = ease[-1, :1]  # all rows are one subset
    return LearningCurve(sizes, (10 * sizes).astype(int), ease > limits[:, None, None])


def gain(a, b, n, more=20):
    return a * (n**-b - (n + more) ** -b)


class Recorder:
    """Stands in for a head: remembers the rows that it was fitted on."""

    def __init__(self):
        self.fitted = []

    def fit(self, rows, labels):
        self.fitted.append((rows[:, 0].astype(int).tolist(), labels.tolist()))
        return self

    def predict(self, rows):
        return np.full(len(rows), "a")


def recorded(labels, **options):
    recorder = Recorder()
    rows = np.arange(len(labels), dtype=float)[:, None]
    held_out = np.array(["a", "b"])
    curve = learning_curve(recorder.fit, rows, labels, np.zeros((2, 1)), held_out, **options)
    return curve, recorder.fitted


def test_subsets_hold_one_another_and_have_all_classes():
    labels = np.repeat(["a", "b", "rare"], [60, 30, 2])
    curve, fitted = recorded(labels, n_repeats=3, sizes=[2, 5, 10, 92 / 3])
    assert curve.n_rows.tolist() == [7, 16, 31, 92]  # 6 %, 16 %, 33 % and all of each class
    np.testing.assert_allclose(curve.sizes, curve.n_rows / 3)
    per_repeat = [fitted[:4], [*fitted[4:7], fitted[3]], [*fitted[7:], fitted[3]]]
    for subsets in per_repeat:
        for (smaller, _), (larger, _) in pairwise(subsets):
            assert set(smaller) < set(larger)
    assert [fitted[0][1].count(name) for name in ("a", "b", "rare")] == [4, 2, 1]
    assert fitted[0][0] != fitted[4][0]  # another order
    assert sorted(fitted[3][0]) == list(range(92))
    assert len(fitted) == 10  # all rows are trained on once and not in each repeat
    assert (curve.accuracy == 0.5).all()


def test_sizes_are_chosen_up_to_all_rows():
    curve, _ = recorded(np.repeat(["a", "b"], 320), n_repeats=1)
    assert curve.sizes.tolist() == [10, 20, 40, 80, 160, 320]
    few, _ = recorded(np.repeat(["a", "b"], 3), n_repeats=1)
    assert few.sizes[-1] == 3
    assert few.forecast().gain is None
    assert (
        few.forecast().in_words()
        == "20 more images per class: too few images for an estimate (3 per class now)"
    )


def test_a_head_learns_more_from_more():
    rows, labels = blobs(4, 150, spread=4.0)
    train, test = slice(None, 240), slice(240, None)

    def fit(rows, labels):
        return LogisticHead(strengths=(0.01,)).fit(rows, labels)

    curve = learning_curve(fit, rows[train], labels[train], rows[test], labels[test])
    assert curve.accuracy[-1] > curve.accuracy[0] + 0.1
    alone = fit(rows[train], labels[train]).score(rows[test], labels[test])
    assert curve.accuracy[-1] == pytest.approx(alone)
    low, high = curve.intervals[-1]
    assert low < alone < high
    answer = json.loads(json.dumps(curve.as_dict(), allow_nan=False))
    assert answer["accuracy"] == curve.accuracy.tolist()
    assert np.shape(answer["repeats"]) == (len(curve.sizes), 5)
    assert answer["held_out"] == 360
    again = learning_curve(fit, rows[train], labels[train], rows[test], labels[test])
    assert (again.right == curve.right).all()


@pytest.mark.parametrize(("a", "b", "c"), [(0.6, 0.35, 0.0), (0.5, 0.0535, 0.0), (0.9, 1.0, 0.1)])
def test_a_law_is_found_again(a, b, c):
    sizes = np.geomspace(2, 100, 6)
    error = a * sizes**-b + c
    found_a, found_b, found_c = fit_power_law(sizes, error[None], np.ones(6))
    np.testing.assert_allclose(found_a * sizes**-found_b + found_c, error, atol=0.002)
    assert gain(found_a, found_b, 100) == pytest.approx(gain(a, b, 100), abs=0.001)


def test_a_law_goes_neither_up_nor_below_zero():
    sizes = np.geomspace(2, 100, 6)
    rising, to_zero = 0.1 + 0.001 * sizes, np.maximum(0.5 - 0.1 * np.log(sizes), 0)
    a, _, c = fit_power_law(sizes, np.array([rising, to_zero]), np.ones(6))
    assert a[0] == 0
    assert c[0] == pytest.approx(rising.mean())
    assert (c >= 0).all()
    assert fit_power_law(sizes, rising[None], np.ones(6), floor=False)[2] == 0


@pytest.mark.parametrize(("a", "b", "c", "n"), [(0.6, 0.35, 0, 24), (0.6, 0.5, 0.1, 40)])
def test_the_gain_of_a_law_is_forecast(a, b, c, n):
    found = simulated(a, b, c, n).forecast(20)
    truth = gain(a, b, n)
    assert found.gain == pytest.approx(truth, rel=0.3)
    low, high = found.interval
    assert low <= truth <= high
    assert low <= found.gain <= high
    assert high < 2 * truth
    assert found.reason is None
    assert found.in_words().startswith("20 more images per class: +")


def test_without_a_gain_none_is_told():
    told = [simulated(0, 1, 0.2, 40, seed=seed).forecast() for seed in range(10)]
    assert [found.gain for found in told] == [None] * 10
    assert {found.in_words() for found in told} == {"20 more images per class: no measurable gain"}
    assert all(found.interval[0] == pytest.approx(0, abs=0.001) for found in told)
    assert all(found.interval[1] < 0.02 for found in told)


def test_perfect_heads_gain_nothing():
    curve = LearningCurve(np.geomspace(2, 40, 6), np.arange(6), np.ones((6, 5, 50), dtype=bool))
    assert curve.forecast().gain is None


def test_a_forecast_does_not_go_far():
    curve = simulated(0.6, 0.35, 0, 24)
    assert curve.forecast(48).gain > curve.forecast(20).gain > curve.forecast(5).gain
    far = curve.forecast(49)
    assert (far.gain, far.interval) == (None, None)
    assert far.in_words() == (
        "49 more images per class: the 24 per class that there are do not show it yet"
    )
    assert curve.forecast(20) == curve.forecast(20)
    with pytest.raises(UsageError, match="more images per class than none; got 0"):
        curve.forecast(0)


def test_what_does_not_fit_is_refused():
    labels = np.repeat(["a", "b"], 10)
    with pytest.raises(UsageError, match=r"up to 10 images per class.*got \[2.0, 11.0\]"):
        recorded(labels, sizes=[2, 11])
    with pytest.raises(UsageError, match="at least 1 repeat; got 0"):
        recorded(labels, n_repeats=0)
    with pytest.raises(UsageError, match="got 3 rows with 2 labels"):
        learning_curve(Recorder().fit, np.ones((3, 1)), ["a", "b"], np.ones((1, 1)), ["a"])


@pytest.mark.slow
@pytest.mark.parametrize("by_training", [0.0, 0.05])
@pytest.mark.parametrize(
    ("a", "b", "c", "n"),
    [
        (0.6, 0.35, 0, 12),
        (0.6, 0.35, 0, 24),
        (0.6, 0.35, 0, 100),
        (0.6, 0.5, 0.1, 24),
        (0, 1, 0.2, 24),
    ],
)
def test_coverage_of_forecasts(a, b, c, n, by_training):
    """Nearly all of them where there is a floor: the high end does not assume one."""
    truth, held = gain(a, b, n), []
    for seed in range(200):
        low, high = simulated(a, b, c, n, seed=seed, by_training=by_training).forecast().interval
        held.append(low <= truth <= high)
    assert np.mean(held) >= 0.92


@pytest.mark.slow
def test_forecasts_on_digits():
    """What 20 more digits a class brought on the average is what was forecast."""
    rows, labels = load_digits(return_X_y=True)
    rows = rows / 16
    found, brought = [], []
    for seed in range(20):
        order = np.random.default_rng(seed).permutation(len(rows))
        now, then, test, rest = order[:240], order[:440], order[700:1000], order[700:]

        def fit(rows, labels):
            return LogisticRegression(max_iter=1000).fit(rows, labels)

        curve = learning_curve(fit, rows[now], labels[now], rows[test], labels[test])
        found.append(curve.forecast(20))
        brought.append(
            fit(rows[then], labels[then]).score(rows[rest], labels[rest])
            - fit(rows[now], labels[now]).score(rows[rest], labels[rest])
        )
    mean = float(np.mean(brought))
    assert np.mean([low <= mean <= high for low, high in (each.interval for each in found)]) >= 0.85


def test_no_gain_goes_beyond_all_images_right():
    """A fit may find more at the next size than there is room for."""
    sizes = np.array([5.0, 10, 20, 40])
    wrong = [[20, 22], [8, 9], [3, 4], [1, 1]]
    right = np.array([[np.arange(60) >= n for n in some] for some in wrong])
    found = LearningCurve(sizes, (sizes * 3).astype(int), right).forecast(20)
    assert max(found.gain or 0, found.interval[1]) <= 1 / 60 + 1e-9
    right[-1] = True
    found = LearningCurve(sizes, (sizes * 3).astype(int), right).forecast(20)
    assert found.in_words().endswith(": all of the 60 held-out images are right already")
