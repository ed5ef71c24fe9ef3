"""From a head to a fine-tuned extractor and its head."""

import shutil

import h5py
import numpy as np
import pytest

import bottlebank as bb
from bottlebank.cache import CacheFolder
from bottlebank.errors import (
    BottlebankError,
    DamagedShardError,
    DatasetError,
    UsageError,
    WeightsNotFoundError,
)
from bottlebank.features import Recipe
from bottlebank.features.backbones.weights import Weights, file_sha256
from bottlebank.prediction.neighbours import trained_on, tuned_on
from bottlebank.training.compare import compare
from bottlebank.training.finetuning import frozen_rows
from bottlebank.training.finetuning.trainer import Trainer


def arrays_of(file):
    found = {}
    with h5py.File(file) as held:
        held.visititems(
            lambda name, each: (
                found.update({name: each[()]}) if isinstance(each, h5py.Dataset) else None
            )
        )
    return found


def test_it_learns_and_keeps_the_best_epoch(tuned, case):
    assert tuned.blocks == ["block_2", "top_conv"]
    assert tuned.n_weights == 3 * 3 * 12 * 12 + 3 * 3 * 12 * 24 + 24 * 3 + 3
    losses = [epoch.validation_loss for epoch in tuned.epochs.history]
    assert len(losses) == 4
    assert losses[tuned.epochs.best - 1] == min(losses) < tuned.epochs.start.validation_loss
    assert tuned.paired["test"].images == tuned.trained.evaluations["test"].images
    assert not (tuned.head_file.parent / "checkpoint.npz").exists()
    saved = bb.load_head(tuned.head_file)
    assert saved.version == tuned.head.version
    assert saved.unknown is not None or len(tuned.trained.split.rows("validation")) < 19
    assert saved.golden is not None


def test_only_what_is_unfrozen_has_changed_and_no_batch_normalisation(tuned, toy, tmp_path):
    before = tmp_path / "before.weights.h5"
    before.write_bytes(toy.tunable(toy.LINE, Weights("seed", None)).weights_file())
    was, now = arrays_of(before), arrays_of(tuned.extractor)
    assert was.keys() == now.keys()
    changed = {name for name in was if not np.array_equal(was[name], now[name])}
    assert len(changed) == 2  # the kernels of block_2 and top_conv
    assert all(was[name].ndim == 4 for name in changed)


def test_the_saved_head_predicts_what_training_saw(tuned, case):
    """Through the new extractor, from pixels; training saw maps that were kept in float16."""
    table = bb.extract(
        case.photos, "tunable", weights=tuned.extractor, cache=case.cache, precision="float32"
    )
    assert table.recipe.fingerprint == tuned.table.recipe.fingerprint
    assert table.report.extracted == 0
    rows = tuned.trained.split.rows("validation")
    probabilities = tuned.head.predict_proba(table.features[rows])
    right = np.array(tuned.head.classes)[probabilities.argmax(axis=1)] == table.labels[rows]
    best = tuned.epochs.history[tuned.epochs.best - 1]
    assert right.mean() == best.validation_accuracy
    of_class = np.searchsorted(tuned.head.classes, table.labels[rows])
    loss = -np.log(probabilities[np.arange(len(rows)), of_class]).mean()
    assert loss == pytest.approx(best.validation_loss, rel=1e-3)


def test_the_new_extractor_is_found_beside_the_head_or_where_it_is_named(tuned, case, tmp_path):
    photo = next(case.photos.rglob("*.png"))
    expected = bb.load_predictor(tuned.head_file, cache=case.cache)(photo)
    elsewhere = shutil.copytree(tuned.head_file.parent, tmp_path / "elsewhere")
    found = bb.load_predictor(elsewhere / "head.h5", cache=tmp_path / "empty")(photo)
    assert found.label == expected.label
    moved = (elsewhere / "extractor.weights.h5").rename(tmp_path / "moved.weights.h5")
    with pytest.raises(WeightsNotFoundError, match="put it beside the head, or name its path"):
        bb.load_predictor(elsewhere / "head.h5", cache=tmp_path / "other")(photo)
    named = bb.load_predictor(elsewhere / "head.h5", weights=moved, cache=tmp_path / "other")
    assert named(photo).label == expected.label


def test_the_frozen_part_is_cached_once_and_is_no_features(tuned, case, tmp_path):
    with CacheFolder(case.cache) as folder:
        recipes = [Recipe.from_dict(folder.recipe(name)) for name in folder.fingerprints()]
        frozen = [recipe for recipe in recipes if recipe.is_frozen_part]
        assert [recipe.layers for recipe in frozen] == [("block_2_conv",)]
        assert frozen[0].width == 8 * 8 * 12
        assert folder.variants(frozen[0].fingerprint) == ["float32-float16"]
        assert len(folder.open(frozen[0].fingerprint, "float32-float16")) < 60
    going_on = bb.extract(case.photos, None, cache=case.cache)
    assert not going_on.recipe.is_frozen_part
    assert going_on.report.extracted == 0


