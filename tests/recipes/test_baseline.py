"""The baseline learns what three convolutions can, and nothing else."""

import dataclasses

import numpy as np
import pytest

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


def test_labels_without_sense_are_not_learned(table, small):
    labels = np.random.default_rng(0).permutation(table.labels)
    senseless = dataclasses.replace(table, labels=labels)
    split = split_table(senseless)
    rows = np.r_[split.rows("validation"), split.rows("test")]
    assert right(train_baseline(senseless, split, rows, max_epochs=5), labels[rows]) < 0.75


def test_images_of_weight_0_take_no_part(table, small):
    weights = np.ones(60)
    weights[table.labels == "disc"] = 0
    weighed = dataclasses.replace(table, weights=weights)
    split = split_table(weighed)
    found = train_baseline(weighed, split, split.rows("test"), max_epochs=1)
    assert found.classes.tolist() == ["checks", "stripes"]
