import dataclasses

import numpy as np
import pytest

import bottlebank as bb
from bottlebank.errors import DatasetError, UsageError
from bottlebank.training.compare import compare


def extract_with(cache):
    def extract(dataset, extractor):
        return bb.extract(dataset, extractor, cache=cache, engine="openvino", precision="float32")

    return extract


def test_heads_are_judged_on_the_same_unseen_images(photos, cache):
    seen = []
    found = compare(
        bb.load_dataset(photos),
        ["knn", "logistic"],
        ["random"],
        n_folds=4,
        on_fold=lambda name, fold: seen.append((name, fold)),
        extract_with=extract_with(cache),
    )
    assert {trial.head for trial in found.trials} == {"knn", "logistic"}
    assert sorted(seen) == sorted(
        (f"random, {head}", fold) for head in ("knn", "logistic") for fold in range(4)
    )
    best, other = (trial.standing for trial in found.trials)
    assert best.accuracy >= other.accuracy > 0.6  # chance is 0.33
    assert best.p_value is None
    assert 0 < other.p_value <= 1
    low, high = best.interval
    assert low < best.accuracy <= high
    assert found.folds == 4


def test_the_test_side_takes_no_part(photos, cache):
    dataset = bb.load_dataset(photos)
    splits = ["test" if number % 3 == 0 else "train" for number in range(len(dataset))]
    declared = dataclasses.replace(dataset, splits=splits)
    found = compare(declared, ["knn"], ["random"], n_folds=3, extract_with=extract_with(cache))
    assert found.images == splits.count("train")


def test_labels_without_sense_are_not_found(photos, cache):
    dataset = bb.load_dataset(photos)
    labels = np.random.default_rng(0).permutation(dataset.labels).tolist()
    shuffled = dataclasses.replace(dataset, labels=labels)
    found = compare(shuffled, ["logistic"], ["random"], extract_with=extract_with(cache))
    assert found.trials[0].standing.accuracy < 0.6


def test_what_cannot_be_compared(photos, cache):
    dataset = bb.load_dataset(photos)
    with pytest.raises(UsageError, match="expected heads of logistic, dense, knn, received 'svm'"):
        compare(dataset, ["svm"], ["random"], extract_with=extract_with(cache))
    with pytest.raises(UsageError, match="at least one extractor"):
        compare(dataset, ["knn"], [], extract_with=extract_with(cache))


@pytest.mark.parametrize("counts", [(1, 20), (2, 2), (1, 1), (3, 4), (1, 1, 1)])
def test_classes_of_few_images_are_compared(photos, cache, counts):
    dataset = bb.load_dataset(photos)
    labels = np.array(dataset.labels)
    rows = np.concatenate(
        [
            np.flatnonzero(labels == name)[:count]
            for name, count in zip(dataset.classes, counts, strict=False)
        ]
    )
    few = dataclasses.replace(
        dataset,
        paths=[dataset.paths[row] for row in rows],
        labels=labels[rows].tolist(),
        splits=["train"] * len(rows),
    )
    found = compare(few, ["logistic", "knn"], ["random"], extract_with=extract_with(cache))
    assert found.images == len(rows)
    assert found.folds == min(5, len(rows))
    assert (found.rejected, found.in_test) == (0, 0)
    if len(rows) < 5:
        assert f"5 folds were requested, {len(rows)} images differ" in found.warnings[0]


def test_a_class_in_the_test_split_alone_cannot_be_compared(photos, cache):
    dataset = bb.load_dataset(photos)
    splits = ["train" if label == "disc" else "test" for label in dataset.labels]
    declared = dataclasses.replace(dataset, splits=splits)
    with pytest.raises(DatasetError, match="without the images of its test split, has one class"):
        compare(declared, ["knn"], ["random"], extract_with=extract_with(cache))


@pytest.mark.parametrize("form", [str, lambda photos: photos, bb.load_dataset])
def test_it_takes_what_extract_takes_and_shows_how_far_it_is(
    photos, cache, monkeypatch, capfd, form
):
    monkeypatch.setenv("BOTTLEBANK_CACHE", str(cache))
    found = compare(form(photos), ["knn"], ["random"], n_folds=2, progress=True)
    assert found.images + found.in_test == 60
    assert "Fitting" in capfd.readouterr().err
    compare(form(photos), ["knn"], ["random"], n_folds=2, progress=False)
    assert capfd.readouterr().err == ""
