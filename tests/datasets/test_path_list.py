"""Text files with one path a line, as `find`, `ls`, git, PowerShell and people write them."""

import os
import subprocess

import pytest

from bottlebank.datasets import load_dataset
from bottlebank.errors import DatasetError, UsageError

NAMES = ["a.jpg", "b c.PNG", "Smith, John.jpg", "#1.jpg", "кот.jpg", "猫.webp", "🎩.gif", "قطة.bmp"]
ODD = ["=cmd.jpg", " lead.jpg", "trail.jpg ", "<script>.png", "it's.jpg", 'a"b.jpg', "tab\t.jpg"]


@pytest.fixture
def photos(tmp_path):
    for name in (*NAMES, *ODD, "sub/deep/1.jpg", "notes.txt"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "photos"


def listed(file, data: bytes | str, **parameters) -> list[str]:
    """The images of a list, relative to its folder."""
    file.write_bytes(data if isinstance(data, bytes) else data.encode())
    dataset = load_dataset(file, **parameters)
    assert set(dataset.labels) == {""}
    assert dataset.classes == []
    assert set(dataset.splits) == {None}
    return [os.path.relpath(path, file.parent) for path in dataset.paths]


@pytest.mark.parametrize(
    "command",
    [
        ["find", "photos", "-type", "f"],
        ["find", "photos"],  # folders too
        ["find", ".", "-name", "*", "-print0"],
        ["find", "photos", "-type", "f", "-printf", "%p\\r\\n"],
    ],
)
def test_what_find_writes(photos, command):
    data = subprocess.run(command, cwd=photos.parent, capture_output=True, check=True).stdout
    found = listed(photos.parent / "list.txt", data)
    expected = {f"photos/{name}" for name in (*NAMES, *ODD, "sub/deep/1.jpg")}
    assert {os.path.normpath(path) for path in found} == expected - {"photos/trail.jpg "}
    assert len(found) == len(expected) - 1


@pytest.mark.parametrize("command", [["ls"], ["ls", "-1p"], ["ls", "-Q"], ["ls", "-m1"]])
def test_what_ls_writes_of_another_folder(photos, command):
    done = subprocess.run(command, cwd=photos, capture_output=True, check=True)
    found = listed(photos.parent / "list.txt", done.stdout)
    assert set(found) >= {f"photos/{name}" for name in NAMES}
    assert "photos/sub/deep/1.jpg" in found


def test_what_git_writes(photos):
    folder = photos.parent
    subprocess.run(["git", "init", "-q", "."], cwd=folder, check=True)
    subprocess.run(["git", "add", "."], cwd=folder, check=True)
    data = subprocess.run(["git", "ls-files"], cwd=folder, capture_output=True, check=True).stdout
    assert b"\\320" in data
    assert set(listed(folder / "list.txt", data)) >= {f"photos/{name}" for name in NAMES}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_encodings_and_ends_of_lines(photos, encoding, end):
    text = end.join(["photos/a.jpg", "", "photos/猫.webp", "# a remark", "   ", "photos/#1.jpg"])
    for data in (text, text + end):
        found = listed(photos / ".." / "list.txt", data.encode(encoding))
        assert found == ["photos/a.jpg", "photos/猫.webp", "photos/#1.jpg"]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (b'"photos/a.jpg"', "a.jpg"),
        (b"'photos/b c.PNG'", "b c.PNG"),
        (b"  photos/a.jpg  ", "a.jpg"),
        (b"photos\\a.jpg", "a.jpg"),
        (b"./photos//a.jpg", "a.jpg"),
        (b"photos/sub", "sub/deep/1.jpg"),
        (b"photos/a", "a.jpg"),
        (b"path\nphotos/a.jpg", "a.jpg"),
        (b"File Name\r\nphotos/a.jpg\r\n", "a.jpg"),
        (b"photos/a.jpg\nphotos/a.jpg\n./photos/a.jpg\nphotos/notes.txt", "a.jpg"),
        (b"Smith, John.jpg", "Smith, John.jpg"),
    ],
)
def test_lines_that_mean_one_image(photos, line, name):
    root = None if b"photos" in line else photos
    found = listed(photos.parent / "list.txt", line, image_root=root)
    assert [os.path.normpath(path) for path in found] == [f"photos/{name}"]


