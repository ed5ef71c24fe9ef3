"""What is wrong with a value is said with the option that it came from."""

import csv

import pytest


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochs", 5], "--epochs is 5, which a logistic head does not take: train a dense"),
        (["--hidden", "64"], "--hidden is (64,), which a logistic"),
        (["--learning-rate", 0.1], "--learning-rate is 0.1, which a logistic"),
        (["--no-batch-norm"], "--batch-norm is False, which a logistic"),
        (["--output-layer", "sigmoid"], "--output-layer is 'sigmoid', which a logistic"),
        (["--views", 4, "--view-rule", "flip"], "--views is 4; expected at most 1 of the rule"),
        (["--view-rule", "flip"], "--view-rule: expected --views N beside it"),
        (
            ["--head", "dense", "--output-layer", "sigmoid"],
            "--output-layer is 'sigmoid', which separates two classes; there are 3",
        ),
    ],
)
def test_train_names_options_before_it_extracts(
    bottlebank, photos, options, cache, tmp_path, arguments, message
):
    before = sorted(cache.rglob("*"))
    done = bottlebank("train", photos, "--output", tmp_path / "h.h5", *options, *arguments)
    assert done.code == 2
    assert message in done.err
    assert sorted(cache.rglob("*")) == before
    assert ("(--head dense)" in done.err) == ("a logistic head does not" in done.err)


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_a_rule_of_no_views_is_refused(bottlebank, photos, command):
    done = bottlebank(command, photos, "--head", "h.h5", "--view-rule", "flip")
    assert done.code == 2
    assert "--view-rule: expected --views N beside it" in done.err


def test_compare_says_with_how_many_views(bottlebank, photos, options, tmp_path):
    command = ["compare", photos, "--heads", "knn", "--extractors", *options[1:], "--views", 1]
    done = bottlebank(*command)
    assert done.code == 0, done.err
    assert "each training image with 1 view of it (mixed)" in done.out
    assert bottlebank(*command, "--json").json["views"] == 1


def test_weights_that_are_all_alike_leave_the_threshold(bottlebank, photos, options, tmp_path):
    with (tmp_path / "all.csv").open("w", newline="") as file:
        lines = [
            [path, path.parent.name, 0.5, "validation" if n % 2 else "train"]
            for n, path in enumerate(sorted(photos.rglob("*.png")))
        ]
        csv.writer(file).writerows([["path", "label", "w", "split"], *lines])
    command = ["train", tmp_path / "all.csv", "--output", tmp_path / "h.h5", *options]
    for more in ([], ["--weights-column", "w"]):
        assert "are called unknown; the threshold" in bottlebank(*command, *more).out


@pytest.mark.parametrize("where", [".", "checks", "new/deep"])
@pytest.mark.parametrize(
    "command",
    [
        ["finetune", "photos", "--head", "h.h5", "--output"],
        ["recipe", "scene36", "photos", "--extractor", "random", "--output"],
        ["evaluate", "photos", "--head", "h.h5", "--report"],
        ["export", "--head", "h.h5", "--format", "onnx", "--data", "photos", "--output"],
    ],
)
def test_no_folder_of_results_lies_in_the_dataset(
    bottlebank, photos, tmp_path, monkeypatch, command, where
):
    monkeypatch.chdir(tmp_path)
    before = sorted(photos.rglob("*"))
    done = bottlebank(*command, photos / where)
    assert done.code == 2
    assert "choose a place outside it" in done.err
    assert sorted(photos.rglob("*")) == before
