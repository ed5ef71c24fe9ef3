"""`--labels`: corrections that lie over DATA, in every command that reads labels."""

import hashlib

import pytest

from bottlebank.datasets.labels_file import write_labels


@pytest.fixture
def wrong(photos):
    """Six discs among the stripes, by a slip of the hand; and the file that mends it."""
    rows = []
    for path in sorted((photos / "disc").iterdir())[:6]:
        moved = path.rename(photos / "stripes" / f"disc-{path.name}")
        key = hashlib.sha256(moved.read_bytes()).hexdigest()
        rows.append((key, str(moved), "disc"))
    file = photos.parent / "labels.csv"
    file.write_bytes(write_labels(rows))
    return photos, file


def test_training_says_what_the_labels_changed(bottlebank, wrong, options, tmp_path):
    photos, labels = wrong
    command = ["train", photos, "--labels", labels, *options, "--output", tmp_path / "h.h5"]
    done = bottlebank(*command)
    assert done.code == 0, done.err
    assert f"{labels}: 6 labels changed, 0 images left out" in done.err
    assert "with the labels before, " in done.out
    answer = bottlebank(*command, "--json").json
    assert {key: answer["labels"][key] for key in ("changed", "left_out", "not_here")} == {
        "changed": 6,
        "left_out": 0,
        "not_here": 0,
    }
    effect = answer["labels"]["validation"]
    assert effect["after"] == answer["validation"]["accuracy"]
    assert effect["images"] == answer["validation"]["images"]
    assert effect["after"] - effect["before"] == pytest.approx(
        (effect["gained"] - effect["lost"]) / effect["images"]
    )


def test_the_same_labels_judge_and_are_drawn(bottlebank, wrong, options, tmp_path):
    photos, labels = wrong
    over = [photos, "--labels", labels, *options]
    head, shared = tmp_path / "h.h5", options[2:]
    trained = bottlebank("train", *over, "--output", head, "--json").json
    judged = bottlebank("evaluate", photos, "--labels", labels, "--head", head, *shared, "--json")
    assert judged.json["accuracy"] == trained["test"]["accuracy"]
    assert "6 labels changed" in judged.err
    laid_over = {"changed": 6, "left_out": 0, "not_here": 0}
    assert judged.json["labels"] == laid_over
    comparing = ["--extractors", "random", *shared, "--heads", "logistic", "--json"]
    compared = bottlebank("compare", photos, "--labels", labels, *comparing)
    without = bottlebank("compare", photos, *comparing)
    accuracy, before = (done.json["candidates"][0]["accuracy"] for done in (compared, without))
    assert accuracy > before
    assert compared.json["labels"] == laid_over
    assert "labels" not in without.json
    assert bottlebank("plot", *over, "--output", tmp_path / "map.png").code == 0


@pytest.mark.slow
def test_every_command_answers_what_the_labels_changed(bottlebank, wrong, options, tmp_path):
    photos, labels = wrong
    over, image = [photos, "--labels", labels, *options], next(photos.glob("*/*.png"))
    for command in (
        ["plot", *over, "--output", tmp_path / "map.png"],
        ["plot", *over, "--output", tmp_path / "balance.png", "--kind", "balance"],
        ["audit", *over],
        ["similar", image, "--data", *over],
    ):
        done = bottlebank(*command, "--json")
        assert done.code == 0, done.err
        assert done.json["labels"] == {"changed": 6, "left_out": 0, "not_here": 0}
        assert f"{labels}: 6 labels changed, 0 images left out" in done.err


def test_a_file_that_makes_no_sense_is_refused_before_any_work(
    bottlebank, photos, options, tmp_path
):
    (tmp_path / "labels.csv").write_text("path,label\na.jpg,cat\n")
    done = bottlebank(
        "train",
        photos,
        "--labels",
        tmp_path / "labels.csv",
        *options,
        "--output",
        tmp_path / "h.h5",
    )
    assert done.code == 2
    assert "expected a labels file with the columns key,path,label" in done.err
    assert "xtract" not in done.err
