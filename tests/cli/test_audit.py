"""`bottlebank audit`: a table, a labels file and a page; nothing is applied unasked."""

import csv
import hashlib

import pytest

from bottlebank.datasets.labels_file import write_labels


@pytest.fixture
def wrong(photos):
    """Two discs among the stripes."""
    for path in sorted((photos / "disc").iterdir())[:2]:
        path.rename(photos / "stripes" / f"disc-{path.name}")
    return photos


def test_what_is_found_is_listed_looked_at_and_mended(bottlebank, wrong, options, tmp_path):
    file, folder = tmp_path / "out" / "labels.csv", tmp_path / "page"
    command = ["audit", wrong, *options, "--include-test", "--output", file, "--report", folder]
    done = bottlebank(*command)
    assert done.code == 0, done.err
    assert "60 images of 3 classes, predicted out of fold: 5 logistic heads" in done.out
    assert "labels that are likely wrong; about" in done.out
    assert "stripes → disc, predicted with" in done.out
    assert f"wrote {file}: 60 images," in done.out
    assert f"wrote {folder / 'audit.html'}: open it" in done.out
    assert f"bottlebank train {wrong} --labels {file}" in done.err
    rows = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 60
    assert {"disc-00.png", "disc-01.png"} <= {row["path"].split("/")[-1] for row in rows[:4]}
    assert {row["accept"] for row in rows} == {""}
    first = next(row for row in rows if "disc-" in row["path"])
    assert (first["label"], first["suggested"], first["kind"]) == ("stripes", "disc", "label")
    assert bottlebank(*command).code == 0  # nothing was decided in the file: it may be replaced

    lines = file.read_text().splitlines()
    decided = [f"{line}yes" if "disc-" in line else line for line in lines]
    file.write_text("\n".join(decided))
    again = bottlebank(*command)
    assert again.code == 2
    assert "in which nothing was decided yet, so it is not overwritten" in again.err
    answer = bottlebank("audit", wrong, *options, "--labels", file, "--json").json
    assert answer["images"] == 60
    paths = [each["path"] for each in answer["findings"]["label"]]
    assert not [path for path in paths if "disc-" in path]
    inside = bottlebank("audit", wrong, *options, "--output", wrong / "disc" / "labels.csv")
    assert inside.code == 2
    assert "lies inside the dataset" in inside.err


def test_a_sample_is_looked_at(bottlebank, photos, options, tmp_path, caplog):
    """Of it alone anything is extracted, and it is the same for all commands."""
    file, points = tmp_path / "labels.csv", tmp_path / "map.csv"
    command = [photos, *options, "--images", "25"]
    done = bottlebank("audit", *command, "--output", file)
    assert done.code == 0, done.err
    assert "note: 25 of 60 images are taken, at random" in caplog.text
    assert "25 images of 3 classes" in done.out
    drawn = bottlebank("plot", *command, "--format", "csv", "--output", points, "--json")
    assert drawn.json["images"] == 25
    looked_at, on_map = (
        {row["key"] for row in csv.DictReader(each.read_text(encoding="utf-8").splitlines())}
        for each in (file, points)
    )
    assert looked_at == on_map
    everything = bottlebank("extract", photos, *options, "--json").json
    assert (everything["cached"], everything["extracted"]) == (25, 35)
    none = bottlebank("audit", photos, *options, "--images", "0")
    assert none.code == 2
    assert "--images" in none.err


