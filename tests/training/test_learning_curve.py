import dataclasses

import numpy as np
import pytest

import bottlebank as bb
from bottlebank.training import evaluate_split
from bottlebank.training.learning_curve import train_learning_curve


def test_more_training_images_are_tried_on_the_same_split(table, trained):
    evaluated = evaluate_split(trained.head, table)
    curve = train_learning_curve(trained.head, table, evaluated)
    assert curve.n_rows[-1] == len(trained.split.rows("train"))
    assert curve.right.shape == (len(curve.sizes), 3, len(evaluated.rows))
    # The last heads are trained as the head was.
    own = trained.head.predict_proba(table.features[evaluated.rows]).argmax(axis=1)
    right = np.array(trained.head.classes)[own] == table.labels[evaluated.rows]
    np.testing.assert_array_equal(curve.right[-1], [right] * 3)


@pytest.mark.parametrize("class_weight", ["balanced", {"disc": 50.0, "checks": 0.1}])
def test_the_curve_ends_at_a_head_with_class_weights(table, class_weight):
    few = (table.labels != "disc") | (np.arange(len(table)) % 4 == 0)
    splits = ["train" if row % 2 == 0 and few[row] else "test" for row in range(len(table))]
    noise = np.random.default_rng(0).normal(size=table.features.shape)
    noisy = (table.features + 6 * table.features.std(axis=0) * noise).astype(np.float32)
    table = dataclasses.replace(table, splits=splits)
    vars(table)["features"] = noisy  # in the place of those in the cache
    head = bb.train_head(table, class_weight=class_weight).head
    evaluated = evaluate_split(head, table)
    predicted = head.predict_proba(table.features[evaluated.rows]).argmax(axis=1)
    right = np.array(head.classes)[predicted] == table.labels[evaluated.rows]
    unweighted = bb.train_head(table).head.predict_proba(table.features[evaluated.rows])
    assert (unweighted.argmax(axis=1) != predicted).any()
    curve = train_learning_curve(head, table, evaluated)
    np.testing.assert_array_equal(curve.right[-1], [right] * 3)


def test_there_is_none_of_training_images(table, trained):
    for split in ("train", "all"):
        evaluated = evaluate_split(trained.head, table, split)
        assert train_learning_curve(trained.head, table, evaluated) is None
    labels = table.labels.tolist()
    splits = ["train" if label == "disc" else "test" for label in labels]
    evaluated = evaluate_split(trained.head, dataclasses.replace(table, splits=splits))
    assert train_learning_curve(trained.head, table, evaluated) is None


def test_a_dense_head_has_a_curve_of_logistic_heads(table):
    head = bb.train_head(table, "dense", hidden=(8,)).head
    curve = train_learning_curve(head, table, evaluate_split(head, table))
    assert curve.accuracy[-1] > 0.6  # chance is 0.33
