"""Folders as people's tools leave them: each is read right, or refused by name."""

import os

import pytest

from bottlebank.datasets import load_dataset
from bottlebank.datasets.split_names import split_of
from bottlebank.errors import DatasetError, UsageError

from .test_dataset import make, rows


def counted(dataset) -> dict:
    """Images by (split, class)."""
    pairs = list(zip(dataset.splits, dataset.labels, strict=True))
    return {pair: pairs.count(pair) for pair in sorted(set(pairs), key=str)}


def splits_of(*names: str) -> list[str]:
    return [f"{name}/{kind}/{n}.jpg" for name in names for kind in ("cat", "dog") for n in (1, 2)]


THREE = {"train": 2, "validation": 2, "test": 2}


def expected(*splits: str | None) -> dict:
    return {(split, kind): 2 for split in splits for kind in ("cat", "dog")}


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (("train", "valid"), ("train", "validation")),
        (("train", "valid", "test"), ("train", "validation", "test")),
        (("training", "testing"), ("train", "test")),
        (("Training", "Testing"), ("train", "test")),
        (("train", "dev", "test"), ("train", "validation", "test")),
        (("train", "eval"), ("train", "validation")),
        (("seg_train", "seg_test"), ("train", "test")),
        (("train_set", "validation_set"), ("train", "validation")),
        (("train-images", "test-images"), ("train", "test")),
        (("dataset_train", "dataset_val"), ("train", "validation")),
        (("TRAIN", "VALIDATE"), ("train", "validation")),
        (("TrainData", "TestData"), ("train", "test")),
        (("train2017", "val2017"), ("train", "validation")),
        (("trainset", "testset"), ("train", "test")),
        (("Train Data", "Evaluation Data"), ("train", "validation")),
        (("train",), ("train",)),
        (("test",), ("test",)),
    ],
)
def test_split_folders_by_their_usual_names(tmp_path, names, splits):
    """Also inside one or two folders around them, as archives unpack, and class/split."""
    for around in ("a", "b/dataset", "c/archive/photos"):
        make(tmp_path / around, *splits_of(*names), "README.md")
        dataset = load_dataset(tmp_path / around.split("/")[0])
        assert counted(dataset) == expected(*splits)
    turned = [f"{kind}/{name}/{n}.jpg" for name in names for kind in ("cat", "dog") for n in "12"]
    assert counted(load_dataset(make(tmp_path / "turned", *turned))) == expected(*splits)


