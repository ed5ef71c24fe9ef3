import numpy as np
import pytest

from bottlebank.classifier import LogisticHead
from bottlebank.classifier.cross_validation import out_of_fold


class Recorder:
    """A head that notes what it is given, and finds all its classes equally probable."""

    def __init__(self, classes):
        self.classes = classes

    def fit(self, features, labels):
        self.trained_on = set(features[:, 0].tolist())
        assert sorted(set(labels.tolist())) == self.classes

    def predict_proba(self, features):
        assert not self.trained_on & set(features[:, 0].tolist())
        return np.full((len(features), len(self.classes)), 1 / len(self.classes))


def test_no_row_is_judged_by_a_head_that_was_trained_on_it():
    labels = np.array(list("aabbccc"))
    folds = np.array([0, 1, 0, 1, 2, 2, 2])
    rows = np.arange(7, dtype="f4")[:, None]
    seen = []
    found = out_of_fold(Recorder, rows, labels, folds, seen.append)
    assert seen == [0, 1, 2]
    assert len(found.fit_seconds) == 3
    assert found.classes.tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1)
    np.testing.assert_allclose(found.probabilities[:4], 1 / 3)
    np.testing.assert_allclose(found.probabilities[4:], [[0.5, 0.5, 0]] * 3)  # c is never learned


def test_one_class_that_is_left_is_the_answer():
    labels, folds = np.array(["a", "b"]), np.array([0, 1])
    found = out_of_fold(Recorder, np.zeros((2, 1), "f4"), labels, folds)
    assert found.predicted.tolist() == ["b", "a"]


@pytest.mark.parametrize("sense", [True, False])
def test_labels_are_found_only_where_they_have_sense(sense):
    random = np.random.default_rng(0)
    labels = np.array(["cat", "dog"])[np.arange(60) % 2]
    rows = random.normal(size=(60, 30)).astype("f4")
    if sense:
        rows[labels == "cat", 0] += 6
    found = out_of_fold(lambda classes: LogisticHead(), rows, labels, np.arange(60) // 12)
    accuracy = (found.predicted == labels).mean()
    assert accuracy > 0.8 if sense else 0.25 < accuracy < 0.75