def test_images_without_classes(bottlebank, photos, options, tmp_path):
    flat = photos / "disc"
    done = bottlebank("audit", flat, *options, "--next", "3", "--json")
    assert done.code == 0, done.err
    chosen = done.json["findings"]["next"]
    assert len(chosen) == 3
    file = tmp_path / "all.csv"
    told = bottlebank("audit", flat, *options, "--next", "3", "--output", file)
    assert told.out.splitlines()[:2] == ["20 images without labels", "3 images to label next:"]
    assert f"write labels into its column label, then: bottlebank train {flat} --la" in told.err
    labels = tmp_path / "labels.csv"
    rows = [f"{each['key']},{name}" for each, name in zip(chosen, ("big", "small"), strict=False)]
    labels.write_text("\n".join(["key,label", *rows]))
    more = bottlebank("audit", flat, *options, "--labels", labels, "--next", "2")
    assert more.code == 0, more.err
    assert "20 images of 2 classes" in more.out
    assert "2 images to label next:" in more.out
    assert "no label → " in more.out


@pytest.mark.slow
def test_a_list_with_and_without_labels_and_what_a_person_writes_into_the_file(
    bottlebank, photos, options, tmp_path
):
    listed, file = tmp_path / "list.csv", tmp_path / "labels.csv"
    names = [(path, path.parent.name) for path in sorted(photos.glob("*/*.png"))]
    rows = [f"{path},{label if place % 2 else ''}" for place, (path, label) in enumerate(names)]
    listed.write_text("\n".join(["path,label", *rows]))
    command = ["audit", listed, *options, "--next", "4", "--output", file]
    done = bottlebank(*command)
    assert (done.code, "4 images to label next:" in done.out) == (0, True), done.err
    assert bottlebank(*command).code == 0  # nobody has written anything into it
    lines = file.read_text(encoding="utf-8").splitlines()
    first = next(place for place, line in enumerate(lines) if ",next," in line)
    key, path, label, *others = lines[first].split(",")
    assert label == ""
    lines[first] = ",".join([key, path, "disc", *others])
    file.write_text("\n".join(lines))
    again = bottlebank(*command)
    assert again.code == 2
    assert (
        "has labels that these images have not, or remarks, so it is not overwritten" in again.err
    )
    over = [*command[:-1], tmp_path / "more.csv", "--labels", file, "--json"]
    answer = bottlebank(*over)
    assert path not in [each["path"] for each in answer.json["findings"]["next"]]
    refused = bottlebank("train", listed, *options, "--output", tmp_path / "h.h5")
    assert refused.code != 0
    assert f"30 of the 60 images of {listed} have no class" in refused.err
    trained = bottlebank(
        "train", listed, *options, "--labels", file, "--output", tmp_path / "h.h5", "--json"
    )
    assert trained.code == 0, trained.err


@pytest.mark.slow
def test_what_a_labels_file_decides_is_in_the_next_one(bottlebank, wrong, options, tmp_path):
    old, new = tmp_path / "old.csv", tmp_path / "new.csv"
    discs = [*sorted((wrong / "disc").iterdir())][:2]
    keys = [hashlib.sha256(path.read_bytes()).hexdigest() for path in discs]
    old.write_bytes(write_labels([(keys[0], "a", ""), (keys[1], "b", "stripes")]))
    command = ["audit", wrong, *options, "--labels", old, "--output", new, "--json"]
    assert bottlebank(*command).code == 0
    again = bottlebank(*command)  # nobody has written anything into it
    assert again.code == 0, again.err
    drawn = bottlebank(
        "plot", wrong, *options, "--labels", new, "--output", tmp_path / "map.html", "--json"
    )
    assert drawn.json["images"] == 59
    trained = ["train", wrong, *options, "--labels", new, "--output", tmp_path / "h.h5", "--json"]
    labels = bottlebank(*trained).json["labels"]
    assert {name: labels[name] for name in ("changed", "left_out", "not_here")} == {
        "changed": 1,
        "left_out": 1,
        "not_here": 0,
    }
    text = new.read_text(encoding="utf-8")
    new.write_text(text.replace(f"{keys[0]},a,,", f"{keys[0]},a,back,"), encoding="utf-8")
    refused = bottlebank(*command)
    assert refused.code == 2
    assert (
        "has labels that these images have not, or remarks, so it is not overwritten" in refused.err
    )