class StoppedError(Exception):
    """In the place of whatever ends a run."""


def test_a_run_that_was_ended_goes_on_to_the_same_bytes(tuned, case, tmp_path, caplog):
    def stop(number, epoch):
        if number == 2:
            raise StoppedError

    with pytest.raises(StoppedError):
        case.finetune(tmp_path, on_epoch=stop)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint.npz"]
    with pytest.raises(UsageError, match=r"other settings .*learning rate 0.01 → 0.001.*--output"):
        case.finetune(tmp_path, learning_rate=1e-3)
    with pytest.raises(UsageError, match=r"of a run with other settings .*unfreeze 2 → 1"):
        case.finetune(tmp_path, unfreeze=1)
    done = []
    again = case.finetune(tmp_path, on_epoch=lambda number, epoch: done.append(number))
    assert done == [3, 4]
    assert again.epochs.n_resumed == 2
    assert again.epochs.history == tuned.epochs.history
    assert again.extractor.read_bytes() == tuned.extractor.read_bytes()
    assert again.head.version == tuned.head.version


def test_a_damaged_row_is_noticed_and_computed_again(tuned, case, tmp_path):
    cache = shutil.copytree(case.cache, tmp_path / "cache")
    with CacheFolder(cache) as folder:
        recipes = {name: Recipe.from_dict(folder.recipe(name)) for name in folder.fingerprints()}
    [frozen] = [name for name, recipe in recipes.items() if recipe.width == 8 * 8 * 12]
    [shard] = (cache / frozen / "float32-float16").glob("*.h5")
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    with pytest.raises(DamagedShardError, match="run the same command again, which computes its"):
        case._replace(cache=cache).finetune(tmp_path / "out", epochs=1)
    again = case._replace(cache=cache).finetune(tmp_path / "out", epochs=1)
    assert again.epochs.history == tuned.epochs.history[:1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"unfreeze": 0}, "unfreeze is 0; expected a whole number of at least 1"),
        ({"unfreeze": -1}, "unfreeze is -1"),
        (
            {"unfreeze": 9},
            r"cannot unfreeze 9 blocks of tunable: expected 1 to 3.*block_1, bl",
        ),
        ({"epochs": 0}, "epochs is 0"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"learning_rate": 0}, "learning_rate is 0"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_what_cannot_be_meant_is_refused(case, tmp_path, settings, message):
    with pytest.raises(UsageError, match=message):
        case.finetune(tmp_path, **settings)


def test_a_network_that_cannot_be_fine_tuned_is_named(case, trained, tmp_path):
    bb.save_head(trained, tmp_path / "head.h5")
    with pytest.raises(UsageError, match=r"^random cannot be fine-tuned: expected a network of"):
        case._replace(head=tmp_path / "head.h5").finetune(tmp_path / "out")
    with pytest.raises(UsageError, match=r"expected the path of a head file: bb.save_head"):
        bb.finetune(case.photos, trained.head, tmp_path / "out")


def test_other_classes_than_those_of_the_head_are_refused(case, tmp_path):
    photos = shutil.copytree(case.photos, tmp_path / "photos")
    (photos / "disc").rename(photos / "ball")
    with pytest.raises(DatasetError, match=r"it does not know 'ball'; without 'disc'\): train a"):
        case._replace(photos=photos).finetune(tmp_path / "out")


def weighted_list(case, folder, weight_of):
    """A CSV file of the photographs."""
    rows = [
        f"{path},{path.parent.name},{weight_of(path.parent.name)}"
        for path in sorted(case.photos.rglob("*.png"))
    ]
    file = folder / "weighted.csv"
    file.write_text("\n".join(["path,label,w", *rows]))
    return file


def test_weights_that_the_head_was_trained_with_are_asked_for(case, tmp_path, caplog):
    listed = weighted_list(case, tmp_path, {"disc": 0, "checks": 1, "stripes": 2}.get)
    dataset = bb.load_dataset(listed, weights_column="w")
    case = case._replace(cache=shutil.copytree(case.cache, tmp_path / "cache"))
    common = {"cache": case.cache, "precision": "float32", "engine": "openvino"}
    trained = bb.train_head(bb.extract(dataset, "tunable", **common))
    bb.save_head(trained, tmp_path / "head.h5")
    weighed = case._replace(head=tmp_path / "head.h5")
    with pytest.raises(DatasetError, match=r"not know 'disc'\): it was .* again with --weights-co"):
        weighed.finetune(tmp_path / "out", epochs=1)
    assert "the head was trained with weights of images, and none are given" in caplog.text
    caplog.clear()
    weighed._replace(photos=dataset).finetune(tmp_path / "out", epochs=1)
    assert "weights of images" not in caplog.text
    with pytest.raises(DatasetError, match=r"without 'disc'\): it was .* leave out --weights-c"):
        case._replace(photos=dataset).finetune(tmp_path / "other", epochs=1)


