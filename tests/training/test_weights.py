"""Weights of images: from the CSV file to what is trained, calibrated and evaluated."""

import csv
import dataclasses

import numpy as np
import pytest

import bottlebank as bb
from bottlebank.classifier.open_set import UnknownRule
from bottlebank.errors import DatasetError, UsageError
from bottlebank.training import evaluate_split
from bottlebank.training.compare import compare
from bottlebank.training.dataset_problems import contradictions
from bottlebank.training.learning_curve import train_learning_curve


def weigh(table, rows, weight):
    weights = np.ones(len(table))
    weights[rows] = weight
    return dataclasses.replace(table, weights=weights)


def without(table, rows):
    """The table, as if it had been extracted from a dataset without these images."""
    rest = np.setdiff1d(np.arange(len(table)), rows)
    return dataclasses.replace(table.some(rest), weights=None)


LEFT_OUT = {
    "some": [0, 3, 21, 22, 40, 59],
    "a class": list(range(20, 40)),
    "most of a class": list(range(1, 20)),
}


@pytest.mark.parametrize("rows", LEFT_OUT.values(), ids=LEFT_OUT)
@pytest.mark.parametrize("kind", ["logistic", pytest.param("dense", marks=pytest.mark.slow)])
def test_an_image_of_weight_0_changes_no_bit(table, kind, rows):
    """Splits, fit, calibration, `unknown`, near-duplicates and figures are as without it."""
    settings = {"hidden": 4, "max_epochs": 5} if kind == "dense" else {}
    there = bb.train_head(weigh(table, rows, 0), kind, class_weight="balanced", **settings)
    gone = bb.train_head(without(table, rows), kind, class_weight="balanced", **settings)
    assert there.head.version == gone.head.version
    assert isinstance(gone.head.unknown, UnknownRule) == isinstance(there.head.unknown, UnknownRule)
    assert there.near_duplicates == gone.near_duplicates
    assert there.split.warnings == gone.split.warnings
    for name, found in gone.evaluations.items():
        assert (found is None) == (there.evaluations[name] is None)
        if found is not None:
            assert there.evaluations[name].as_dict() == found.as_dict()
    assert set(there.split.of_row[rows]) == {""}
    rest = np.setdiff1d(np.arange(len(table)), rows)
    assert there.split.of_row[rest].tolist() == gone.split.of_row.tolist()


def test_it_is_in_no_figures_either(table):
    rows = LEFT_OUT["some"]
    weighed, gone = weigh(table, rows, 0), without(table, rows)
    trained = bb.train_head(weighed)
    assert trained.cross_validated.images == 54
    found = evaluate_split(trained.head, weighed, "all")
    assert found.evaluation.images == 54
    assert not set(rows) & set(found.rows.tolist())
    assert compare([weighed], ["logistic", "knn"], n_folds=3)._replace(trials=[]) == compare(
        [gone], ["logistic", "knn"], n_folds=3
    )._replace(trials=[])
    one, other = (
        [trial.standing for trial in compare([some], ["logistic", "knn"], n_folds=3).trials]
        for some in (weighed, gone)
    )
    assert one == other
    double = dataclasses.replace(table, keys=[*table.keys[:59], table.keys[0]])
    assert contradictions(double, trained.split)
    assert not contradictions(weigh(double, [59], 0), trained.split)


def test_cross_validated_figures_are_those_without_it(table):
    few = table.some(np.r_[:8, 20:28, 40:48])
    rows = [2, 9, 23]
    there = bb.train_head(weigh(few, rows, 0)).cross_validated
    gone = bb.train_head(without(few, rows)).cross_validated
    assert there.as_dict() == gone.as_dict()
    assert there.rows.tolist() == np.setdiff1d(np.arange(24), rows).tolist()


