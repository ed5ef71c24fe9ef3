"""The training images behind an answer, and another head on an extractor that runs."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import bottlebank as bb
from bottlebank.cache import CacheFolder
from bottlebank.classifier import write_head_file
from bottlebank.errors import HeadFileError, HeadMismatchError
from bottlebank.prediction import NoTrainingImagesError, open_training_images
from bottlebank.prediction.neighbours import (
    remember_training_rows,
    remember_tuning_rows,
    tuned_on,
)


def test_the_nearest_of_a_training_image_is_itself(trained, table, cache):
    images = open_training_images(trained.head, cache)
    rows = trained.split.rows("train")
    assert len(images) == len(rows)
    for row, near in zip(rows, images.nearest(table.features[rows], 3), strict=True):
        assert near[0].key == str(table.keys[row])
        assert near[0].label == table.labels[row]
        assert near[0].file == table.paths[row].rpartition("/")[2]
        assert near[0].similarity == pytest.approx(1, abs=1e-5)
        assert near[0].similarity >= near[1].similarity >= near[2].similarity
        assert near[0].similarity <= 1


def test_no_image_of_another_side_is_named(trained, table, cache):
    images = open_training_images(trained.head, cache)
    others = {
        str(table.keys[row]) for side in ("validation", "test") for row in trained.split.rows(side)
    }
    named = {near.key for some in images.nearest(table.features, 50) for near in some}
    assert others
    assert not named & others


def test_more_neighbours_than_there_are(trained, table, cache):
    images = open_training_images(trained.head, cache)
    assert len(images.nearest(table.features[:1], 10_000)[0]) == len(images)


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b"no arrays"),
        lambda path: np.savez(path, keys=np.zeros((2, 32), "u1"), labels=np.zeros(3, "u1")),
        lambda path: np.savez(path, keys=np.array([{}], object), labels=np.zeros(3, "u1")),
    ],
    ids=["gone", "damaged", "other lengths", "objects"],
)
def test_what_the_cache_has_lost_is_said(trained, table, cache, harm):
    (path,) = (cache / table.report.fingerprint).glob("training-*.npz")
    harm(path)
    with pytest.raises(NoTrainingImagesError, match=r"has no list of this head's training images"):
        open_training_images(trained.head, cache)


def test_another_cache_knows_nothing(trained, tmp_path):
    with pytest.raises(NoTrainingImagesError, match="name the cache that it was trained with"):
        open_training_images(trained.head, tmp_path / "other")


def test_rows_that_are_gone_are_said(trained, table, cache):
    for shard in cache.glob("*/*/*.h5"):
        shard.unlink()
    with pytest.raises(
        NoTrainingImagesError, match="no longer holds all training images of this head"
    ):
        open_training_images(trained.head, cache)


@pytest.mark.parametrize("name", [None, 3, "../../x", "0" * 15, "training"])
def test_a_head_cannot_name_a_file_elsewhere(trained, cache, name):
    head = dataclasses.replace(trained.head, training={"rows": name})
    with pytest.raises(NoTrainingImagesError, match="has no list of"):
        open_training_images(head, cache)


def test_equal_training_is_kept_once_and_the_last_twenty(trained, table, cache):
    folder = cache / table.report.fingerprint
    bb.train_head(table, seed=3)
    assert len(list(folder.glob("training-*.npz"))) == 1
    with CacheFolder(cache) as opened:
        names = [
            remember_training_rows(table, np.arange(number, 40), opened) for number in range(30)
        ]
    kept = {path.stem.removeprefix("training-") for path in folder.glob("training-*.npz")}
    assert len(kept) == 20
    assert kept == set(names[-20:])


def test_another_head_takes_the_place_of_the_first(trained, table, cache, tmp_path):
    write_head_file(trained.head, tmp_path / "first.h5")
    write_head_file(bb.train_head(table, coverage=0.8, seed=1).head, tmp_path / "second.h5")
    first = bb.load_predictor(tmp_path / "first.h5", cache=cache)
    second = first.with_head(tmp_path / "second.h5")
    assert second.extractor is first.extractor
    assert second.version == bb.load_predictor(tmp_path / "second.h5", cache=cache).version


def test_a_head_of_another_extractor_is_refused(trained, cache, tmp_path):
    write_head_file(trained.head, tmp_path / "first.h5")
    running = bb.load_predictor(tmp_path / "first.h5", cache=cache)
    recipe = {**trained.head.recipe, "fit": "crop"}
    write_head_file(dataclasses.replace(trained.head, recipe=recipe), tmp_path / "crop.h5")
    with pytest.raises(HeadMismatchError, match=r"another extractor than the one that runs.*fit"):
        running.with_head(tmp_path / "crop.h5")
    changed = trained.head.golden._replace(features=trained.head.golden.features[:, ::-1].copy())
    write_head_file(dataclasses.replace(trained.head, golden=changed), tmp_path / "probe.h5")
    with pytest.raises(HeadMismatchError, match="golden images give other transfer values"):
        running.with_head(tmp_path / "probe.h5")
    (tmp_path / "damaged.h5").write_bytes((tmp_path / "first.h5").read_bytes()[:-200])
    with pytest.raises(HeadFileError, match=r"damaged\.h5"):
        running.with_head(tmp_path / "damaged.h5")


def test_weights_that_are_tuned_again_have_seen_what_they_began_with(table):
    def with_weights(digit):
        recipe = dataclasses.replace(table.recipe, weights_sha256=digit * 64)
        return dataclasses.replace(table, recipe=recipe)

    first, second = with_weights("1"), with_weights("2")
    with CacheFolder(table.report.cache) as folder:
        remember_tuning_rows(first, np.array([0, 1]), "0" * 64, folder)
        remember_tuning_rows(second, np.array([1, 5]), "1" * 64, folder)
    assert np.flatnonzero(tuned_on(first)).tolist() == [0, 1]
    assert np.flatnonzero(tuned_on(second)).tolist() == [0, 1, 5]
    assert not tuned_on(table).any()
