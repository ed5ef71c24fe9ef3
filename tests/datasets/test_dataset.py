import os
import unicodedata

import pytest

from bottlebank.datasets import Dataset, load_dataset
from bottlebank.datasets.dataset import find_images
from bottlebank.errors import DatasetError


def make(root, *names: str):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def rows(dataset, root):
    return [
        (os.path.relpath(path, root), label, split)
        for path, label, split in zip(dataset.paths, dataset.labels, dataset.splits, strict=True)
    ]


def test_a_folder_per_class(tmp_path):
    make(tmp_path, "hat/2.jpg", "hat/1.PNG", "coat/deep/er/3.webp", "coat/notes.txt", "readme.md")
    make(tmp_path, "hat/.hidden.jpg", ".git/x.jpg")
    dataset = load_dataset(tmp_path)
    assert rows(dataset, tmp_path) == [
        ("coat/deep/er/3.webp", "coat", None),
        ("hat/1.PNG", "hat", None),
        ("hat/2.jpg", "hat", None),
    ]
    assert dataset.classes == ["coat", "hat"]
    assert dataset.ignored == 4  # notes, readme, a hidden file, a hidden folder
    assert set(dataset.splits) == {None}


def test_split_folders(tmp_path):
    make(tmp_path, "train/hat/1.jpg", "val/hat/2.jpg", "test/coat/3.jpg", "LICENSE", "train/x.jpg")
    dataset = load_dataset(tmp_path)
    assert rows(dataset, tmp_path) == [
        ("test/coat/3.jpg", "coat", "test"),
        ("train/hat/1.jpg", "hat", "train"),
        ("val/hat/2.jpg", "hat", "validation"),
    ]
    assert dataset.ignored == 2


def test_a_class_of_trains_is_no_split(tmp_path):
    make(tmp_path, "train/1.jpg", "bus/2.jpg")
    assert rows(load_dataset(tmp_path), tmp_path) == [
        ("bus/2.jpg", "bus", None),
        ("train/1.jpg", "train", None),
    ]


def test_csv_with_split_and_paths_relative_to_it(tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    make(tmp_path, "a.jpg")
    (tmp_path / "list.csv").write_text(
        "Path,label,split\na.jpg,hat,train\nsub/b.jpg,Mütze,val\n/abs/c.jpg,hat,\n", "utf-8-sig"
    )
    dataset = load_dataset(tmp_path / "list.csv")
    assert list(dataset.paths) == [f"{tmp_path}/a.jpg", f"{tmp_path}/sub/b.jpg", "/abs/c.jpg"]
    assert list(dataset.labels) == ["hat", "Mütze", "hat"]
    assert list(dataset.splits) == ["train", "validation", None]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colour,size\na.jpg,hat\n", "columns path,label"),
        ("path,label,split\na.jpg,hat,holdout\n", "line 2: split 'holdout' is not one of train"),
        ("path,label\n,cat\n", "line 2: path or label is missing"),
        ("path,label\n", "no rows"),
        ("", "columns path,label"),
    ],
)
def test_a_csv_that_cannot_be_meant(tmp_path, text, message):
    file = tmp_path / "list.csv"
    file.write_text(text)
    with pytest.raises(DatasetError, match=message):
        load_dataset(file)


def test_folders_that_cannot_be_meant(tmp_path):
    with pytest.raises(DatasetError, match="no such folder or file"):
        load_dataset(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="no images in"):
        load_dataset(tmp_path)


def test_links_in_a_circle_and_special_files_end(tmp_path):
    make(tmp_path, "hat/1.jpg")
    (tmp_path / "hat" / "again").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "hat" / "2.jpg").symlink_to("1.jpg")
    os.mkfifo(tmp_path / "hat" / "pipe.jpg")
    dataset = load_dataset(tmp_path)
    assert [os.path.basename(path) for path in dataset.paths] == ["1.jpg", "2.jpg"]
    assert dataset.ignored == 2


def test_a_dangling_link_is_a_candidate_that_will_be_rejected(tmp_path):
    make(tmp_path, "hat/1.jpg")
    (tmp_path / "hat" / "gone.jpg").symlink_to("nowhere.jpg")
    assert len(load_dataset(tmp_path)) == 2


def test_a_folder_that_cannot_be_listed_is_named(tmp_path, monkeypatch):
    make(tmp_path, "hat/1.jpg", "secret/2.jpg")
    real = os.scandir

    def scandir(path):
        if str(path).endswith("secret"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    dataset = load_dataset(tmp_path)
    assert list(dataset.labels) == ["hat"]
    assert list(dataset.unreadable) == [
        (str(tmp_path / "secret"), "the folder cannot be listed: Permission denied")
    ]


def test_names_of_any_kind(tmp_path):
    odd = ["été", "日本語", "a b", "emoji 🎩", "new\nline"]
    make(tmp_path, *(f"{name}/x.jpg" for name in odd))
    raw = os.fsencode(tmp_path) + b"/hat/\xff\xfe.jpg"
    os.makedirs(os.path.dirname(raw))
    open(raw, "wb").close()
    dataset = load_dataset(tmp_path)
    assert set(dataset.labels) == {*odd, "hat"}
    assert os.fsencode(dataset.paths[dataset.labels.index("hat")]) == raw


def test_class_names_that_look_alike_are_one_class(tmp_path):
    composed, decomposed = unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é")
    make(tmp_path, f"train/{composed}/1.jpg", f"test/{decomposed}/2.jpg")
    assert load_dataset(tmp_path).classes == [composed]


def test_find_images(tmp_path):
    make(tmp_path, "b/2.jpg", "a.png", "x.txt")
    assert find_images(tmp_path) == [str(tmp_path / "a.png"), str(tmp_path / "b" / "2.jpg")]
    assert find_images("not/there.txt") == ["not/there.txt"]


def test_repr_names_classes_and_counts(tmp_path):
    make(tmp_path, "hat/1.jpg", "hat/2.jpg", "coat/3.jpg")
    dataset = load_dataset(tmp_path)
    assert "3 images in 2 classes: coat (1), hat (2)>" in repr(dataset)
    assert "<tr><td>hat</td><td>2</td></tr>" in dataset._repr_html_()


def test_a_dataset_of_many_classes_is_short_and_escaped():
    labels = [f"<b>\x1b{number:04d}{'x' * 200}" for number in range(1000)]
    dataset = Dataset("a" * 5000, ["p"] * 1000, labels, ["train", "test"] * 500)
    assert len(repr(dataset)) < 1000
    assert "… 992 more" in repr(dataset)
    html = dataset._repr_html_()
    assert "<b>" not in html
    assert "\x1b" not in html
    assert "<th>train</th><th>test</th>" in html
    assert "… 970 more classes" in html
    of_31 = Dataset("a", ["p"] * 31, [f"{number:02d}" for number in range(31)], [None] * 31)
    assert "… 1 more class<" in of_31._repr_html_()
    assert "1 image in 1 class: b (1)>" in repr(Dataset("a", ["p"], ["b"], [None]))
    assert len(html) < 10_000
