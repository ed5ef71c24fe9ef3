"""Evaluation says which of its images a head was trained on."""

import dataclasses
import logging
import shutil

import numpy as np
import pytest

import bottlebank as bb
from bottlebank.prediction.neighbours import trained_on
from bottlebank.training import evaluate_split


@pytest.fixture
def on_all(table):
    """A head that was trained on all rows, as a lone folder `train` declares."""
    return bb.train_head(dataclasses.replace(table, splits=["train"] * len(table))).head


def test_a_declared_test_split_was_not_trained_on(table, caplog):
    splits = ["test" if number % 4 == 0 else "train" for number in range(len(table))]
    declared = dataclasses.replace(table, splits=splits)
    head = bb.train_head(declared).head
    seen = evaluate_split(head, declared).trained_on
    assert (seen.images, seen.near_duplicates + seen.without.images) == (0, 15)
    with caplog.at_level(logging.WARNING):
        bb.evaluate_head(head, declared)
    assert "was trained on" not in caplog.text
    assert bool(caplog.records) == bool(seen.near_duplicates)
    assert evaluate_split(head, declared, "train").trained_on.without is None


def test_training_images_under_another_split_are_counted(table, on_all, caplog):
    evaluated = evaluate_split(on_all, table)
    assert evaluated.name == "test"
    assert evaluated.trained_on.images == evaluated.evaluation.images
    assert evaluated.trained_on.without is None
    with caplog.at_level(logging.WARNING):
        bb.evaluate_head(on_all, table)
    assert "the head was trained on" in caplog.text


def test_all_images_and_the_figures_of_those_that_are_new(table):
    trained = bb.train_head(table)
    evaluated = evaluate_split(trained.head, table, "all")
    seen = evaluated.trained_on
    mask = trained_on(trained.head, table)
    np.testing.assert_array_equal(np.flatnonzero(mask), trained.split.rows("train"))
    assert seen.images == mask.sum()
    assert seen.images + seen.near_duplicates + seen.without.images == len(table)
    new = np.flatnonzero(~mask)
    if not seen.near_duplicates:
        answers = trained.head.predict_proba(table.features[new]).argmax(axis=1)
        right = np.array(trained.head.classes)[answers] == table.labels[new]
        assert seen.without.accuracy == pytest.approx(right.mean())
    assert seen.as_dict()["without"]["images"] == seen.without.images


def test_where_the_cache_does_not_know_it_cannot_be_told(table, trained, cache, caplog):
    for path in cache.glob("*/training-*.npz"):
        path.unlink()
    assert evaluate_split(trained.head, table).trained_on is None
    with caplog.at_level(logging.WARNING):
        bb.evaluate_head(trained.head, table)
    assert "some of these images is unknown" in caplog.text
    fitted = bb.LogisticHead().fit(table.features, table.labels)
    saved = dataclasses.replace(trained.head, layers=fitted.layers_, training={})
    assert evaluate_split(saved, table).trained_on is None


def test_the_command_line_says_so(photos, cache, tmp_path, capsys):
    from bottlebank.cli import main

    (tmp_path / "all").mkdir()
    shutil.copytree(photos, tmp_path / "all" / "train")
    head = str(tmp_path / "h.h5")
    place = ["--cache", str(cache), "--precision", "float32"]
    assert (
        main(["train", f"{tmp_path}/all", "--output", head, "--extractor", "random", *place]) == 0
    )
    capsys.readouterr()
    report = ["--report", f"{tmp_path}/report"]
    assert main(["evaluate", f"{tmp_path}/all/train", "--head", head, *place, *report]) == 0
    said = capsys.readouterr()
    assert "warning: the head was trained on" in said.err
    assert "no image is left without them" in said.out
    assert "the figures are too good" in (tmp_path / "report" / "report.html").read_text()
