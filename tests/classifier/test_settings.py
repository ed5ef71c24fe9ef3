"""Parameters out of range are refused by name, by every head."""

import numpy as np
import pytest

from bottlebank.classifier import DenseHead, LogisticHead, NearestHead
from bottlebank.errors import UsageError

ROWS = np.random.default_rng(0).normal(size=(30, 8)).astype("float32")
LABELS = np.array(["a", "b", "c"] * 10)
NAN, INFINITE = float("nan"), float("inf")
WRONG = {
    LogisticHead: {
        "strengths": ([-1], [0], [NAN], [INFINITE], [], "0.1", ["0.1"], None, [True], {0.1: 1}, -1),
        "n_folds": (0, 1, -1, 2.5, "4", None),
        "max_iterations": (0, -1, 1.5, "many"),
        "class_weight": ("typo", 2, ["a"], {"d": 1}, {"a": 0}, {"a": -1}, {"a": NAN}, {"a": "1"}),
        "random_state": (-1, 2**32, 0.5, "0"),
    },
    DenseHead: {
        "hidden": ((0,), (-1,), (2.5,), "256", ("8",), None, (8, 0), (True,), [4] * 24),
        "dropout": (-0.1, 1, 1.5, NAN, "0.5", None),
        "batch_norm": ("no", 1, None),
        "output": ("tanh", None, 1),
        "class_weight": ("typo", {"d": 1}, {"a": INFINITE}),
        "learning_rate": (0, -1, NAN, INFINITE, "fast"),
        "batch_size": (0, -1, 1.5, "all"),
        "precision": ("float16", None),
        "max_epochs": (0, -1, 1.5),
        "patience": (0, -1, "long"),
        "validation_fraction": (0, 1, -0.5, 2, NAN),
        "random_state": (-1, 0.5, "0"),
    },
    NearestHead: {"n_neighbours": (0, -1, 2.5, "10", None, True)},
}


@pytest.mark.parametrize(
    ("head", "name", "value"),
    [
        pytest.param(head, name, value, id=f"{head.__name__} {name}={value!r}")
        for head, parameters in WRONG.items()
        for name, values in parameters.items()
        for value in values
    ],
)
def test_what_is_out_of_range_is_refused_by_name(head, name, value):
    with pytest.raises(UsageError, match=name):
        head(**{name: value}).fit(ROWS, LABELS)


def test_one_strength_needs_no_list():
    one, listed = (LogisticHead(strengths=given).fit(ROWS, LABELS) for given in (0.1, [0.1]))
    assert one.strength_ == listed.strength_ == 0.1
    np.testing.assert_array_equal(one.predict_proba(ROWS), listed.predict_proba(ROWS))


def test_a_dict_of_class_weights_weighs_as_in_scikit_learn():
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    weights = {"a": 5.0, "c": 0.5}  # and b weighs 1
    ours = LogisticHead(strengths=0.01, class_weight=weights).fit(ROWS, LABELS)
    peer = LogisticRegression(C=0.01, class_weight={"b": 1.0, **weights}, tol=1e-6)
    theirs = make_pipeline(StandardScaler(), peer).fit(ROWS, LABELS)
    np.testing.assert_allclose(ours.predict_proba(ROWS), theirs.predict_proba(ROWS), atol=2e-3)


@pytest.mark.parametrize(
    ("rows", "labels", "message"),
    [
        (ROWS, LABELS[:-1], "inconsistent numbers of samples"),
        (np.full_like(ROWS, np.nan), LABELS, "contains NaN"),
        (ROWS, ["a"] * 30, "only one class is present: 'a'"),
        (ROWS[0], LABELS, "Expected 2D array"),
        (ROWS[:0], LABELS[:0], "minimum of 1 is required"),
        (ROWS, [None, "a", "b"] * 10, "the labels are of several types, some strings and None"),
    ],
)
@pytest.mark.parametrize("head", [LogisticHead, DenseHead, NearestHead])
def test_rows_and_labels_that_do_not_fit(head, rows, labels, message):
    with pytest.raises(UsageError, match=message):
        head().fit(rows, labels)
