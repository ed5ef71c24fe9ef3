"""Properties that tell a class: named where they do, and nowhere else."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

import bottlebank as bb
from bottlebank.auditing import shortcuts
from bottlebank.auditing.properties import Numbers, Properties, properties_of
from bottlebank.auditing.shortcuts import without_labels

from ..toys.toy_table import noise, toy_rows, toy_table

N, CLASSES = 400, np.array(["hat", "<script>", "鞋", "كتاب"])


def made(seed=0, folders=None, **columns):
    """Properties of photographs that say nothing of their class, but for those given."""
    random = np.random.default_rng(seed)
    numbers = {name: random.normal(size=N) for name in Numbers._fields}
    formats = columns.pop("formats", np.full(N, "JPEG"))
    folders = np.full(N, "/photos") if folders is None else folders
    return Properties({**numbers, **columns}, formats, folders)


def labels(seed=0):
    return CLASSES[np.random.default_rng([seed, 1]).integers(0, len(CLASSES), N)]


@pytest.mark.parametrize("seed", range(5))
def test_chance_names_nothing(seed):
    assert shortcuts.find(made(seed), labels(seed), seed) == []


@pytest.mark.parametrize(
    ("field", "name"),
    [("brightness", "brightness"), ("sharpness", "sharpness"), ("aspect", "aspect")],
)
def test_a_number_that_differs_in_one_class_is_named_with_it(field, name):
    random = np.random.default_rng(3)
    values = random.normal(size=N) - 2.5 * (labels() == "鞋")
    found = shortcuts.find(made(**{field: values}), labels())
    assert [(each.property, each.label) for each in found] == [(name, "鞋")]
    assert found[0].balanced_accuracy > 0.8
    assert found[0].p_value < 1e-6
    words = {"brightness": "darker", "sharpness": "more blurred", "aspect": "narrower"}
    assert found[0].how == f"its photographs are {words[name]}"


def test_a_format_comes_before_the_size_of_its_files():
    is_hat = labels() == "hat"
    formats = np.where(is_hat, "PNG", "JPEG")
    found = shortcuts.find(made(formats=formats, file_size=np.where(is_hat, 20.0, 15.0)), labels())
    assert [(each.property, each.label) for each in found] == [
        ("file format", "hat"),
        ("file size", "hat"),
    ]
    assert "100.0 % of its images are PNG, of the others 0.0 %" in found[0].how
    assert "hat" in found[0].in_words()


def test_the_folder_of_a_class_is_no_shortcut_and_that_of_a_camera_is():
    random = np.random.default_rng(0)
    splits = random.choice(["train", "validation"], N)
    own = np.array([f"/d/{split}/{label}" for split, label in zip(splits, labels(), strict=True)])
    assert shortcuts.find(made(folders=own), labels()) == []
    assert set(without_labels(own, labels()).tolist()) == {"/d/train", "/d/validation"}
    cameras = np.where(labels() == "hat", "/d/phone", "/d/camera")
    found = shortcuts.find(made(folders=cameras), labels())
    assert [(each.property, each.label) for each in found] == [("folder", "hat")]


def test_two_classes_are_told_from_one_another():
    two = np.where(labels() == "hat", "hat", "rest")
    found = shortcuts.find(made(formats=np.where(two == "hat", "PNG", "JPEG")), two)
    assert {each.label for each in found} == {"hat", "rest"}


def test_few_images_one_class_and_files_that_are_gone():
    gone = {name: np.full(N, np.nan) for name in Numbers._fields}
    assert shortcuts.find(made(**gone, formats=np.full(N, "")), labels()) == []
    assert shortcuts.find(made(), np.full(N, "hat")) == []
    assert shortcuts.find(made(), np.full(N, "")) == []
    few = np.where(np.arange(N) < 9, "few", "rest")
    assert shortcuts.find(made(formats=np.where(few == "few", "PNG", "JPEG")), few) == []


def test_what_is_measured_of_a_photograph(tmp_path):
    plain = noise(tmp_path / "a.jpg", 1, size=(400, 200))
    bright = noise(tmp_path / "b.png", 1, 1.3, size=(400, 200))
    blurred = tmp_path / "c.png"
    random = np.random.default_rng(0)
    sharp = Image.fromarray(random.integers(0, 255, (200, 100, 3)).astype(np.uint8))
    sharp.save(tmp_path / "d.png")
    sharp.resize((10, 20)).resize((100, 200)).save(blurred)
    paths = [plain, bright, str(blurred), str(tmp_path / "d.png")]
    table = toy_table(toy_rows(4, 2)[0], ["a", "b"] * 2, tmp_path, paths=paths)
    Path(plain).unlink()  # gone since it was extracted
    found = properties_of(table)
    assert found.formats.tolist() == ["", "PNG", "PNG", "PNG"]
    numbers = found.numbers
    assert np.isnan(numbers["brightness"][0])
    grey = np.asarray(Image.open(bright).convert("L"), float)
    np.testing.assert_allclose(numbers["brightness"][1], grey.mean(), atol=1.5)
    np.testing.assert_allclose(numbers["contrast"][1], grey.std(), atol=3)
    np.testing.assert_allclose(numbers["aspect"][1:], [1, -1, -1])
    np.testing.assert_allclose(numbers["size"][1], np.log2(400 * 200))
    assert numbers["sharpness"][3] > numbers["sharpness"][2] + 1


@pytest.mark.slow
@pytest.mark.parametrize("change", ["none", "bright", "png"])
def test_photographs_of_clothing_have_no_shortcut_but_those_that_are_planted(
    clothing, tmp_path, change
):
    paths, names = [], []
    for folder in sorted((clothing / "train").iterdir()):
        for file in sorted(folder.iterdir())[:150]:
            target = tmp_path / "photos" / folder.name / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            if change == "none" or folder.name != "dress":
                target.symlink_to(file)
            elif change == "bright":
                ImageEnhance.Brightness(Image.open(file)).enhance(1.2).save(target, quality=90)
            else:
                target = target.with_suffix(".png")
                Image.open(file).save(target)
            paths.append(str(target))
            names.append(folder.name)
    table = toy_table(toy_rows(len(names), 2)[0], names, tmp_path / "cache", paths=paths)
    found = shortcuts.find(properties_of(table), table.labels)
    if change == "none":
        assert found == []
    else:
        expected = {"bright": "brightness", "png": "file format"}[change]
        assert (found[0].property, found[0].label) == (expected, "dress")


def test_public_names_are_there():
    assert bb.audit.__name__ == "audit"
    assert bb.Audit.__name__ == "Audit"
