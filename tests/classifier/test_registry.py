"""Each line of the registry is true of the head that it names."""

import inspect
import json

import numpy as np
import pytest

from bottlebank.classifier import Head, load_head, write_head_file
from bottlebank.classifier.estimator import HeadEstimator, LayeredHead
from bottlebank.classifier.fitting import fit_head
from bottlebank.classifier.registry import HEADS, make_head, resolve, saved_head_names

SMALL = {"dense": {"hidden": (8,)}}
"""Settings with which a head trains quickly."""


@pytest.mark.parametrize("name", HEADS)
def test_the_estimator_is_what_the_line_says(name):
    estimator = resolve(HEADS[name].estimator)
    assert issubclass(estimator, HeadEstimator)
    assert estimator.kind == name
    assert issubclass(estimator, LayeredHead) == (not HEADS[name].not_saved)
    assert set(HEADS[name].settings) <= set(inspect.signature(estimator).parameters)
    assert HEADS[name].in_words


@pytest.mark.parametrize("name", saved_head_names())
def test_a_head_that_is_saved_predicts_what_its_estimator_does(name, three_classes, tmp_path):
    rows, labels = three_classes
    settings = {"random_state": 3, "class_weight": "balanced", **SMALL.get(name, {})}
    fitted = fit_head(name, rows, labels, validation=(rows[::3], labels[::3]), **settings)
    json.dumps(fitted.facts)
    head = Head(
        kind=name,
        classes=tuple(np.unique(labels).tolist()),
        layers=fitted.layers,
        recipe={},
        precision="float32",
    )
    write_head_file(head, tmp_path / "head.h5")
    loaded = load_head(tmp_path / "head.h5")
    assert loaded.kind == name
    assert np.mean(np.array(loaded.classes)[loaded.predict_proba(rows).argmax(1)] == labels) > 0.9


@pytest.mark.parametrize("name", [name for name, head in HEADS.items() if head.fit])
def test_training_without_scikit_learn_gives_the_same(name, three_classes):
    rows, labels = three_classes
    settings = {"random_state": 3, "class_weight": "balanced"}
    fitted = fit_head(name, rows, labels, **settings)
    estimator = make_head(name, **settings).fit(rows, labels)
    for mine, its in zip(fitted.layers, estimator.layers_, strict=True):
        np.testing.assert_array_equal(np.array(mine), np.array(its))
    assert fitted.facts == estimator.training_facts()