@pytest.mark.parametrize(
    ("files", "found"),
    [
        (["cat/1.jpg", "dog/1.jpg", "test/1.jpg"], {(None, k): 1 for k in ("cat", "dog", "test")}),
        (["dev/1.jpg", "ops/1.jpg"], {(None, "dev"): 1, (None, "ops"): 1}),
        (["seg_train/seg_train/cat/1.jpg", "seg_test/seg_test/cat/2.jpg"],
         {("train", "cat"): 1, ("test", "cat"): 1}),
        (["train/images/cat/1.jpg", "val/images/cat/2.jpg"],
         {("train", "cat"): 1, ("validation", "cat"): 1}),
        (["train/animals/cat/1.jpg", "test/animals/dog/2.jpg"],
         {("train", "cat"): 1, ("test", "dog"): 1}),
        (["flower_photos/flower_photos/rose/1.jpg", "flower_photos/flower_photos/tulip/1.jpg"],
         {(None, "rose"): 1, (None, "tulip"): 1}),
        (["cat/images/1.jpg", "dog/images/1.jpg"], {(None, "cat"): 1, (None, "dog"): 1}),
        (["train_cats/1.jpg", "train_dogs/1.jpg"],
         {(None, "train_cats"): 1, (None, "train_dogs"): 1}),
        (["Class 1/0.jpg", "Class 2/0.jpg"], {(None, "Class 1"): 1, (None, "Class 2"): 1}),
        (["photos/cat/1.jpg", "photos/dog/1.jpg", "annotations/1.xml", "code/x.py"],
         {(None, "cat"): 1, (None, "dog"): 1}),
        (["train/cat/1.jpg", "test/cat/2.jpg", "labels/1.txt", "README.roboflow.txt"],
         {("train", "cat"): 1, ("test", "cat"): 1}),
        (["cat/2019/1.jpg", "cat/9.jpg", "dog/2019/1.jpg", "dog/2020/1.jpg"],
         {(None, "cat"): 2, (None, "dog"): 2}),
        (["hat/1.jpg"], {(None, "hat"): 1}),
    ],
)  # fmt: skip
def test_layouts_that_can_be_meant_one_way(tmp_path, files, found):
    assert counted(load_dataset(make(tmp_path, *files))) == found


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([*splits_of("train"), "extra/1.jpg"], "'extra' next to the split folder 'train': "),
        ([*splits_of("train"), "seg_pred/seg_pred/1.jpg"], "--exclude seg_pred"),
        ([*splits_of("train", "test", "copy/train", "copy/test")], "--exclude copy"),
        ([*splits_of("train"), "test/1.jpg"], "test holds images but no class folders"),
        (["train/cat.1.jpg", "test/1.jpg"], "test holds images but no class folders"),
        (splits_of("val", "valid", "train"), "both named as the validation split"),
        (["cat/train/1.jpg", "cat/test/2.jpg", "dog/1.jpg"], "dog holds images directly"),
        (["cat/train/1.jpg", "cat/x/2.jpg", "dog/train/1.jpg"], "cat holds train, x"),
        (["a/cat/1.jpg", "a/dog/1.jpg", "b/cat/1.jpg", "b/dog/1.jpg"], "--class-level 2 if the"),
        (["train/images/1.jpg", "train/labels/1.txt", "valid/images/2.jpg"], "names no class"),
        (["images/1.jpg", "masks/1.png"], "holds images, masks, which names no class"),
        (["a/images/1.jpg", "a/masks/1.png", "b/images/1.jpg", "b/masks/1.png"],
         r"of the same names \(images, masks\)"),
        (["images/train/1.jpg", "images/val/2.jpg"], "train holds images but no class folders"),
        (["train/cat/1.jpg", "train/dog/1.jpg", "val/images/1.jpg"], "val holds images, which na"),
        (["docs/1.png", "dataset/cat/1.jpg", "dataset/dog/1.jpg"], "name DATA as .*dataset"),
        (["docs/1.png", "dataset/train/cat/1.jpg", "dataset/test/cat/2.jpg"], "docs holds images"),
        (["horse-or-human/horses/1.jpg", "horse-or-human/humans/1.jpg",
          "validation-horse-or-human/horses/1.jpg", "validation-horse-or-human/humans/1.jpg"],
         "--class-level 2"),
    ],
)  # fmt: skip
def test_layouts_that_are_refused_by_name(tmp_path, files, message):
    with pytest.raises(DatasetError, match=message):
        load_dataset(make(tmp_path, *files))


def test_what_errors_advise_works(tmp_path):
    make(tmp_path, *splits_of("train", "test"), "seg_pred/1.jpg", "copy/train/cat/1.jpg")
    dataset = load_dataset(tmp_path, exclude=["seg_*", "copy"])
    assert counted(dataset) == expected("train", "test")
    sites = ["a/cat/1.jpg", "a/dog/1.jpg", "b/cat/1.jpg", "b/dog/1.jpg"]
    make(tmp_path / "sites", *sites)
    for level, names in ((1, ["a", "b"]), (2, ["cat", "dog"])):
        assert load_dataset(tmp_path / "sites", class_level=level).classes == names
    assert counted(
        load_dataset(tmp_path, class_level=2, exclude=["seg_pred", "copy", "sites"])
    ) == (expected("train", "test"))
    with pytest.raises(DatasetError, match="no folders with images at level 3"):
        load_dataset(tmp_path / "sites", class_level=3)
    with pytest.raises(UsageError, match="--image-root is for a CSV file"):
        load_dataset(tmp_path / "sites", image_root=tmp_path)


