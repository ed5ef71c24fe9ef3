"""From a table to a head file to predictions."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import bottlebank as bb
from bottlebank.classifier import write_head_file
from bottlebank.errors import (
    DatasetError,
    HeadFileError,
    HeadMismatchError,
    ImageRejectedError,
    NotAHeadError,
    UsageError,
    WeightsNotFoundError,
)
from bottlebank.prediction import loading
from bottlebank.training import evaluate_split, extract_for_head, train


@pytest.fixture
def head_file(trained, tmp_path):
    path = tmp_path / "head.h5"
    write_head_file(trained.head, path)
    return path


@pytest.mark.parametrize("kind", ["logistic", "dense"])
def test_a_head_learns_and_judges_itself_on_what_it_has_not_seen(table, kind):
    trained = bb.train_head(table, kind)
    counts = trained.split.counts()
    assert sum(counts.values()) + len(trained.split.near) == 60
    for name, n in counts.items():
        assert trained.evaluations[name].images == n
    assert trained.evaluations["test"].accuracy > 0.8  # chance is 0.33
    assert trained.head.classes == ("checks", "disc", "stripes")
    assert trained.head.recipe == table.recipe.as_dict()
    assert trained.head.training["train"]["images"] == counts["train"]


def test_declared_splits_are_used(table):
    declared = ["train", "validation"] * 30
    trained = bb.train_head(dataclasses.replace(table, splits=declared))
    assert trained.evaluations["train"].images == 30
    assert trained.evaluations["test"] is None
    name, found = bb.evaluate_head(trained.head, dataclasses.replace(table, splits=declared))
    assert (name, found.images) == ("validation", 30)


def test_labels_without_sense_are_not_learned(table):
    shuffled = np.random.default_rng(0).permutation(table.labels)
    trained = bb.train_head(dataclasses.replace(table, labels=shuffled))
    held_out = [trained.evaluations[name] for name in ("validation", "test")]
    right = sum(found.accuracy * found.images for found in held_out)
    assert right / sum(found.images for found in held_out) < 0.75


def test_one_class_is_an_error(table):
    one = dataclasses.replace(table, labels=np.full(60, "only"))
    with pytest.raises(DatasetError, match="one class only .'only'.; a head needs at least two"):
        bb.train_head(one)
    with pytest.raises(UsageError, match="unknown head 'svm': expected logistic or "):
        bb.train_head(table, "svm")


def test_a_head_has_its_summary_from_the_start(table, monkeypatch):
    """What is evaluated is what is returned: nothing is written into a head that is there."""
    summaries = []

    def cross_validate(head, table, split):
        summaries.append(json.dumps(head.training))

    monkeypatch.setattr(train, "cross_validate", cross_validate)
    head = bb.train_head(table).head
    assert {"strength", "seed", "class_weight", "declared_split", "rows"} <= {*head.training}
    evaluate_split(head, table)
    assert summaries == [json.dumps(head.training)]


def test_command_line_python_and_batch_agree(trained, head_file, table, cache):
    predict = bb.load_predictor(head_file, cache=cache)
    expected = trained.head.predict_proba(table.features)
    answers = list(predict.predict_files(table.paths))
    assert [answer.path for answer in answers] == list(table.paths)
    for answer, row in zip(answers, expected, strict=True):
        assert dict(answer.ranked) == pytest.approx(
            dict(zip(trained.head.classes, row, strict=True)), abs=1e-4
        )
    one = predict(table.paths[7])
    assert dict(one) == pytest.approx(dict(answers[7].ranked), abs=1e-5)
    assert [share for _, share in one] == sorted((share for _, share in one), reverse=True)
    with open(table.paths[-1], "rb") as file:
        assert predict(file.read(), top=1)[0][0] == answers[-1].ranked[0][0]
    assert "<Predictor" in repr(predict)


def test_a_failing_image_has_its_error_and_the_others_their_answers(
    head_file, table, cache, tmp_path
):
    bad = tmp_path / "bad.jpg"
    bad.write_text("words")
    predict = bb.load_predictor(head_file, cache=cache)
    answers = list(predict.predict_files([table.paths[0], str(bad), "gone.jpg", table.paths[1]]))
    assert [answer.error is None for answer in answers] == [True, False, False, True]
    assert "looks like text" in answers[1].error
    assert answers[1].ranked == []
    assert dict(answers[3].ranked) == pytest.approx(dict(predict(table.paths[1])), abs=1e-5)
    with pytest.raises(ImageRejectedError, match="looks like text"):
        predict(bad)


def test_predicting_adds_nothing_to_the_cache(head_file, table, cache):
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*")}
    bb.load_predictor(head_file, cache=cache)(table.paths[0])
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*")} == before


def test_evaluating_finds_the_splits_of_training(head_file, trained, photos, cache):
    table, head = extract_for_head(bb.load_dataset(photos), head_file, cache=cache)
    name, found = bb.evaluate_head(head, table)
    assert name == "test"
    assert found.accuracy == trained.evaluations["test"].accuracy
    assert found.confusion_matrix.sum() == found.images
    assert bb.evaluate_head(head, table, "all")[1].images == 60
    with pytest.raises(UsageError, match="unknown split 'holdout'"):
        bb.evaluate_head(head, table, "holdout")


def test_a_head_is_evaluated_where_its_precision_cannot_be_computed(
    photos, cache, tmp_path, caplog, monkeypatch
):
    settings = {"engine": "openvino", "precision": "float32", "cache": cache}
    head = bb.train_head(bb.extract(photos, "random", **settings)).head
    monkeypatch.setattr(
        "bottlebank.training.evaluate.as_head",
        lambda path: dataclasses.replace(head, precision="float16"),
    )
    [shards] = cache.glob("*/float32")
    shutil.copytree(shards, shards.with_name("float16"))
    Image.new("RGB", (9, 9), (1, 200, 3)).save(photos / "disc" / "new.png")
    table, _ = extract_for_head(photos, tmp_path / "head.h5", cache=cache)
    assert (table.report.precision, table.report.extracted) == ("float32", 1)
    assert "new images are computed in float32, not in the head's float16" in caplog.text


def test_a_split_without_images_is_named(trained, table):
    declared = dataclasses.replace(table, splits=["train"] * 60)
    with pytest.raises(
        DatasetError, match=r"no images in the split 'test'; there are train \(60\)"
    ):
        bb.evaluate_head(trained.head, declared)


@pytest.mark.parametrize(
    ("field", "value", "phrase"),
    [
        ("decoder_version", 99, "decoder version: 99 → "),
        ("resize", "crop", "resize rule: crop → halved"),
        ("fit", "stretch", "fit: stretch → squash"),
        ("input_size_px", 32, "input size: 32×32 px → 64×64 px"),
    ],
)
def test_a_head_of_another_recipe_is_refused_with_the_field(
    trained, tmp_path, cache, field, value, phrase
):
    recipe = {**trained.head.recipe, field: value}
    write_head_file(dataclasses.replace(trained.head, recipe=recipe), tmp_path / "old.h5")
    with pytest.raises(HeadMismatchError, match=phrase):
        bb.load_predictor(tmp_path / "old.h5", cache=cache)


def test_a_head_of_another_extractor_is_refused(head_file, trained, tmp_path, cache):
    with pytest.raises(
        HeadMismatchError, match="trained on random, not on mobilenet_v2: name random, or none"
    ):
        bb.load_predictor(head_file, cache=cache, extractor="mobilenet_v2")
    recipe = {**trained.head.recipe, "width": 4}
    write_head_file(dataclasses.replace(trained.head, recipe=recipe), tmp_path / "odd.h5")
    with pytest.raises(HeadFileError, match="512 inputs for the 4 transfer values"):
        bb.load_predictor(tmp_path / "odd.h5", cache=cache)
    write_head_file(dataclasses.replace(trained.head, recipe={"x": 1}), tmp_path / "none.h5")
    with pytest.raises(
        HeadFileError, match="the field 'x', which this version of bottlebank does not know"
    ):
        bb.load_predictor(tmp_path / "none.h5", cache=cache)


def test_other_weights_than_the_heads_are_refused(trained, tmp_path):
    """The head says which weights it was trained on; without a kept network they are compared."""
    recipe = {**trained.head.recipe, "weights_sha256": "0" * 64}
    write_head_file(dataclasses.replace(trained.head, recipe=recipe), tmp_path / "other.h5")
    with pytest.raises(HeadMismatchError, match=r"weights: .*SHA-256 00000000…\) → "):
        bb.load_predictor(tmp_path / "other.h5", cache=tmp_path / "empty")


def test_a_head_trained_with_a_weights_file_asks_for_it(trained, tmp_path):
    recipe = {**trained.head.recipe, "weights": "mine.weights.h5"}
    write_head_file(dataclasses.replace(trained.head, recipe=recipe), tmp_path / "head.h5")
    with pytest.raises(
        WeightsNotFoundError, match=r"weights file 'mine\.weights\.h5' .* --weights"
    ):
        bb.load_predictor(tmp_path / "head.h5", cache=tmp_path / "empty")


def test_a_cpu_without_the_heads_precision_falls_back(trained, tmp_path, cache, monkeypatch):
    head = dataclasses.replace(trained.head, precision="bfloat16")
    write_head_file(head, tmp_path / "head.h5")
    tried = []
    real = loading.open_extractor

    def open_extractor(*arguments, precisions, **settings):
        tried.append(precisions)
        return real(*arguments, precisions=precisions, **settings)

    monkeypatch.setattr(loading, "open_extractor", open_extractor)
    bb.load_predictor(tmp_path / "head.h5", cache=cache)
    bb.load_predictor(tmp_path / "head.h5", cache=cache, precision="float32")
    assert tried == [["bfloat16", "float32"], ["float32"]]


def test_saving_a_fitted_estimator(table, tmp_path, cache):
    fitted = bb.LogisticHead().fit(table.features, table.labels)
    bb.save_head(fitted, tmp_path / "head.h5", extractor="random", cache=cache)
    predict = bb.load_predictor(tmp_path / "head.h5", cache=cache)
    assert predict(table.paths[0])[0][0] == table.labels[0]
    monstrous = bb.LogisticHead().fit(table.features[:, :7], table.labels)
    with pytest.raises(UsageError, match="fitted on 7 numbers per image, random gives 512"):
        bb.save_head(monstrous, tmp_path / "h.h5", extractor="random", cache=cache)


def test_a_trained_head_is_saved_without_naming_its_extractor_again(
    trained, table, tmp_path, cache
):
    saved = bb.save_head(trained, tmp_path / "trained.h5")
    assert bb.load_head(tmp_path / "trained.h5").version == saved.version == trained.head.version
    bb.save_head(trained.head, tmp_path / "head.h5", extractor="random")
    assert (tmp_path / "head.h5").is_file()
    with pytest.raises(UsageError, match="transfer values of random, not of mobilenet_v2"):
        bb.save_head(trained, tmp_path / "x.h5", extractor="mobilenet_v2")
    fitted = bb.LogisticHead().fit(table.features, table.labels)
    with pytest.raises(UsageError, match="expected extractor=, the name of the network"):
        bb.save_head(fitted, tmp_path / "x.h5", cache=cache)


def test_what_is_no_head_is_refused_with_what_to_do(table, tmp_path, cache):
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows, labels = table.features, table.labels
    search = GridSearchCV(bb.LogisticHead(), {"class_weight": [None, "balanced"]}, cv=2)
    for wrong, message in (
        (bb.LogisticHead(), "a LogisticHead that is not fitted: call its fit"),
        (bb.DenseHead(), "a DenseHead that is not fitted"),
        (bb.LogisticHead, r"the class LogisticHead: save LogisticHead\(\).fit"),
        (search, "a GridSearchCV that is not fitted"),
        (bb.NearestHead().fit(rows, labels), "a NearestHead, which keeps every training row"),
        (make_pipeline(StandardScaler(), bb.LogisticHead()), "a Pipeline, whose steps before"),
        (LogisticRegression().fit(rows[:9], labels[::7][:9]), "received a LogisticRegression: fit"),
        (None, "received None: fit"),
        ("head.h5", "received a str"),
    ):
        with pytest.raises(NotAHeadError, match=message):
            bb.save_head(wrong, tmp_path / "x.h5", extractor="random", cache=cache)
    assert not (tmp_path / "x.h5").exists()
    found = search.fit(rows, labels)
    bb.save_head(found, tmp_path / "best.h5", extractor="random", cache=cache)
    assert bb.load_head(tmp_path / "best.h5").classes == ("checks", "disc", "stripes")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"extractor": "randon"}, "unknown extractor 'randon': did you mean random"),
        ({"extractor": 3}, "expected the name of an extractor.*received 3"),
        ({"fit": "typo"}, "unknown fit 'typo': expected squash, crop, pad"),
        ({"grey16": "typo"}, "unknown grey16 'typo': expected scale or stretch"),
        ({"precision": "typo"}, "unknown precision 'typo': expected bfloat16, float16, float32"),
        ({"precision": "auto"}, "unknown precision 'auto'"),
    ],
)
def test_what_an_estimator_was_fitted_on_is_refused_by_name(tmp_path, cache, settings, message):
    rows = np.random.default_rng(0).normal(size=(40, 512)).astype("f4")
    fitted = bb.LogisticHead().fit(rows, ["a", "b"] * 20)
    with pytest.raises(bb.BottlebankError, match=message):
        bb.save_head(
            fitted, tmp_path / "x.h5", **{"extractor": "random", "cache": cache, **settings}
        )
    assert not (tmp_path / "x.h5").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"hidden": (8,)},
            "hidden is \\(8,\\), which a logistic head does not take: train a",
        ),
        ({"coverage": 2}, "coverage is 2; expected a number above 0 and below 1"),
        ({"coverage": float("nan")}, "coverage is nan"),
        ({"seed": -1}, "seed is -1; expected a whole number of at least 0"),
        ({"class_weight": "typo"}, "class_weight is 'typo'; expected None, 'balanced' or a dict"),
        ({"class_weight": {"dsic": 2}}, "class_weight names 'dsic', which is not a class"),
        ({"kind": None}, "unknown head None"),
    ],
)
def test_parameters_of_training_are_refused_by_name(table, settings, message):
    with pytest.raises(UsageError, match=message):
        bb.train_head(table, **settings)


def test_only_a_table_is_trained_on():
    with pytest.raises(UsageError, match="expected a table from bb.extract, received a str"):
        bb.train_head("photos/")


@pytest.mark.parametrize("form", [str, lambda photos: photos])
def test_images_for_a_head_are_what_extract_takes(trained, photos, cache, tmp_path, form):
    bb.save_head(trained, tmp_path / "head.h5")
    found, _ = extract_for_head(form(photos), tmp_path / "head.h5", cache=cache)
    assert len(found) == 60
    files = sorted((photos / "disc").iterdir())
    found, _ = extract_for_head(files, tmp_path / "head.h5", cache=cache)
    assert len(found) == 20


@pytest.mark.parametrize("given", ["photos/", Path("photos/")])
def test_a_folder_is_extracted_before_it_is_trained_on(given):
    expected = rf"received a \w+: bb\.train_head\(bb\.extract\('{given}', extractor=…\)\)"
    with pytest.raises(UsageError, match=expected):
        bb.train_head(given)


def test_evaluation_shows_that_it_goes_on(trained, table, capfd):
    bb.evaluate_head(trained.head, table, progress=True)
    assert "Evaluating the head" in capfd.readouterr().err
    bb.evaluate_head(trained.head, table, progress=False)
    assert "Evaluating" not in capfd.readouterr().err


def test_numbers_of_numpy_are_saved(table, tmp_path):
    trained = bb.train_head(table, seed=np.int64(3), coverage=np.float32(0.5))
    bb.save_head(trained, tmp_path / "head.h5")
    assert bb.load_head(tmp_path / "head.h5").training["seed"] == 3


def test_more_layers_than_a_head_file_holds_are_refused_before_training(table):
    with pytest.raises(UsageError, match="hidden has 24 layers; expected at most 23"):
        bb.train_head(table, "dense", hidden=[4] * 24)


def test_a_head_replaces_no_other_file(trained, tmp_path):
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"\xff\xd8 not a head")
    with pytest.raises(UsageError, match="photo.jpg exists and is not a head file, so it is not"):
        bb.save_head(trained, photo)
    assert photo.read_bytes() == b"\xff\xd8 not a head"
    head = tmp_path / "head.h5"
    head.touch()
    for _ in range(2):
        bb.save_head(trained, head)
    whole = head.read_bytes()
    head.write_bytes(whole[: len(whole) // 2])  # a damaged head may be replaced
    bb.save_head(trained, head)
    assert bb.load_head(head).classes == trained.head.classes


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"extractor": "mobilenet_v9"}, "odd.h5: unknown extractor 'mobilenet_v9': did you mean"),
        ({"grey16": "clip"}, "odd.h5: unknown grey16 'clip': expected scale or stretch"),
    ],
)
def test_a_head_whose_recipe_is_unknown_is_named(trained, tmp_path, cache, changed, message):
    recipe = {**trained.head.recipe, **changed}
    write_head_file(dataclasses.replace(trained.head, recipe=recipe), tmp_path / "odd.h5")
    with pytest.raises(HeadFileError, match=message):
        bb.load_predictor(tmp_path / "odd.h5", cache=cache)
