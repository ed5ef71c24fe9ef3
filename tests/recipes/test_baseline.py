"""The baseline learns what three convolutions can, and nothing else."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from bottlebank.errors import ImageRejectedError
from bottlebank.features.images.decoding_shares import Allowed
from bottlebank.features.images.fit import Preprocessing, decode_and_resize
from bottlebank.recipes import baseline
from bottlebank.recipes.baseline import train_baseline
from bottlebank.training.split import split_table


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(baseline, "FILTERS", (8, 16, 16))
    monkeypatch.setattr(baseline, "LEARNING_RATE", 0.01)
    monkeypatch.setattr(baseline, "BATCH_SIZE", 8)


def right(found, labels):
    return (found.classes[found.probabilities.argmax(axis=1)] == labels).mean()


def test_it_learns_and_keeps_its_best_epoch(table, small):
    split = split_table(table)
    rows = np.r_[split.rows("validation"), split.rows("test")]
    seen = []
    found = train_baseline(table, split, rows, max_epochs=25, on_epoch=seen.append)
    assert found.probabilities.shape == (len(rows), 3)
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, atol=1e-5)
    assert right(found, table.labels[rows]) > 0.7  # chance is 0.33
    assert seen == list(range(1, len(seen) + 1))
    assert 1 <= found.best_epoch <= len(seen)
    again = train_baseline(table, split, rows, max_epochs=found.best_epoch)
    np.testing.assert_allclose(again.probabilities, found.probabilities, atol=1e-3)


def test_only_training_labels_teach_it(table, small):
    """A class that is named otherwise in training alone is answered by that name, and is wrong."""
    split = split_table(table)
    train, test = split.rows("train"), split.rows("test")
    labels = table.labels.copy()
    swapped = {"checks": "stripes", "stripes": "checks", "disc": "disc"}
    labels[train] = [swapped[label] for label in labels[train]]
    validation = split.rows("validation")
    labels[validation] = [swapped[label] for label in labels[validation]]
    found = train_baseline(dataclasses.replace(table, labels=labels), split, test, max_epochs=25)
    assert right(found, table.labels[test]) < 0.5
    assert right(found, np.array([swapped[label] for label in table.labels[test]])) > 0.7


def test_pixels_are_in_a_file_and_as_large_as_is_allowed(table, small):
    with baseline._decoding(table, 48 * 48, Allowed(1)) as pixels:
        found = pixels(np.array([3, 0, 3]))
    assert isinstance(found, np.memmap)
    np.testing.assert_array_equal(found[0], found[2])
    own = decode_and_resize(Path(table.paths[0]).read_bytes(), Preprocessing((64, 64))).pixels
    np.testing.assert_array_equal(found[1], own)
    with pytest.raises(ImageRejectedError, match="checks/00.png: .*pixels"):  # noqa: SIM117
        with baseline._decoding(table, 48 * 48 - 1, Allowed(1)) as pixels:
            pixels(np.array([0]))


def test_images_of_weight_0_take_no_part(table, small):
    weights = np.ones(60)
    weights[table.labels == "disc"] = 0
    weighed = dataclasses.replace(table, weights=weights)
    split = split_table(weighed)
    found = train_baseline(weighed, split, split.rows("test"), max_epochs=1)
    assert found.classes.tolist() == ["checks", "stripes"]