def test_without_validation_images_no_epoch_can_be_chosen(case, tmp_path):
    listed = tmp_path / "photos.csv"
    rows = [f"{path},{path.parent.name},train" for path in sorted(case.photos.rglob("*.png"))]
    listed.write_text("\n".join(["path,label,split", *rows]))
    with pytest.raises(DatasetError, match="the validation split has no images, by which the best"):
        case._replace(photos=listed).finetune(tmp_path / "out")


def test_files_of_others_are_not_replaced(case, tuned, tmp_path):
    (tmp_path / "extractor.weights.h5").write_bytes(b"of somebody else")
    with pytest.raises(UsageError, match="is not the extractor of a head beside it"):
        case.finetune(tmp_path)
    with pytest.raises(UsageError, match=r"head.h5 is also the input: name another folder"):
        case._replace(head=tuned.head_file).finetune(tuned.head_file.parent)
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"the folder .*file/out cannot be made"):
        case.finetune(tmp_path / "file" / "out")


def test_too_little_room_is_said_before_anything_is_computed(case, tmp_path, monkeypatch):
    usage = shutil._ntuple_diskusage(10**9, 10**9 - 1000, 1000)
    monkeypatch.setattr(frozen_rows.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(BottlebankError, match=r"takes .* in the cache .*unfreeze fewer blocks"):
        case.finetune(tmp_path, unfreeze=1)


def test_a_loss_that_is_not_finite_ends_the_run(case, tmp_path, monkeypatch):
    monkeypatch.setattr(Trainer, "train", lambda self, batch: float("nan"))
    with pytest.raises(BottlebankError, match=r"diverges: .* expected a lower --learning-rate"):
        case.finetune(tmp_path)


def test_the_result_of_an_earlier_run_is_replaced(tuned, case, tmp_path):
    folder = shutil.copytree(tuned.head_file.parent, tmp_path / "tuned")
    before = file_sha256(folder / "extractor.weights.h5")
    again = case.finetune(folder, epochs=1, learning_rate=1e-3)
    assert again.extractor == folder / "extractor.weights.h5"
    assert file_sha256(again.extractor) != before
    assert again.table.recipe.weights_sha256 == file_sha256(again.extractor)


def test_images_that_a_network_was_tuned_on_do_not_judge_it(tuned, case):
    """Weights alone do not show what they have seen: the cache does."""
    settings = {"cache": case.cache, "precision": "float32", "engine": "openvino"}
    before = bb.extract(case.photos, "tunable", **settings)
    after = bb.extract(case.photos, "tunable", weights=tuned.extractor, **settings)
    seen = set(tuned.trained.split.rows("train").tolist())
    assert set(np.flatnonzero(tuned_on(after)).tolist()) == seen
    assert not tuned_on(before).any()

    few = np.concatenate(
        [np.flatnonzero(before.labels == name)[:15] for name in ["checks", "stripes"]]
    )
    assert bb.train_head(before.some(few)).cross_validated is not None
    again = bb.train_head(after.some(few))
    assert again.cross_validated is None
    assert set(np.flatnonzero(trained_on(again.head, after)).tolist()) >= seen

    found = compare([before, after], ["logistic"], names=["frozen", "tuned"])
    assert found.tuned_on == len(seen)
    assert found.images == len(before) - found.in_test - len(seen)
    alone = compare([before], ["logistic"])
    assert alone.tuned_on == 0
    assert alone.images == len(before) - alone.in_test


@pytest.fixture
def few(case, tmp_path):
    """So few images of each class that a head is cross-validated, and the head."""
    photos = shutil.copytree(case.photos, tmp_path / "few")
    for path in photos.rglob("1[5-9].png"):
        path.unlink()
    settings = {"cache": case.cache, "precision": "float32", "engine": "openvino"}
    trained = bb.train_head(bb.extract(photos, "tunable", **settings))
    assert trained.cross_validated is not None
    bb.save_head(trained, tmp_path / "few.h5")
    return case._replace(photos=photos, head=tmp_path / "few.h5")


def test_no_fold_judges_a_network_by_images_that_it_has_seen(few, tmp_path):
    tuned = few.finetune(tmp_path / "out", epochs=1)
    assert tuned.trained.cross_validated is None
