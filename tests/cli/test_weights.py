"""`--weights-column` of the commands that train."""

import csv

import pytest


@pytest.fixture
def listed(photos, tmp_path):
    """A CSV file of the pictures, the first five of each class at weight 0."""
    paths = sorted(photos.rglob("*.png"))
    rows = [[path, path.parent.name, int(path.stem) // 5 and 2] for path in paths]
    for name, some in (("all", rows), ("rest", [row for row in rows if row[2]])):
        with (tmp_path / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([["path", "label", "w"], *some])
    return tmp_path


def test_images_of_weight_0_are_left_out_of_every_figure(bottlebank, listed, options, caplog):
    answers = []
    others = ["--extractors", *options[1:]]
    for name in ("all", "rest"):
        data = [listed / f"{name}.csv", "--weights-column", "w"]
        head = listed / f"{name}.h5"
        trained = bottlebank("train", *data, "--output", head, *options, "--json")
        evaluated = bottlebank("evaluate", *data, "--head", head, *options[4:], "--json")
        compared = bottlebank("compare", *data, "--heads", "knn,logistic", *others, "--json")
        for done in (trained, evaluated, compared):
            assert done.code == 0, done.err
        noted = "15 images weigh 0 and are left out" in caplog.text
        assert noted == (name == "all")
        candidates = [
            {key: value for key, value in each.items() if key != "fit_seconds"}
            for each in compared.json["candidates"]
        ]
        caplog.clear()
        answers.append(
            (trained.json["version"], trained.json["test"], evaluated.json["accuracy"], candidates)
        )
    assert answers[0] == answers[1]


def test_a_folder_has_no_weights(bottlebank, photos, options):
    done = bottlebank("train", photos, "--output", "h.h5", "--weights-column", "w", *options)
    assert done.code == 2
    assert "--weights-column is for a CSV file" in done.err
