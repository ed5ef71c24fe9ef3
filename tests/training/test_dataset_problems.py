"""Contradictions and near-duplicates are found and named, with both images of each pair."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import bottlebank as bb
from bottlebank.datasets.splits import Split
from bottlebank.training.dataset_problems import Pair, contradictions, describe, near_pairs
from bottlebank.training.split import split_table

from ..conftest import picture
from ..toys.toy_table import toy_table


@pytest.fixture
def extract(photos, cache):
    def extract():
        return bb.extract(photos, "random", cache=cache, engine="openvino", precision="float32")

    return extract


def found_in(table, splits=None):
    if splits is not None:
        table = dataclasses.replace(table, splits=splits)
    decided = split_table(table)
    return describe(contradictions(table, decided), table, decided)


def names(pairs):
    return [
        tuple("/".join(pair[name].split("/")[-2:]) for name in ("path", "of")) for pair in pairs
    ]


def test_a_tidy_dataset_has_none(extract):
    assert found_in(extract()) == []


def test_equal_files_under_two_and_three_labels(photos, extract):
    shutil.copy(photos / "disc" / "03.png", photos / "checks" / "copy.png")
    shutil.copy(photos / "disc" / "03.png", photos / "disc" / "same label.png")
    shutil.copy(photos / "disc" / "03.png", photos / "stripes" / "x.png")
    found = found_in(extract())
    assert names(found) == [
        ("disc/03.png", "checks/copy.png"),
        ("disc/same label.png", "checks/copy.png"),
        ("stripes/x.png", "checks/copy.png"),
    ]
    assert all(pair["equal"] for pair in found)
    assert [(pair["label"], pair["of_label"]) for pair in found] == [
        ("disc", "checks"),
        ("disc", "checks"),
        ("stripes", "checks"),
    ]
    assert len({pair["split"] for pair in found} | {pair["of_split"] for pair in found}) == 1


def test_a_copy_without_a_label_hides_no_contradiction():
    features = np.random.default_rng(0).normal(size=(4, 12)).astype(np.float32)
    table = toy_table(features, ["", "a", "b", ""], Path("none"))
    table.keys[1:3] = [table.keys[0]] * 2
    decided = Split(np.array(["", "train", "train", ""]), declared=False, warnings=[])
    assert contradictions(table, decided) == [Pair(2, 1, equal=True)]


def test_equal_files_in_two_declared_splits(photos, extract):
    shutil.copy(photos / "disc" / "03.png", photos / "disc" / "copy.png")
    table = extract()
    splits = ["test" if path.endswith("copy.png") else "train" for path in table.paths]
    (pair,) = found_in(table, splits)
    assert names([pair]) == [("disc/copy.png", "disc/03.png")]
    assert (pair["label"], pair["of_label"]) == ("disc", "disc")
    assert (pair["split"], pair["of_split"]) == ("test", "train")
    assert found_in(table) == []  # the contents decide, and are equal


@pytest.mark.parametrize("side_px", [40, 60, 96])
def test_a_scaled_copy_under_another_label_within_one_split(photos, extract, side_px):
    with Image.open(photos / "disc" / "03.png") as original:
        original.resize((side_px, side_px)).save(photos / "stripes" / "x.png")
    table = extract()
    (pair,) = found_in(table, ["train"] * len(table))
    assert names([pair]) == [("stripes/x.png", "disc/03.png")]
    assert not pair["equal"]
    assert not pair["left_out"]
    assert (pair["split"], pair["of_split"]) == ("train", "train")


def test_many_copies_with_the_right_label_hide_none_with_a_wrong_one(photos, extract):
    with Image.open(photos / "disc" / "03.png") as original:
        for side_px in range(49, 59):
            original.resize((side_px, side_px)).save(photos / "disc" / f"copy-{side_px}.png")
        original.resize((60, 60)).save(photos / "stripes" / "x.png")
    table = extract()
    found = found_in(table, ["train"] * len(table))
    assert {pair["label"] for pair in found} | {pair["of_label"] for pair in found} == {
        "disc",
        "stripes",
    }
    assert all(path == "stripes/x.png" for path, _ in names(found))


def test_near_duplicates_in_two_splits(photos, extract):
    for number in range(20):
        with Image.open(photos / "disc" / f"{number:02d}.png") as original:
            original.resize((60, 60)).save(photos / "disc" / f"{number:02d}-again.png")
    table = extract()
    decided = split_table(table)
    found = describe(near_pairs(decided), table, decided)
    assert len(found) == len(decided.near) > 3
    order = ["train", "validation", "test"]
    for pair in found:
        assert order.index(pair["split"]) > order.index(pair["of_split"])
        assert pair["path"].split("/")[-1][:2] == pair["of"].split("/")[-1][:2]
        assert (pair["label"], pair["of_label"]) == ("disc", "disc")
        assert pair["left_out"]
        assert not pair["equal"]
    judged = {
        path for side in order for path in (table.paths[row] for row in decided.rows(side).tolist())
    }
    assert judged.isdisjoint(pair["path"] for pair in found)


def test_an_image_that_is_gone_does_not_matter(photos, extract):
    picture("disc", 3).resize((60, 60)).save(photos / "stripes" / "x.png")
    table = extract()
    (photos / "stripes" / "x.png").unlink()
    assert found_in(table, ["train"] * len(table)) == []
