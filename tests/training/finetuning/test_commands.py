"""The commands: fine-tuning itself, and what comes after it with the new head."""

import dataclasses
import json
import shutil

import pytest

from bottlebank.cli import main
from tests.conftest import write_photos


@pytest.fixture(scope="module")
def own(case, tmp_path_factory):
    """The photographs and the head, with a cache of this module's own."""
    cache = shutil.copytree(case.cache, tmp_path_factory.mktemp("commands") / "cache")
    return case._replace(cache=cache)


@pytest.fixture
def command(capsys, own):
    def run(*arguments):
        capsys.readouterr()
        code = main([*map(str, arguments), "--cache", str(own.cache)])
        captured = capsys.readouterr()
        assert code == 0, captured.err
        return captured

    return run


def finetune(own, output, *more):
    common = ["--epochs", 2, "--learning-rate", 0.01, "--engine", "openvino"]
    return ["finetune", own.photos, "--head", own.head, "--output", output, *common, *more]


def test_it_says_what_was_trained_and_whether_it_was_worth_it(command, own, tmp_path):
    said = command(*finetune(own, tmp_path / "out", "--unfreeze", 2))
    assert "epoch 2 of 2: training loss" in said.err
    first, *splits, verdict, wrote, following = said.out.splitlines()
    assert first.startswith("fine-tuned block_2, top_conv of tunable (")
    assert " of 2 is kept: validation loss " in first
    kept = [line.split()[0] for line in splits]
    assert kept[:2] == ["validation", "test"]
    assert all("frozen" in line and "p = " in line for line in splits[:2])
    assert "fine-tuning" in verdict or "the head you have" in verdict
    for name in ("extractor.weights.h5", "head.h5"):
        assert str(tmp_path / "out" / name) in wrote
        assert (tmp_path / "out" / name).stat().st_size
    assert following.startswith("next: ")
    goes_on = "worth it on" in verdict
    chosen = tmp_path / "out" / "head.h5" if goes_on else own.head
    assert following.endswith(f"predict IMAGE --head {chosen}")


def test_its_json_is_what_python_gives(command, own, tuned, tmp_path):
    settings = ["--unfreeze", 2, "--epochs", 4, "--precision", "float32", "--json"]
    answer = json.loads(command(*finetune(own, tmp_path / "out", *settings)).out)
    expected = json.loads(json.dumps(tuned.as_json()))
    differ = {"extractor", "head", "epoch_seconds", "curves", "seconds"}
    assert set(answer) - set(expected) == {"curves", "seconds"}
    assert {key: answer[key] for key in expected if key not in differ} == {
        key: value for key, value in expected.items() if key not in differ
    }
    assert (tmp_path / "out" / "curves.png").exists()


def test_weights_of_images_take_part(command, own, tmp_path):
    photos = write_photos(tmp_path / "photos")
    rows = ["path,label,importance"]
    for number, path in enumerate(sorted(photos.rglob("*.png"))):
        rows.append(f"{path},{path.parent.name},{1 + number % 3}")
    weighted, plain = tmp_path / "weighted.csv", tmp_path / "plain.csv"
    weighted.write_text("\n".join(rows) + "\n")
    plain.write_text("\n".join(row.rpartition(",")[0] for row in rows) + "\n")
    found = []
    for table, more in ((weighted, ["--weights-column", "importance"]), (plain, [])):
        arguments = finetune(own, tmp_path / table.stem, *more, "--json")
        arguments[1] = table
        found.append(json.loads(command(*arguments).out))
    losses = [[epoch["train_loss"] for epoch in answer["history"]] for answer in found]
    assert losses[0] != losses[1]


def test_images_of_weight_0_are_in_no_split_here_either(command, own, tmp_path, caplog):
    """Without the column they are, and that is said."""
    lines = ["path,label,w"]
    for number, path in enumerate(sorted(own.photos.rglob("*.png"))):
        lines.append(f"{path},{path.parent.name},{min(number % 3, 1)}")
    table, head = tmp_path / "weighted.csv", tmp_path / "head.h5"
    table.write_text("\n".join(lines) + "\n")
    column = ["--weights-column", "w"]
    like = ["--extractor", "tunable", "--engine", "openvino", "--precision", "float32", "--json"]
    trained = json.loads(command("train", table, *column, "--output", head, *like).out)
    common = ["--epochs", 1, "--engine", "openvino", "--json"]
    images = []
    for number, more in enumerate((column, [])):
        caplog.clear()
        output = tmp_path / f"out{number}"
        answer = command("finetune", table, "--head", head, "--output", output, *common, *more)
        compared = json.loads(answer.out)["compared"]
        images.append([compared[name]["images"] for name in ("validation", "test")])
        assert ("--weights-column names them" in caplog.text) == (more == [])
    assert images[0] == [trained[name]["images"] for name in ("validation", "test")]
    assert images[0] != images[1]


@pytest.mark.parametrize(("after", "loss", "goes_on"), [(0.9, 0.2, True), (0.5, 0.9, False)])
def test_what_is_said_after_it_agrees(tuned, after, loss, goes_on):
    found = tuned.paired["test"]
    gained, lost = (40, 0) if goes_on else (0, 0)
    images = max(found.images, 100)
    changed = found._replace(
        images=images, after=after, gained=gained, lost=lost, p_value=0.001 if goes_on else 1.0
    )
    last = tuned.epochs.history[-1]._replace(validation_loss=loss)
    start = tuned.epochs.start._replace(validation_loss=0.5)
    epochs = tuned.epochs._replace(start=start, history=[last])
    again = dataclasses.replace(tuned, paired={**tuned.paired, "test": changed}, epochs=epochs)
    assert again.is_worth_it == ("worth it" in again.verdict()) == again.has_lower_loss == goes_on


def test_the_new_head_is_evaluated_compared_drawn_and_used(command, own, tuned, tmp_path):
    head = tuned.head_file
    test = tuned.paired["test"]
    answer = json.loads(
        command("evaluate", own.photos, "--head", head, "--split", "test", "--json").out
    )
    assert answer["accuracy"] == test.after
    assert answer["images"] == test.images
    photo = next(own.photos.rglob("*.png"))
    predicted = json.loads(command("predict", photo, "--head", head, "--json").out)
    best = predicted["predictions"][0]
    assert best["label"] == photo.parent.name
    again = ["--extractor", "tunable", "--weights", tuned.extractor]
    command("train", own.photos, *again, "--output", tmp_path / "again.h5")
    picture = tmp_path / "map.png"
    command("plot", own.photos, *again, "--output", picture)
    assert picture.stat().st_size
