"""Images without classes: a flat folder, or a list of paths, as DATA."""

import hashlib
import shutil

import pytest

from bottlebank.datasets.labels_file import write_labels


@pytest.fixture
def flat(photos):
    """The photographs in one folder, the file of their labels, and a list of them."""
    folder, rows = photos.parent / "flat", []
    folder.mkdir()
    for path in sorted(photos.glob("*/*")):
        copy = shutil.copy(path, folder / f"{path.parent.name}-{path.name}")
        rows.append((hashlib.sha256(path.read_bytes()).hexdigest(), str(copy), path.parent.name))
    labels, listed = photos.parent / "labels.csv", photos.parent / "list.txt"
    labels.write_bytes(write_labels(rows))
    listed.write_text("".join(f"flat/{path.name}\n" for path in sorted(folder.iterdir())))
    return folder, labels, listed


@pytest.mark.slow
def test_labels_over_a_flat_folder_train_the_head_of_class_folders(
    bottlebank, photos, flat, options, tmp_path
):
    folder, labels, listed = flat
    same = [*options, "--output", tmp_path / "h.h5", "--json"]
    of_folders = bottlebank("train", photos, *same).json
    for data in (folder, listed):
        done = bottlebank("train", data, "--labels", labels, *same)
        assert done.code == 0, done.err
        assert done.json["labels"]["validation"] is None  # there were no labels before
        for key in ("classes", "train", "validation", "test"):
            assert done.json[key] == of_folders[key]
    over = ["--head", tmp_path / "h.h5", *options[4:], "--json"]
    judged = bottlebank("evaluate", folder, "--labels", labels, *over)
    assert judged.json["accuracy"] == of_folders["test"]["accuracy"]


@pytest.mark.slow
def test_what_needs_no_class_takes_them(bottlebank, flat, options, head, tmp_path):
    folder, _, listed = flat
    n_images = len([*folder.iterdir()])
    for data in (folder, listed):
        assert bottlebank("extract", data, *options, "--json").json["images"] == n_images
        output = tmp_path / "map.png"
        drawn = bottlebank("plot", data, *options, "--output", output, "--json").json
        assert drawn["images"] == n_images
        predicted = bottlebank("predict", data, "--head", head, *options[4:])
        assert predicted.code == 0, predicted.err
        assert len(predicted.out.splitlines()) == n_images


def test_a_picture_is_not_put_among_them(bottlebank, flat, options):
    folder, _, _ = flat
    done = bottlebank("plot", folder, *options, "--output", folder / "map.png")
    assert done.code == 2
    assert "would become one of the images in" in done.err


def test_what_needs_classes_says_how_to_give_them(bottlebank, flat, options, tmp_path):
    folder, _, listed = flat
    head, compared = tmp_path / "h.h5", ["--extractors", "random", *options[4:]]
    for data in (folder, listed):
        refused(bottlebank("train", data, *options, "--output", head), data)
        refused(bottlebank("evaluate", data, "--head", head, *options[4:]), data)
        refused(bottlebank("compare", data, *compared), data)
        made = ["--output", tmp_path / "recipe", *options]
        refused(bottlebank("recipe", "scene36", data, *made), data)


@pytest.mark.slow
def test_quantizing_needs_classes_too(bottlebank, flat, options, head, tmp_path):
    folder, _, _ = flat
    common = ["--head", head, *options[4:], "--output", tmp_path / "made"]
    quantized = ["--format", "openvino", "--quantize", "--data", folder]
    refused(bottlebank("export", *common, *quantized), folder)


def refused(done, data):
    assert done.code == 2
    assert f"{data} has no classes: put the images into one folder per class" in done.err
    assert "--labels FILE.csv" in done.err
