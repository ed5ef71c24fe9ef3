"""Images in Parquet files have the rows of the same images in folders."""

import os
import time

import numpy as np
import pytest

import bottlebank as bb
from bottlebank.cache import CacheFolder
from bottlebank.datasets.parts import lists
from bottlebank.extraction.in_parts import extract_in_parts
from bottlebank.extraction.maintenance import prune
from bottlebank.extraction.worker import Worker
from bottlebank.untrusted import tar_members

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

IMAGE = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
SETTINGS = {"engine": "openvino", "precision": "float32"}


def pack(file, images, **settings):
    """A file of images, as old as is known by its times; None stands for a row without one."""
    values = [None if data is None else {"bytes": data, "path": name} for name, data in images]
    columns = {"image": pyarrow.array(values, IMAGE), "label": [name[:1] for name, _ in images]}
    parquet.write_table(pyarrow.table(columns), file, row_group_size=7, **settings)
    time.sleep(0.03)
    return file


@pytest.fixture
def pictures(photos):
    return [(file.name, file.read_bytes()) for file in sorted(photos.rglob("*.png"))]


@pytest.fixture
def shards(pictures, tmp_path):
    (tmp_path / "hub" / "data").mkdir(parents=True)
    folder = tmp_path / "hub"
    pack(folder / "data" / "train-00000-of-00002.parquet", pictures[:25])
    odd = [*pictures[25:40], ("a", None), ("b", b"no image"), *pictures[:2]]
    pack(folder / "data" / "train-00001-of-00002.parquet", odd, compression="zstd")
    pack(folder / "data" / "test-00000-of-00001.parquet", pictures[40:], compression="none")
    return folder


def in_parts(data, cache):
    return extract_in_parts(data, {}, extractor="random", cache=cache, **SETTINGS)


def test_rows_are_those_of_the_files(photos, pictures, shards, cache, tmp_path, converted_random):
    data = bb.load_dataset(shards)
    table = bb.extract(data, "random", cache=cache, **SETTINGS)
    other = tmp_path / "other"
    other.mkdir()
    os.symlink(converted_random, other / "networks")
    of_folder = bb.extract(bb.load_dataset(photos), "random", cache=other, **SETTINGS)
    rows = dict(zip(of_folder.keys, of_folder.features, strict=True))
    assert len(table.keys) == 62
    for key, row in zip(table.keys, table.features, strict=True):
        assert np.array_equal(row, rows[key])
    assert set(table.splits) == {"train", "test"}
    (first, reason), (second, _) = table.rejected
    assert (os.path.basename(first), os.path.basename(second)) == ("15", "16")
    assert reason == "cannot be read: its row holds no image"
    again = bb.extract(data, "random", cache=cache, **SETTINGS)
    assert again.report.extracted == 0
    assert again.report.cached == 60


def test_in_parts_they_are_the_same_and_files_are_not_read_again(
    pictures, shards, cache, monkeypatch, converted_random
):
    monkeypatch.setattr(lists, "_SETTLED_NS", 20_000_000)
    monkeypatch.setattr(lists, "ROWS_AT_ONCE", 7)
    whole = bb.extract(bb.load_dataset(shards), "random", cache=cache, **SETTINGS)
    (shards / "data" / "train-00001-of-00002.parquet").unlink()
    pack(shards / "data" / "more.parquet", pictures[:3])
    monkeypatch.setattr(Worker, "start", refuse)
    done = in_parts(shards, cache)
    assert whole.report.extracted == 60
    assert (done.report.images, done.report.extracted, done.report.duplicates) == (48, 0, 3)


def refuse(*_):
    raise AssertionError("a file was read")


def test_what_is_read_in_parts_is_looked_up_by_what_is_remembered(
    shards, cache, monkeypatch, converted_random
):
    monkeypatch.setattr(lists, "_SETTLED_NS", 20_000_000)
    first = in_parts(shards, cache)
    monkeypatch.setattr(Worker, "start", refuse)
    monkeypatch.setattr(tar_members, "status_of", refuse)
    again = in_parts(shards, cache)
    names = ("images", "duplicates", "rejected", "ignored")
    of_first = [getattr(first.report, name) for name in names]
    assert [getattr(again.report, name) for name in names] == of_first == [64, 2, 2, 0]
    assert list(again.rejected) == list(first.rejected)


def test_prune_removes_rows_of_images_that_are_gone(pictures, cache, tmp_path, converted_random):
    file = pack(tmp_path / "a.parquet", pictures[:20])
    bb.extract(bb.load_dataset(file), "random", cache=cache, **SETTINGS)
    with CacheFolder(cache, create=True) as folder:
        assert prune(folder, None).recipes == []
        pack(file, pictures[:15])
        [recipe] = prune(folder, None).recipes
    assert recipe["rows_removed"] == 5


def test_a_whole_file_is_read_by_workers_in_parallel(pictures, cache, tmp_path, converted_random):
    """Each reads the pages that its images are in; none has the file's memory."""
    many = [(f"{n}-{name}", data + bytes([n])) for n in range(5) for name, data in pictures]
    file = pack(tmp_path / "many.parquet", many)
    done = in_parts(file, cache)
    assert (done.report.extracted, done.report.rejected) == (300, 0)
    assert tar_members.status_of(f"{file}/299").read() == many[299][1]