def test_names_that_are_not_utf_8_by_their_bytes_or_a_windows_encoding(tmp_path):
    raw, known = os.fsencode(tmp_path) + b"/\xff\xe9.jpg", tmp_path / "café.jpg"
    open(raw, "wb").close()
    known.touch()
    for page in ("cp1252", "cp850", "cp437"):
        data = b"\xff\xe9.jpg\n" + known.name.encode(page) + b"\n"
        assert listed(tmp_path / "list.txt", data) == [os.fsdecode(b"\xff\xe9.jpg"), "café.jpg"]
    assert listed(tmp_path / "list.txt", "café.jpg".encode("cp850"), encoding="cp850") == [
        "café.jpg"
    ]


def test_absolute_paths_and_any_name_of_the_file(photos):
    for name in ("list", "list.csv", "list.lst", "猫.txt"):
        assert listed(photos.parent / name, str(photos / "a.jpg")) == ["photos/a.jpg"]


def test_files_that_are_gone_stay_to_be_rejected_and_others_are_counted(photos):
    file = photos.parent / "list.txt"
    found = listed(file, "photos/gone.jpg\nphotos/a.jpg\nphotos/notes.txt\n")
    assert found == ["photos/gone.jpg", "photos/a.jpg"]
    assert load_dataset(file).ignored_kinds == {".txt": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gone/a.jpg\ngone/b.jpg\n", "none of its paths leads to a file; the first, 'gone/a.jpg'"),
        ("~/a.jpg\n", "none of its paths leads to a file; the first, '~/a.jpg'"),
        ("photos/a.jpg\nhttps://x.org/b.jpg\n", "line 2: .* is an address"),
        ("photos/a.jpg\nC:\\me\\b.jpg\n", "line 2: .* absolute path of another system"),
        ("photos/notes.txt\n", r"no images in .*list.txt \(1 other file was ignored: .txt"),
        ("# nothing\n", "expected a header with the columns path,label"),
        ("buy milk\nand bread\n", "expected a header with the columns path,label"),
        ("photos/a.jpg 3\n", "expected a header with the columns path,label"),
    ],
)
def test_lists_that_are_refused(photos, text, message):
    with pytest.raises(DatasetError, match=message):
        listed(photos.parent / "list.txt", text)


def test_csv_files_stay_csv_files(photos):
    file = photos.parent / "list.csv"
    file.write_text("photos/a.jpg,hat\nphotos/b c.PNG,shoe\n")
    assert load_dataset(file).labels == ["hat", "shoe"]
    file.write_text("path,label\nphotos/a.jpg,hat\nphotos/#1.jpg\n")
    with pytest.raises(DatasetError, match="line 3: path or label is missing"):
        load_dataset(file)
    file.write_text("path,label\nphotos/a.jpg,hat\nphotos/#1.jpg,\n")
    partly = load_dataset(file)
    assert partly.labels == ["hat", ""]
    assert "1 row has no label, line 3 first: these images have no class" in partly.notes[-1]
    header = ",".join(f"class {number}" for number in range(200))  # longer than any file name
    file.write_text(f"image,{header}\nphotos/a.jpg,1{',0' * 199}\n")
    assert load_dataset(file).labels == ["class 0"]


def test_parameters_that_do_not_apply(photos):
    file = photos.parent / "list.txt"
    file.write_text("photos/a.jpg\n")
    with pytest.raises(UsageError, match="--class-level is for a folder"):
        load_dataset(file, class_level=0)
    with pytest.raises(DatasetError, match="no column is called 'x'"):
        load_dataset(file, path_column="x")


def test_a_folder_without_class_folders_is_images_without_classes(tmp_path, caplog):
    for name in ("2.jpg", "1.PNG", "notes.txt", "empty/readme.md", ".hidden.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    dataset = load_dataset(tmp_path)
    assert [os.path.basename(path) for path in dataset.paths] == ["1.PNG", "2.jpg"]
    assert (dataset.labels, dataset.splits) == (["", ""], [None, None])
    assert repr(dataset).endswith("2 images without classes>")
    assert "holds images and no class folders: they have no class" in caplog.text
    (tmp_path / "labels.csv").touch()
    assert "if " + str(tmp_path / "labels.csv") + " lists them" in load_dataset(tmp_path).notes[-1]


def test_at_class_level_0_no_folder_is_a_class(tmp_path):
    for name in ("train/hat/1.jpg", "train/2.jpg", "val/3.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(DatasetError, match="class-level 1 if it is a class, 0 if no image has one"):
        load_dataset(tmp_path)
    dataset = load_dataset(tmp_path, class_level=0)
    assert set(dataset.labels) == {""}
    assert dataset.splits == ["train", "train", "validation"]
    (tmp_path / "4.jpg").touch()
    with_loose = load_dataset(tmp_path, class_level=0)
    assert with_loose.splits == [None] * 4
    assert with_loose.notes == []
