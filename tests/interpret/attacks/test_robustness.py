"""The curve of a head: figures that follow from each other, and from nothing but the images."""

from __future__ import annotations

import os

import pytest

import bottlebank
from bottlebank.errors import UsageError
from bottlebank.interpret.attacks import robustness as module
from bottlebank.interpret.attacks.robustness import robustness

BUDGETS = ["1/255", "64/255"]


def sample(table, n=10):
    rows = range(0, len(table), len(table) // n)
    return [table.paths[row] for row in rows], [str(table.labels[row]) for row in rows]


def test_what_cannot_be_is_said_and_figures_follow_from_each_other(trained, table, cache, tmp_path):
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"\xff\xd8\xff")
    for images, labels, settings, message in [
        ([], [], {}, "received 0 images and 0 labels"),
        (["a"], [], {}, "received 1 images and 0 labels"),
        (["a"], ["disc"], {"budgets": "x"}, "expected a budget"),
        (["a"], ["disc"], {"engine": "openvino"}, "computes no gradients"),
        (["a"], ["disc"], {"resume": photo}, r"photo\.jpg exists and is not an interrupted"),
    ]:
        with pytest.raises(UsageError, match=message):
            robustness(images, labels, trained.head, cache=cache, **settings)
    assert photo.read_bytes() == b"\xff\xd8\xff"
    paths, labels = sample(table)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG")
    labels[0] = os.fsdecode(b"of no class \xff")  # a folder's name that is no UTF-8
    kept, there = tmp_path / "kept.json", []
    found = robustness(
        *([*paths, broken], [*labels, "disc"], trained.head),
        budgets=BUDGETS,
        steps=4,
        cache=cache,
        resume=kept,
        on_found=lambda found: there.append((found, kept.exists())),
    )
    assert there == [(found, True)]
    assert not kept.exists()
    assert found.images == len(paths)
    assert [path for path, _ in found.rejected] == [str(broken)]
    clean, small, large = found.at
    predictor = bottlebank.load_predictor(trained.head, cache=cache)
    right = sum(predictor(path).label == label for path, label in zip(paths, labels, strict=True))
    assert clean.right == right < len(paths)
    assert [each.levels for each in found.at] == [0, 1, 64]
    for each in found.at:
        assert each.right + each.flipped == right
        assert each.accuracy == each.right / len(paths)
        assert each.flipped_unknown is None or each.flipped_unknown <= each.flipped
    assert clean.flipped == 0 <= small.flipped <= large.flipped
    assert large.flipped > 0
    assert found.as_dict()["budgets"][2]["budget"] == "64/255"


@pytest.mark.slow
def test_an_interrupted_measurement_goes_on(trained, table, cache, tmp_path, monkeypatch):
    paths, labels = sample(table)
    settings = {"budgets": BUDGETS, "steps": 4, "cache": cache}
    whole = robustness(paths, labels, trained.head, **settings)
    kept = tmp_path / "kept.partial.json"
    monkeypatch.setattr(module, "_GROUP", 4)
    attacked = []
    attack = module._Measurement._attacked

    def stops(self, *arguments):
        attacked.append(len(arguments[1]))
        if len(attacked) == 2:
            raise KeyboardInterrupt
        return attack(self, *arguments)

    monkeypatch.setattr(module._Measurement, "_attacked", stops)
    with pytest.raises(KeyboardInterrupt):
        robustness(paths, labels, trained.head, resume=kept, **settings)
    assert kept.exists()
    again = robustness(paths, labels, trained.head, resume=kept, **settings)
    assert again == whole
    assert sum(attacked) == 4 + len(paths)
    assert not kept.exists()


@pytest.mark.slow
def test_without_any_image_that_can_be_decoded_there_is_no_curve(trained, cache):
    with pytest.raises(UsageError, match=r"none of the images can be decoded.*gone\.png"):
        robustness(["gone.png"], ["disc"], trained.head, cache=cache)
