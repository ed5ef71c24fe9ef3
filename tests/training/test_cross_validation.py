"""Where a class has few images, figures are cross-validated on all of them."""

import dataclasses
import logging
from html import unescape

import numpy as np
import pytest

import bottlebank as bb
from bottlebank.training import cross_validation
from bottlebank.training.cross_validation import cross_validate
from bottlebank.training.evaluate import evaluate_split
from bottlebank.training.head_settings import HeadSettings
from bottlebank.training.split import groups_of_alike


def part(table, rows, **changes):
    """Some rows of a table."""
    return dataclasses.replace(
        table,
        paths=[table.paths[row] for row in rows],
        labels=table.labels[rows],
        splits=[None] * len(rows),
        keys=[table.keys[row] for row in rows],
        **changes,
    )


def of_each(table, *counts):
    """The first so many images of each class."""
    names = np.unique(table.labels)
    found = [
        np.flatnonzero(table.labels == name)[:count]
        for name, count in zip(names, counts, strict=False)
    ]
    return part(table, np.concatenate(found))


@pytest.mark.parametrize(
    "counts",
    [(2, 2), (2, 2, 2), (3, 3, 3), (5, 5, 5), (8, 8, 8), (19, 19, 19), (20, 3, 8), (20, 20, 1)],
)
def test_few_images_are_all_evaluated(table, counts):
    few = of_each(table, *counts)
    trained = bb.train_head(few)
    found = trained.cross_validated
    alone = ["stripes"] if counts == (20, 20, 1) else []
    assert found.not_judged == alone
    assert found.folds == min(5, len(few))
    assert found.rows.tolist() == np.flatnonzero(~np.isin(few.labels, alone)).tolist()
    assert found.evaluation.images == len(found.rows) == found.evaluation.confusion_matrix.sum()
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1)
    assert f"in {found.folds} folds on {'40 of 41' if alone else f'all {len(few)}'} images: " in (
        found.in_words()
    )
    n_test = len(trained.split.rows("test"))
    said = "nothing" if n_test < 10 else "little"
    assert found.reason == f"a test split of {n_test} images says {said}"
    assert (
        "'stripes' cannot be evaluated, because it has only one image" in found.in_words()
    ) == bool(alone)
    for name, count in zip(found.classes, counts, strict=True):
        splits = set(trained.split.of_row[few.labels == name].tolist())
        assert len(splits) == min(count, 3)


def test_eight_a_class_are_told_apart_and_evaluated_the_same(table, caplog):
    few = of_each(table, 8, 8, 8)
    trained = bb.train_head(few)
    assert trained.cross_validated.evaluation.accuracy > 0.6  # chance is 0.33
    assert trained.cross_validated.in_words() in unescape(trained._repr_html_())
    evaluated = evaluate_split(trained.head, few)
    again = evaluated.cross_validated
    np.testing.assert_array_equal(again.probabilities, trained.cross_validated.probabilities)
    assert again.as_dict() == trained.cross_validated.as_dict()
    assert evaluated.name == "test"  # whose figures stay what they were
    assert evaluated.evaluation.images == len(trained.split.rows("test"))
    with caplog.at_level(logging.WARNING):
        bb.evaluate_head(trained.head, few)
    assert "cross-validated in 5 folds on all 24 images" in caplog.text


def test_labels_without_sense_are_not_found(table):
    few = of_each(table, 8, 8, 8)
    shuffled = np.random.default_rng(1).permutation(few.labels)
    found = bb.train_head(dataclasses.replace(few, labels=shuffled)).cross_validated
    assert found.evaluation.accuracy < 0.65


def test_a_split_that_is_named_is_what_is_evaluated(table):
    few = of_each(table, 8, 8, 8)
    head = bb.train_head(few).head
    for split in ("train", "test", "all"):
        assert evaluate_split(head, few, split).cross_validated is None


def test_where_the_test_split_does_there_is_no_cross_validation(table, monkeypatch):
    assert bb.train_head(table).cross_validated is None  # 20 a class
    few = of_each(table, 8, 8, 8)
    splits = ["test" if number % 4 == 0 else "train" for number in range(24)]
    declared = dataclasses.replace(few, splits=splits)
    trained = bb.train_head(declared)
    assert trained.cross_validated is None
    assert evaluate_split(trained.head, declared).cross_validated is None
    assert evaluate_split(trained.head, few).cross_validated is None  # trained on another split
    monkeypatch.setattr(cross_validation, "MOST_IMAGES", 23)
    assert bb.train_head(few).cross_validated is None


