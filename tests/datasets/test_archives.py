"""Tar archives count as folders; files .cls in them say classes (WebDataset)."""

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

import bottlebank as bb
from bottlebank.datasets import dataset as dataset_module
from bottlebank.errors import DatasetError, UsageError

SEVERAL = ["1.jpg", "2.PNG", "3.webp"]


def pack(path: Path, files) -> Path:
    """An archive of files by name; those whose content is not given hold their name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    files = files if isinstance(files, dict) else {name: name.encode() for name in files}
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def in_folders(*folders: str) -> list[str]:
    return [f"{folder}/{name}" for folder in folders for name in SEVERAL]


def rows(data, **settings) -> list[tuple[str, str, str | None]]:
    """Path below the data, label and split of each image."""
    found = bb.load_dataset(data, **settings)
    within = [os.path.relpath(path, data) for path in found.paths]
    return [*zip(within, found.labels, found.splits, strict=True)]


def test_class_folders_in_an_archive(tmp_path):
    path = pack(tmp_path / "photos.tar", in_folders("dog", "cat", "ünï"))
    expected = [
        (f"{kind}/{name}", kind, None) for kind in ("cat", "dog", "ünï") for name in SEVERAL
    ]
    assert rows(path) == expected
    assert bb.load_dataset(path).source == str(path)


def test_split_folders_in_an_archive_and_a_folder_about_them(tmp_path):
    files = in_folders(*(f"data/{split}/{kind}" for split in ("train", "val") for kind in "ab"))
    found = rows(pack(tmp_path / "photos.tar", files))
    assert {(label, split) for _, label, split in found} == {
        (kind, split) for kind in "ab" for split in ("train", "validation")
    }
    assert len(found) == 12


def test_an_archive_reads_as_the_folder_that_it_was_made_of(tmp_path):
    for name in [*in_folders("cat", "dog", "@eaDir"), "cat/.hidden.jpg", "dog/notes.txt", "r.md"]:
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).write_bytes(b"jpg")
    subprocess.run(["tar", "-C", tmp_path / "photos", "-cf", tmp_path / "p.tar", "."], check=True)
    folder, archive = bb.load_dataset(tmp_path / "photos"), bb.load_dataset(tmp_path / "p.tar")
    assert rows(tmp_path / "p.tar") == rows(tmp_path / "photos")
    assert set(archive.ignored_kinds) == set(folder.ignored_kinds)
    assert [os.path.relpath(path, tmp_path / "p.tar") for path in archive.paths] == [
        os.path.relpath(path, tmp_path / "photos") for path in folder.paths
    ]


def test_an_archive_of_loose_images_has_no_classes(tmp_path):
    found = bb.load_dataset(pack(tmp_path / "photos.tar", SEVERAL))
    assert found.labels == ["", "", ""]


def test_archives_as_classes_and_as_splits(tmp_path):
    for kind in ("cat", "dog"):
        pack(tmp_path / "classes" / f"{kind}.tar", SEVERAL)
    assert {row[1:] for row in rows(tmp_path / "classes")} == {("cat", None), ("dog", None)}
    for split in ("train", "val", "test"):
        pack(tmp_path / "splits" / f"{split}.tar", in_folders("cat", "dog"))
    assert {row[1:] for row in rows(tmp_path / "splits")} == {
        (kind, split) for kind in ("cat", "dog") for split in ("train", "validation", "test")
    }


def test_archives_beside_folders(tmp_path):
    pack(tmp_path / "cat.tar", SEVERAL)
    for name in ("dog/1.jpg", "ox.tar/2.jpg", "ox.tar/more.tar/3.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"jpg")
    pack(tmp_path / "ox.tar" / "deep.tar", ["4.jpg"])
    found = {name: label for name, label, _ in rows(tmp_path)}
    assert found == {
        **{f"cat.tar/{name}": "cat" for name in SEVERAL},
        "dog/1.jpg": "dog",
        "ox.tar/2.jpg": "ox.tar",
        "ox.tar/more.tar/3.jpg": "ox.tar",
        "ox.tar/deep.tar/4.jpg": "ox.tar",
    }


def test_what_is_passed_over_in_an_archive(tmp_path):
    hidden = ["cat/.1.jpg", ".git/2.jpg", "__MACOSX/cat/._3.jpg", "@eaDir/4.jpg", "cat/5.txt"]
    deep = "d/" * 101 + "6.jpg"
    path = pack(tmp_path / "p.tar", [*in_folders("cat", "dog"), *hidden, deep, "cat/in.tar"])
    found = bb.load_dataset(path)
    assert len(found) == 6
    assert found.ignored_kinds == {
        "hidden": 3, "system folder": 1, ".txt": 1, "more than 100 folders deep": 1, ".tar": 1,
    }  # fmt: skip


def test_exclude_and_class_level(tmp_path):
    path = pack(tmp_path / "p.tar", in_folders("x/cat", "x/dog", "y/cat", "y/dog"))
    with pytest.raises(DatasetError, match="hold folders of the same names"):
        bb.load_dataset(path)
    assert {row[1] for row in rows(path, class_level=1)} == {"x", "y"}
    assert {row[1] for row in rows(path, class_level=2)} == {"cat", "dog"}
    assert {row[1] for row in rows(path, class_level=0)} == {""}
    found = bb.load_dataset(path, exclude=["y", "3.*", "none"])
    assert {*found.labels} == {"cat", "dog"}
    assert len(found) == 4
    assert found.ignored_kinds == {"excluded": 8}
    assert f"nothing in {path} is called 'none'" in found.notes
    pack(tmp_path / "all" / "cat.tar", SEVERAL)
    pack(tmp_path / "all" / "dog.tar", SEVERAL)
    assert {row[1] for row in rows(tmp_path / "all", exclude=["dog.tar"])} == {"cat"}


def test_options_of_csv_files_are_refused(tmp_path):
    path = pack(tmp_path / "photos.tar", in_folders("cat", "dog"))
    with pytest.raises(UsageError, match=r"--label-column is for a CSV file; .* is an archive"):
        bb.load_dataset(path, label_column="label")


@pytest.mark.parametrize(
    "name", ["p.tar.gz", "p.tgz", "P.TAR.BZ2", "p.tar.xz", "p.tar.zst", "p.zip", "p.7z", "p.rar"]
)
def test_compressed_archives_are_refused_with_what_to_do(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x1f\x8bany")
    with pytest.raises(DatasetError, match=r"unpack it, or make a plain \.tar of it"):
        bb.load_dataset(tmp_path / name)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"cat/1.jpg\ncat/2.jpg\n", "the archive cannot be read: it is no tar archive"),
        (b"\x1f\x8b" + bytes(range(256)) * 4, "the archive cannot be read: it is compressed"),
        (b"", "no images in"),
        (bytes(1024), "no images in"),
    ],
)
def test_what_is_called_an_archive_and_is_none(tmp_path, data, reason):
    path = tmp_path / "photos.tar"
    path.write_bytes(data)
    with pytest.raises(DatasetError, match=reason):
        bb.load_dataset(path)
    pack(tmp_path / "cat" / "in.tar", SEVERAL)
    pack(tmp_path / "dog.tar", SEVERAL)
    found = bb.load_dataset(tmp_path)
    assert {*found.labels} == {"cat", "dog"}
    assert [path for path, _ in found.unreadable] == ([str(path)] if "archive" in reason else [])


def test_an_archive_that_is_cut_off_keeps_what_is_whole(tmp_path):
    path = pack(tmp_path / "photos.tar", in_folders("cat", "dog"))
    os.truncate(path, 512 * 9 + 3)  # in the bytes of the fifth
    found = bb.load_dataset(path)
    assert [os.path.relpath(name, path) for name in found.paths] == [
        "cat/1.jpg", "cat/2.PNG", "cat/3.webp", "dog/1.jpg",
    ]  # fmt: skip
    [(name, reason)] = found.unreadable
    assert name == str(path)
    assert reason.startswith("of the archive, not all is read: it ends 6 bytes too early")
    assert bb.datasets.as_dataset([path]).unreadable == found.unreadable


def test_archives_in_lists(tmp_path):
    path = pack(tmp_path / "photos.tar", in_folders("cat", "dog"))
    members = [f"{path}/{name}" for name in in_folders("cat", "dog")]
    assert bb.datasets.as_dataset([path]).paths == members
    assert bb.datasets.as_dataset([members[3], path]).paths == [members[3], *members]
    assert dataset_module.find_listed_images(str(path)) == members
    assert dataset_module.find_listed_images(members[1]) == [members[1]]
    (tmp_path / "list.txt").write_text("photos.tar/dog/1.jpg\nphotos.tar\n")
    assert bb.load_dataset(tmp_path / "list.txt").paths == [members[3], *members[:3], *members[4:]]
    (tmp_path / "members.txt").write_text("photos.tar/dog/1.jpg\nphotos.tar/cat/3.webp\n")
    assert bb.load_dataset(tmp_path / "members.txt").paths == [members[3], members[2]]


def test_archives_in_csv_files(tmp_path):
    path = pack(tmp_path / "photos.tar", in_folders("cat", "dog"))
    pack(tmp_path / "more.tar", SEVERAL)
    text = "path,label,split\nphotos.tar/dog/1.jpg,hound,train\nmore.tar,more,test\n"
    (tmp_path / "list.csv").write_text(text)
    found = bb.load_dataset(tmp_path / "list.csv")
    more = [str(tmp_path / "more.tar" / name) for name in SEVERAL]
    assert found.paths == [f"{path}/dog/1.jpg", *more]
    assert found.labels == ["hound", "more", "more", "more"]
    assert found.splits == ["train", "test", "test", "test"]


def shard(path: Path, labels, ending=".cls", first=0) -> Path:
    """A WebDataset shard; a class of None has no file."""
    files: dict[str, bytes] = {}
    for number, label in enumerate(labels, first):
        files[f"{number:06d}.jpg"] = b"jpg"
        files[f"{number:06d}.json"] = b"{}"
        if label is not None:
            files[f"{number:06d}{ending}"] = label if isinstance(label, bytes) else label.encode()
    return pack(path, files)


def test_webdataset(tmp_path):
    shard(tmp_path / "birds-train-0000.tar", ["0", "1\n", "10"])
    shard(tmp_path / "birds-train-0001.tar", ["1", "0"], first=3)
    shard(tmp_path / "birds-validation-0000.tar", ["1"])
    found = bb.load_dataset(tmp_path)
    assert found.labels == ["0", "1", "10", "1", "0", "1"]
    assert found.splits == ["train"] * 5 + ["validation"]
    assert found.ignored_kinds == {".json": 6}
    assert "classes are those of the .cls files in the archives" in found.notes


def test_classes_of_webdataset_are_text(tmp_path):
    names = ["Ku\u0308ken", "K\u00fcken", " 猫\r\n", "", None, "x" * 1024]
    found = bb.load_dataset(shard(tmp_path / "a.tar", names, ".CLS"))
    assert found.labels == ["K\u00fcken", "K\u00fcken", "猫", "", "", "x" * 1024]
    assert found.splits == [None] * 6


@pytest.mark.parametrize("label", [b"\xff\xfe\0", b"x" * 1025])
def test_a_class_of_webdataset_that_is_none(tmp_path, label):
    path = shard(tmp_path / "a.tar", ["0", label])
    with pytest.raises(DatasetError, match=r"\.cls beside .*a\.tar/000001\.jpg holds no class: "):
        bb.load_dataset(path)


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train-0003.tar", "train"),
        ("val/0003.tar", "validation"),
        ("imagenet-val-000.tar", "validation"),
        ("Flowers_Test_{1}.tar", "test"),
        ("test-birds-0001.tar", None),
        ("0001.tar", None),
    ],
)
def test_splits_of_webdataset(tmp_path, name, split):
    shard(tmp_path / name, ["a", "b"])
    assert bb.load_dataset(tmp_path).splits == [split, split]


def test_keys_of_webdataset_end_at_the_first_dot_of_the_last_name(tmp_path):
    files = {"v1.0/a.left.jpg": b"", "v1.0/a.right.jpg": b"", "v1.0/a.cls": b"x", "b.cls": b"y"}
    found = bb.load_dataset(pack(tmp_path / "a.tar", {**files, "b.jpg": b"", "v2.0/a.jpg": b""}))
    labels = {
        os.path.relpath(path, tmp_path / "a.tar"): label
        for path, label in zip(found.paths, found.labels, strict=True)
    }
    assert labels == {
        "v1.0/a.left.jpg": "x",
        "v1.0/a.right.jpg": "x",
        "b.jpg": "y",
        "v2.0/a.jpg": "",
    }


def test_with_a_class_level_folders_are_the_classes(tmp_path):
    shard(tmp_path / "cat.tar", ["0", "1"])
    shard(tmp_path / "dog.tar", ["0", "1"])
    assert bb.load_dataset(tmp_path, class_level=1).labels == ["cat", "cat", "dog", "dog"]
    assert bb.load_dataset(tmp_path, class_level=0).labels == [""] * 4


def test_an_archive_under_two_names_counts_once_in_webdataset(tmp_path):
    shard(tmp_path / "train-0.tar", ["a", "b"])
    (tmp_path / "train-1.tar").symlink_to("train-0.tar")
    assert bb.load_dataset(tmp_path).labels == ["a", "b"]


def test_several_archives_of_one_split(tmp_path):
    """Parts of one dataset; folders are refused there, as one may be a copy of the other."""
    for name in ("train-0000", "train-0001", "val-0000"):
        pack(tmp_path / "loose" / f"{name}.tar", [f"{name}.jpg", f"{name}.txt"])
        pack(tmp_path / "classes" / f"{name}.tar", in_folders("cat", "dog"))
    splits = ["train", "train", "validation"]
    with pytest.raises(DatasetError, match=r"--exclude train-0000\.tar, or use --class-level 1"):
        bb.load_dataset(tmp_path / "loose")
    found = bb.load_dataset(tmp_path / "loose", class_level=0)
    assert (found.labels, found.splits) == ([""] * 3, splits)
    found = bb.load_dataset(tmp_path / "classes")
    assert {*found.labels} == {"cat", "dog"}
    assert found.splits == [split for split in splits for _ in range(6)]
    (tmp_path / "classes" / "training" / "cat").mkdir(parents=True)
    (tmp_path / "classes" / "training" / "cat" / "1.jpg").write_bytes(b"jpg")
    with pytest.raises(DatasetError, match="are both named as the train split"):
        bb.load_dataset(tmp_path / "classes")
