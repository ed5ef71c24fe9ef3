"""A prediction for each image, by heads that had not seen it."""

import dataclasses

import numpy as np
import pytest

import bottlebank as bb
from bottlebank.classifier.cross_validation import out_of_fold
from bottlebank.classifier.logistic_held_out import held_out_logistic
from bottlebank.errors import DatasetError, HeadMismatchError, ImageRejectedError
from bottlebank.training import judged as judged_module
from bottlebank.training.head_settings import HeadSettings
from bottlebank.training.judged import judge

from ..toys.toy_table import toy_rows, toy_table


@pytest.fixture
def table(tmp_path):
    """90 images of 3 classes, well apart."""
    rows, codes = toy_rows(90, 3)
    return toy_table(rows, np.array(["boot", "كتاب", "<script>"])[codes], tmp_path / "cache")


@pytest.mark.parametrize(("n", "k"), [(40, 2), (105, 7)])
def test_all_folds_in_one_fit_are_as_good_as_each_by_itself(n, k):
    rows, codes = toy_rows(n, k, spread=0.6)
    folds = np.arange(n) // k % 5
    found = held_out_logistic(rows, codes, folds, k)
    alone = out_of_fold(HeadSettings().estimator, rows, codes, folds)
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1)
    same = (found.probabilities.argmax(axis=1) == alone.predicted).mean()
    assert same > 0.9
    right = (found.probabilities.argmax(axis=1) == codes).mean()
    assert right >= (alone.predicted == codes).mean() - 0.03


def test_a_row_has_no_part_in_its_own_prediction():
    rows, codes = toy_rows(60, 3)
    folds = np.arange(60) // 3 % 5
    before = held_out_logistic(rows, codes, folds, 3, strengths=(1e-2,)).probabilities
    other = codes.copy()
    other[0] = (codes[0] + 1) % 3
    after = held_out_logistic(rows, other, folds, 3, strengths=(1e-2,)).probabilities
    mine = folds == folds[0]
    moved = np.abs(after - before).max(axis=1)  # fits stop at a tolerance
    assert moved[mine].max() < 0.01 < moved[~mine].max()


def test_a_class_of_one_fold_is_not_predicted_there():
    rows, codes = toy_rows(30, 3)
    folds = np.where(codes == 2, 0, np.arange(30) // 3 % 3)
    found = held_out_logistic(rows, codes, folds, 3).probabilities
    assert (found[folds == 0, 2] == 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_rows_in_no_fold_change_nothing_and_are_predicted():
    rows, codes = toy_rows(66, 3)
    folds = np.where(np.arange(66) < 60, np.arange(66) // 3 % 5, -1)
    found = held_out_logistic(rows, np.where(folds < 0, 0, codes), folds, 3).probabilities
    alone = held_out_logistic(rows[:60], codes[:60], folds[:60], 3).probabilities
    np.testing.assert_allclose(found[:60], alone, atol=1e-6)
    assert found[60:].argmax(axis=1).tolist() == codes[60:].tolist()


def test_each_image_is_predicted_out_of_fold(table):
    judged = judge(table)
    assert judged.classes == sorted(set(table.labels.tolist()))
    assert (judged.predicted == table.labels).mean() > 0.9
    np.testing.assert_allclose(judged.probabilities.sum(axis=1), 1)
    np.testing.assert_array_equal(judged.confidence, judged.probabilities.max(axis=1))
    assert judged.fair.all()
    assert not judged.unknown.any()
    assert judged.in_words.startswith("out of fold: 5 logistic heads")
    np.testing.assert_array_equal(judge(table).probabilities, judged.probabilities)


def test_a_flipped_label_is_predicted_as_it_was(table):
    labels = table.labels.copy()
    names = sorted(set(labels.tolist()))
    labels[::20] = [names[(names.index(label) + 1) % len(names)] for label in labels[::20]]
    judged = judge(table.with_labels(labels))
    assert (judged.predicted[::20] == table.labels[::20]).mean() > 0.8


def test_images_without_label_or_weight_are_predicted_and_teach_nothing(table, tmp_path):
    def judged_with(labels):
        return judge(toy_table(table.features, labels, tmp_path / "cache", weights=weights))

    labels, weights = table.labels.copy(), np.ones(len(table))
    labels[3], weights[5] = "", 0
    judged = judged_with(labels)
    assert "" not in judged.classes
    assert judged.predicted[[3, 5]].tolist() == table.labels[[3, 5]].tolist()
    other = labels.copy()
    other[5] = "nothing that is there"
    assert judged_with(other).classes == judged.classes


def test_a_head_gives_its_own_probabilities(table, monkeypatch):
    head = bb.train_head(table).head
    assert not judge(table, head).fair.any()  # this cache does not know
    seen = np.arange(len(table)) < 60
    monkeypatch.setattr(judged_module, "trained_on", lambda head, table: seen)
    judged = judge(table, head)
    np.testing.assert_allclose(judged.probabilities, head.predict_proba(table.features))
    assert judged.classes == list(head.classes)
    np.testing.assert_array_equal(judged.unknown, head.answer(table.features).unknown)
    np.testing.assert_array_equal(judged.fair, ~seen)
    assert judged.in_words == f"by the head {head.version}, which was trained on 60 of 90 images"
    recipe = {**head.recipe, "weights_sha256": "1" * 64}
    with pytest.raises(HeadMismatchError, match="other transfer values"):
        judge(table, dataclasses.replace(head, recipe=recipe))


def test_one_class_and_classes_of_one_image(table):
    one = table.some(np.flatnonzero(table.labels == table.labels[0])[:2])
    judged = judge(one)
    assert judged.predicted.tolist() == one.labels.tolist()
    assert not judged.fair.any()
    _, firsts = np.unique(table.labels, return_index=True)
    single = judge(table.some(firsts[:2]))
    assert not single.fair.any()
    assert single.confidence.shape == (2,)


def test_without_labels_or_images(table):
    with pytest.raises(DatasetError, match="none of the images has a label"):
        judge(table.with_labels(np.full(len(table), "")))
    with pytest.raises((DatasetError, ImageRejectedError), match="no images"):
        judge(table.some(np.array([], int)))


def test_constant_features_and_many_classes(table):
    flat = dataclasses.replace(table)
    vars(flat)["features"] = np.ones_like(table.features)
    judged = judge(flat)
    assert np.isfinite(judged.probabilities).all()
    many = table.with_labels(np.array([f"c{row // 2}" for row in range(len(table))]))
    assert judge(many).probabilities.shape == (len(table), len(set(many.labels.tolist())))