def test_heads_of_other_images_or_labels_are_evaluated_as_they_are(table):
    few = of_each(table, 8, 8, 8)
    head = bb.train_head(few).head
    assert evaluate_split(head, of_each(table, 9, 9, 12)).cross_validated is None
    renamed = dataclasses.replace(few, labels=np.char.add(few.labels, "!"))
    assert evaluate_split(head, renamed).cross_validated is None
    unknown = dataclasses.replace(head, training={})
    assert evaluate_split(unknown, few).cross_validated is None


def test_nothing_is_said_where_every_class_is_one_image_or_one_group(table):
    ones = of_each(table, 1, 1, 1)
    trained = bb.train_head(ones)
    assert trained.cross_validated is None
    groups = np.repeat(["x", "y", "z"], 6).tolist()
    grouped = dataclasses.replace(of_each(table, 6, 6, 6), groups=groups)
    assert bb.train_head(grouped).cross_validated is None


def test_groups_are_not_torn_by_folds(table, monkeypatch):
    few = dataclasses.replace(
        of_each(table, 8, 8, 8), groups=[f"roll {number % 8 // 2}" for number in range(24)]
    )
    dealt = []
    real = cross_validation.out_of_fold

    def out_of_fold(make_head, features, labels, folds, **weights):
        dealt.append(folds)
        return real(make_head, features, labels, folds, **weights)

    monkeypatch.setattr(cross_validation, "out_of_fold", out_of_fold)
    found = bb.train_head(few).cross_validated
    alike = groups_of_alike(few)
    assert 2 <= found.folds <= 4  # some rolls share near-duplicates
    for group in np.unique(alike):
        assert len(set(dealt[0][alike == group].tolist())) == 1
    for roll in set(few.groups):
        assert len(set(dealt[0][[mine == roll for mine in few.groups]].tolist())) == 1


def test_equal_and_nearly_equal_files_are_evaluated_with_heads_that_have_seen_neither(table):
    """Each image twice, under labels without sense: whoever knew the copy would be right."""
    few = of_each(table, 8, 8, 8)
    labels = np.random.default_rng(3).permutation(few.labels)
    rows = np.repeat(np.arange(24), 2)
    twice = part(dataclasses.replace(few, labels=labels), rows)
    found = bb.train_head(twice).cross_validated
    assert found.evaluation.images == 48
    assert found.evaluation.accuracy < 0.65


def test_a_head_is_trained_again_with_its_settings(table, monkeypatch):
    few = of_each(table, 12, 4, 1)
    weights = {"checks": 2, "stripes": 3.5}
    trained = bb.train_head(few, class_weight=weights, seed=7)
    assert trained.head.training["class_weight"] == {"checks": 2.0, "stripes": 3.5}
    made = []
    real = bb.LogisticHead

    def logistic_head(**settings):
        made.append(settings)
        return real(**settings)

    monkeypatch.setattr("bottlebank.classifier.logistic.LogisticHead", logistic_head)
    cross_validate(trained.head, few, trained.split)
    assert {settings["random_state"] for settings in made} == {7}
    given = [settings["class_weight"] for settings in made]
    assert {"checks": 2.0} in given  # in the fold of the only one of stripes
    assert {"checks": 2.0, "stripes": 3.5} in given


def test_dense_heads_have_the_hidden_layers_of_the_trained_one(table):
    few = of_each(table, 6, 6)
    trained = bb.train_head(few, "dense", hidden=(8, 4))
    assert trained.cross_validated.evaluation.images == 12
    made = HeadSettings.of(trained.head).estimator(["checks", "disc"])
    assert (list(made.hidden), made.class_weight) == ([8, 4], None)


def test_a_rare_class_beside_many_images_is_the_reason(table):
    assert cross_validation._reason(0, "a", 1) == "the test split has no images"
    assert cross_validation._reason(1, "a", 1) == "a test split of 1 image says nothing"
    assert cross_validation._reason(29, "a", 1) == "a test split of 29 images says little"
    assert cross_validation._reason(30, "a", 1) == "the class 'a' has only 1 image"
    assert cross_validation._reason(30, "a", 3) == "the class 'a' has only 3 different images"