@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_an_image_of_weight_2_is_the_image_twice(table, class_weight):
    """Copies share content, and so split and fold: the fit is the same to the last bit."""
    rows = np.arange(0, 60, 7)
    doubled = table.some(np.concatenate([np.arange(60), rows]))
    weighed = bb.train_head(weigh(table, rows, 2), class_weight=class_weight).head
    twice = bb.train_head(doubled, class_weight=class_weight).head
    plain = bb.train_head(table, class_weight=class_weight).head
    np.testing.assert_allclose(
        weighed.predict_proba(table.features), twice.predict_proba(table.features), atol=1e-6
    )
    for mine, its in zip(weighed.layers, twice.layers, strict=True):
        np.testing.assert_array_equal(np.array(mine), np.array(its))
    for mine, its in zip(weighed.arrays().values(), twice.arrays().values(), strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-5, atol=1e-7)
    if weighed.unknown is not None:
        expected = pytest.approx(twice.unknown.numbers(), rel=1e-6)
        assert weighed.unknown.numbers() == expected
    assert not np.array_equal(weighed.layers.kernels[0], plain.layers.kernels[0])


def test_weights_of_1_are_no_weights(table):
    weighed = bb.train_head(weigh(table, [0], 1))
    assert weighed.head.version == bb.train_head(table).head.version
    assert weighed.head.training["weighted"] is True


def test_what_is_trained_again_is_trained_with_the_weights(table):
    """Cross-validation and learning curve; without the weights there is no cross-validation."""
    few = table.some(np.r_[:8, 20:28, 40:48])
    random = np.random.default_rng(0)
    weighed = dataclasses.replace(few, weights=random.choice([0.1, 1, 30], 24))
    trained = bb.train_head(weighed)
    found = evaluate_split(trained.head, weighed)
    np.testing.assert_array_equal(
        found.cross_validated.probabilities, trained.cross_validated.probabilities
    )
    assert evaluate_split(trained.head, few).cross_validated is None
    plain = bb.train_head(few)
    assert not np.array_equal(
        plain.cross_validated.probabilities, trained.cross_validated.probabilities
    )
    assert evaluate_split(plain.head, weighed).cross_validated is None
    one, other = (
        train_learning_curve(trained.head, some, evaluate_split(trained.head, some, "validation"))
        for some in (weighed, few)
    )
    assert one.n_rows.tolist() == other.n_rows.tolist()


def test_weights_that_do_not_belong_to_the_table(table):
    with pytest.raises(UsageError, match=r"sample_weight has the shape \(3,\); .*, which is \(60,"):
        bb.train_head(dataclasses.replace(table, weights=np.ones(3)))
    with pytest.raises(UsageError, match="zero for every row"):
        bb.train_head(weigh(table, slice(None), 0))
    with pytest.raises(DatasetError, match="has one class only"):
        bb.train_head(weigh(table, slice(20, 60), 0))


@pytest.fixture
def listed(photos, tmp_path):
    """A CSV file of the pictures: two weigh 0, the first is named twice, with weights 1 and 3."""
    paths = sorted(photos.rglob("*.png"))
    weights = {paths[1]: "0", paths[30]: "0", paths[2]: "2,5"}
    rows = [[str(path), path.parent.name, weights.get(path, "")] for path in paths]
    rows.append([str(paths[0]), paths[0].parent.name, "3"])
    with (tmp_path / "list.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["path", "label", "w"], *rows])
    return tmp_path / "list.csv"


def test_from_the_file_to_the_table(listed, cache):
    dataset = bb.load_dataset(listed, weights_column="w")
    table = bb.extract(dataset, "random", cache=cache, engine="openvino", precision="float32")
    assert table.weights.dtype == np.float64
    assert table.weights[[0, 1, 2, 30, 60]].tolist() == [1, 0, 2.5, 0, 3]
    merged = weigh(table.some(np.arange(60)), [0], 4)
    merged.weights[[1, 2, 30]] = [0, 2.5, 0]
    one, other = bb.train_head(table).head, bb.train_head(merged).head
    np.testing.assert_array_equal(one.layers.kernels[0], other.layers.kernels[0])
