"""What rows weigh: 0 is as if a row were not there, 2 as if it were there twice."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bottlebank.classifier import DenseHead, LogisticHead, NearestHead
from bottlebank.classifier import logistic_solver as likelihood
from bottlebank.classifier.fitting import fit_head
from bottlebank.classifier.layers import standardisation
from bottlebank.classifier.open_set import fit_unknown
from bottlebank.classifier.temperature import fit_temperature
from bottlebank.classifier.weights import distinct
from bottlebank.errors import UsageError

from .conftest import blobs, rare_and_common


def quick_dense(**settings):
    return DenseHead(hidden=(8,), max_epochs=6, **settings)


def three_blobs():
    """Rows that overlap, so that no head is certain; some of them twice."""
    rows, labels = blobs(3, 40, spread=4)
    return np.vstack([rows, rows[:9]]), np.append(labels, labels[:9])


ODD = {
    "a few": [0, 7, 55, 128],
    "half of them": list(range(0, 129, 2)),
    "a class": np.flatnonzero(three_blobs()[1] == "class 1").tolist(),
}


@pytest.mark.parametrize("class_weight", [None, "balanced"])
@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize("make", [LogisticHead, quick_dense, NearestHead])
def test_a_row_of_weight_0_changes_no_bit(make, odd, class_weight):
    """Whatever is in it: also where it would be a class, a fold or a scale of its own."""
    rows, labels = three_blobs()
    rest = np.setdiff1d(np.arange(len(rows)), odd)
    weights = np.random.default_rng(1).choice([0.25, 1, 3], len(rows))
    weights[odd] = 0
    with_them = rows.copy()
    with_them[odd] *= 1e4
    settings = {} if make is NearestHead else {"class_weight": class_weight}
    there = make(**settings).fit(with_them, labels, sample_weight=weights)
    gone = make(**settings).fit(rows[rest], labels[rest], sample_weight=weights[rest])
    assert there.classes_.tolist() == gone.classes_.tolist()
    np.testing.assert_array_equal(there.predict_proba(rows), gone.predict_proba(rows))


def test_a_validation_row_of_weight_0_stops_nothing():
    rows, labels = three_blobs()
    weights = np.ones(49)
    weights[5:20] = 0
    kept = weights > 0
    train, held_out = (rows[49:], labels[49:]), (rows[:49], labels[:49])
    there = quick_dense().fit(*train, validation=(*held_out, weights))
    gone = quick_dense().fit(*train, validation=(held_out[0][kept], held_out[1][kept]))
    assert there.history_ == gone.history_


@pytest.mark.parametrize("class_weight", [None, "balanced", {"class 2": 3.0}])
@pytest.mark.parametrize("n_to_choose", [10_000, 60])
def test_a_logistic_row_of_weight_2_is_the_row_twice(class_weight, n_to_choose, monkeypatch):
    monkeypatch.setattr(likelihood, "_ROWS_TO_CHOOSE", n_to_choose)
    rows, labels = three_blobs()
    times = np.random.default_rng(2).integers(1, 4, len(rows))
    head = LogisticHead(class_weight=class_weight)
    weighed = head.fit(rows, labels, sample_weight=times).predict_proba(rows)
    plain = LogisticHead(class_weight=class_weight).fit(rows, labels).predict_proba(rows)
    copies = np.repeat(np.arange(len(rows)), times)
    copies = np.random.default_rng(3).permutation(copies)  # wherever the copies stand
    repeated = LogisticHead(class_weight=class_weight).fit(rows[copies], labels[copies])
    np.testing.assert_allclose(repeated.predict_proba(rows), weighed, rtol=0, atol=1e-6)
    assert repeated.strength_ == head.strength_
    assert np.abs(plain - weighed).max() > 1e-3, "weights would mean nothing here"


@pytest.mark.parametrize("n_neighbours", [1, 4, 10, 1000])
def test_a_neighbour_of_weight_2_is_the_row_twice(n_neighbours):
    rows, labels = three_blobs()
    times = np.random.default_rng(2).integers(0, 4, len(rows))
    weighed = NearestHead(n_neighbours).fit(rows, labels, sample_weight=times)
    repeated = NearestHead(n_neighbours).fit(rows.repeat(times, 0), labels.repeat(times))
    np.testing.assert_allclose(
        repeated.predict_proba(rows), weighed.predict_proba(rows), rtol=0, atol=1e-6
    )


def test_the_last_neighbour_votes_with_what_is_left():
    rows = np.array([[2, 0], [0, 1], [-3, 0]], np.float32)
    head = NearestHead(n_neighbours=2).fit(rows, ["a", "b", "c"], sample_weight=[0.5, 1, 4])
    # Cosines 1, 0 and -1 make votes of 1, 1/2 and 0, times 1/2, 1 and 1/2; 1/3 for each class.
    expected = np.array([[1 / 2 + 1 / 3, 1 / 2 + 1 / 3, 1 / 3]]) / 2
    np.testing.assert_allclose(head.predict_proba([[7.0, 0.0]]), expected, rtol=1e-6)


def test_halves_of_a_row_are_the_row_and_the_order_means_nothing():
    rows, labels = three_blobs()
    plain = LogisticHead().fit(rows, labels)
    order = np.random.default_rng(0).permutation(2 * len(rows))
    twice, twice_labels = np.vstack([rows, rows])[order], np.append(labels, labels)[order]
    halves = LogisticHead().fit(twice, twice_labels, sample_weight=np.full(len(order), 0.5))
    for mine, its in zip(plain.layers_, halves.layers_, strict=True):
        np.testing.assert_array_equal(np.array(mine), np.array(its))


@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_weights_mean_what_they_mean_in_scikit_learn(class_weight):
    rows, labels = three_blobs()
    weights = np.random.default_rng(4).gamma(1.0, size=len(rows))
    ours = LogisticHead(0.01, class_weight=class_weight).fit(rows, labels, sample_weight=weights)
    balance = {
        name: weights.sum() / (3 * weights[labels == name].sum()) for name in np.unique(labels)
    }
    peer = LogisticRegression(C=0.01, class_weight=class_weight and balance, tol=1e-7)
    theirs = make_pipeline(StandardScaler(), peer).fit(
        rows,
        labels,
        standardscaler__sample_weight=weights,
        logisticregression__sample_weight=weights,
    )
    np.testing.assert_allclose(ours.predict_proba(rows), theirs.predict_proba(rows), atol=2e-3)


def test_a_dense_head_takes_what_weighs_more_more_seriously():
    """Rows of two minds: the heavier ones decide."""
    rows, _ = blobs(2, 200)
    labels = np.where(np.arange(400) % 4 == 0, "rare", "common")  # nothing in the rows tells
    heavy = np.where(labels == "rare", 30.0, 1.0)
    settings = {"hidden": (), "max_epochs": 30, "learning_rate": 0.01}
    assert (DenseHead(**settings).fit(rows, labels).predict(rows) == "common").mean() > 0.9
    weighed = DenseHead(**settings).fit(rows, labels, sample_weight=heavy)
    assert (weighed.predict(rows) == "rare").mean() > 0.9


def test_the_validation_loss_of_a_dense_head_is_weighed():
    rows, labels = rare_and_common(600)
    weights = np.random.default_rng(0).gamma(1.0, size=200)
    validation = rows[400:], labels[400:]
    head = quick_dense().fit(rows[:400], labels[:400], validation=(*validation, weights))
    codes = np.searchsorted(head.classes_, validation[1])
    own = head.predict_proba(validation[0])[np.arange(200), codes]
    best = head.history_[head.best_epoch_ - 1].validation_loss
    assert best == pytest.approx(np.average(-np.log(own), weights=weights), abs=1e-4)


@pytest.mark.parametrize("name", ["logistic", "dense"])
def test_by_its_name_a_head_takes_the_same_weights(name):
    rows, labels = three_blobs()
    weights = np.random.default_rng(0).integers(0, 3, len(rows))
    settings = {"hidden": (4,)} if name == "dense" else {}
    fitted = fit_head(name, rows, labels, sample_weight=weights, **settings)
    kinds = {"logistic": LogisticHead, "dense": DenseHead}
    estimator = kinds[name](**settings).fit(rows, labels, sample_weight=weights)
    np.testing.assert_allclose(
        fitted.layers.probabilities(rows), estimator.predict_proba(rows), atol=1e-5
    )


def test_standardisation_counts_by_weight():
    rows = np.random.default_rng(0).gamma(0.5, size=(3000, 4)).astype(np.float32)
    times = np.random.default_rng(1).integers(1, 4, 3000)
    for found, expected in zip(
        standardisation(rows, times.astype(float)),
        standardisation(rows.repeat(times, 0)),
        strict=True,
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    for found, expected in zip(
        standardisation(rows, np.ones(3000)), standardisation(rows), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_calibration_counts_by_weight():
    random = np.random.default_rng(0)
    logits = random.normal(scale=3, size=(80, 3))
    codes = np.where(random.random(80) < 0.7, logits.argmax(axis=1), random.integers(0, 3, 80))
    times = random.integers(1, 4, 80)
    repeated = fit_temperature(logits.repeat(times, 0), codes.repeat(times))
    assert fit_temperature(logits, codes, times) == pytest.approx(repeated, rel=1e-6)
    assert fit_temperature(logits, codes) != pytest.approx(repeated, rel=1e-3)


def test_the_threshold_of_unknown_counts_by_weight():
    random = np.random.default_rng(0)
    rows = random.gamma(np.eye(3)[np.arange(300) % 3] + 0.3).astype(np.float32)
    codes = np.arange(300) % 3
    layers = LogisticHead().fit(rows[:200], codes[:200]).layers_
    times = random.integers(1, 4, 100)
    fit = (layers, rows[:200], codes[:200])
    weighed = fit_unknown(*fit, rows[200:], held_out_weights=times)
    repeated = fit_unknown(*fit, rows[200:].repeat(times, 0))
    assert weighed.numbers() == pytest.approx(repeated.numbers(), rel=1e-5)
    plain = fit_unknown(*fit, rows[200:])
    assert weighed.threshold != pytest.approx(plain.threshold, rel=1e-4)
    heavy = fit_unknown(*fit, rows[200:], weights=np.where(codes[:200] == 0, 100.0, 1.0))
    assert not np.array_equal(heavy.prototypes, plain.prototypes)


def test_copies_are_rows_of_the_same_bytes_and_class():
    rows = np.array([[0, 1], [0, 1], [-0.0, 1], [0, 1], [5, 5]], np.float32)
    codes = np.array([0, 0, 0, 1, 0])
    positions, weights = distinct(rows, codes, np.array([1.0, 2, 4, 8, 16]))
    found = {(rows[p].tobytes(), codes[p].item()): w for p, w in zip(positions, weights)}  # noqa: B905
    assert found == {
        (rows[0].tobytes(), 0): 3,
        (rows[2].tobytes(), 0): 4,
        (rows[3].tobytes(), 1): 8,
        (rows[4].tobytes(), 0): 16,
    }


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, 1], r"has the shape \(2,\)"),
        (np.ones((3, 1)), r"has the shape \(3, 1\)"),
        ([1, -1, 1], r"sample_weight\[1\] is -1.0; expected 0, or a number from 1e-09 to 1e\+09"),
        ([1, 1, np.nan], r"sample_weight\[2\] is nan"),
        ([np.inf, 1, 1], r"sample_weight\[0\] is inf"),
        ([1, 1e-300, 1], r"sample_weight\[1\] is 1e-300"),
        ([1, 1e300, 1], r"sample_weight\[1\] is 1e\+300"),
        (["a", 1, 1], r"sample_weight is \['a', 1, 1\]"),
        ("heavy", "sample_weight is 'heavy'"),
        ([0, 0, 0], "zero for every row: no row is left"),
        ([1, 1, 0], "only one class is present: 'a'"),
    ],
)
@pytest.mark.parametrize("make", [LogisticHead, quick_dense, NearestHead])
def test_weights_that_cannot_be_meant(make, weights, message):
    with pytest.raises(UsageError, match=message):
        make().fit(np.eye(3, dtype=np.float32), ["a", "a", "b"], sample_weight=weights)


@pytest.mark.parametrize("weights", [2, [2, 2, 2], (2, 2, 2), np.array([2, 2, 2], np.int8)])
def test_weights_may_be_any_numbers(weights):
    rows = np.eye(3, dtype=np.float32)
    head = NearestHead(2).fit(rows, ["a", "a", "b"], sample_weight=weights)
    assert head.weights_.tolist() == [2, 2, 2]