def test_what_systems_leave_is_no_class_and_no_photograph(tmp_path):
    make(
        tmp_path,
        "__MACOSX/cat/._1.jpg", "__MACOSX/photos/1.jpg", "cat/@eaDir/1.jpg/SYNOPHOTO_THUMB_XL.jpg",
        "#recycle/1.jpg", "$RECYCLE.BIN/S-1-5/1.jpg", "lost+found/1.jpg", "cat/._1.jpg",
        "System Volume Information/1.jpg", ".ipynb_checkpoints/1-checkpoint.jpg", "cat/Thumbs.db",
        "cat/desktop.ini", "cat/.@__thumb/1.jpg", "@Recycle/2.jpg", ".DS_Store", "cat/1.jpg",
        "dog/1.jpg", "dog/1.jpg@SynoEAStream", "dog/.Trash-1000/files/1.jpg", "FOUND.000/1.jpg",
    )  # fmt: skip
    dataset = load_dataset(tmp_path)
    assert [path for path, *_ in rows(dataset, tmp_path)] == ["cat/1.jpg", "dog/1.jpg"]
    assert dataset.ignored == sum(dataset.ignored_kinds.values()) == 16
    assert dataset.ignored_kinds["system folder"] == 8
    assert dataset.ignored_kinds[".db"] == 1


def test_a_folder_with_two_names_counts_under_both(tmp_path, caplog):
    make(tmp_path / "d", *splits_of("train", "val"))
    os.symlink("val", tmp_path / "d" / "test")
    assert counted(load_dataset(tmp_path / "d")) == expected("train", "validation", "test")
    assert "are the same folder" in caplog.text
    make(tmp_path / "pool", "red/1.jpg", "green/1.jpg")
    (tmp_path / "e").mkdir()
    for name, to in (("a", "red"), ("b", "green"), ("c", "red")):
        os.symlink(f"../pool/{to}", tmp_path / "e" / name)
    dataset = load_dataset(tmp_path / "e")
    assert dataset.classes == ["a", "b", "c"]
    assert dataset.ignored == 0
    assert "e/c and " in " ".join(dataset.notes)


def test_folders_that_link_to_one_another_end(tmp_path):
    """Thirty folders with links to all the others: as many paths as 30 factorial."""
    for here in range(30):
        make(tmp_path, f"c{here}/{here}.jpg")
        for there in range(30):
            os.symlink(f"../c{there}", tmp_path / f"c{here}" / f"to{there}")
    assert len(load_dataset(tmp_path).classes) == 30
    deep = tmp_path / "deep" / "cat" / "/".join("d" * 150)
    deep.mkdir(parents=True)
    make(tmp_path / "deep", "cat/1.jpg", "dog/1.jpg")
    assert "100 folders deep" in load_dataset(tmp_path / "deep").unreadable[0][1]


def test_images_beside_class_folders_are_named(tmp_path, caplog):
    dataset = load_dataset(make(tmp_path, "1.jpg", "2.jpg", "cat/3.jpg", "dog/4.jpg", "Dog/5.jpg"))
    assert len(dataset) == 3
    assert dataset.ignored_kinds == {"images in no class folder": 2}
    assert "2 images directly in" in caplog.text
    assert "differ only in case" in caplog.text


@pytest.mark.parametrize(
    "name", ["imagesTr", "trains", "train_cats", "holdout", "Testament", "", "x"]
)
def test_names_of_no_split(name):
    assert split_of(name) is None


@pytest.mark.parametrize(
    ("images", "empty", "note"),
    [
        (["cat/1.jpg", "dog/1.jpg"], ["owl"], "the folder {}/owl holds no images and is left out"),
        (
            ["cat/1.jpg", "dog/1.jpg", "owl/notes.txt"],
            ["emu/young", ".git", "dog/spare"],
            "2 folders hold no images and are left out: {0}/emu, {0}/owl",
        ),
        (
            splits_of("train", "test"),
            ["validation", "train/owl"],
            "2 folders hold no images and are left out: {0}/validation, {0}/train/owl",
        ),
        (
            ["cat/train/1.jpg", "dog/train/1.jpg", "dog/test/1.jpg"],
            ["cat/test"],
            "the folder {}/cat/test holds no images and is left out",
        ),
    ],
)
def test_folders_without_images_are_named(tmp_path, caplog, images, empty, note):
    make(tmp_path, *images)
    for name in empty:
        (tmp_path / name).mkdir(parents=True)
    expected = note.format(tmp_path)
    assert load_dataset(tmp_path).notes == [expected]
    assert caplog.messages == [f"note: {expected}"]
