import dataclasses

import numpy as np

import bottlebank as bb
from bottlebank.training import evaluate_split
from bottlebank.training.learning_curve import train_learning_curve


def test_more_training_images_are_tried_on_the_same_split(table, trained):
    evaluated = evaluate_split(trained.head, table)
    curve = train_learning_curve(trained.head, table, evaluated)
    assert curve.n_rows[-1] == len(trained.split.rows("train"))
    assert curve.right.shape == (len(curve.sizes), 3, len(evaluated.rows))
    # The last heads are trained on all images, with the strength of the head itself.
    own = trained.head.predict_proba(table.features[evaluated.rows]).argmax(axis=1)
    right = np.array(trained.head.classes)[own] == table.labels[evaluated.rows]
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
