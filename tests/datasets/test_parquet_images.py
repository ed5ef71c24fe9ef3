"""Images in Parquet files, as Hugging Face's libraries and others write them."""

from __future__ import annotations

import contextlib
import io
import json
import random

import numpy as np
import pytest
from PIL import Image

from bottlebank.datasets import load_dataset
from bottlebank.datasets.dataset import find_listed_images
from bottlebank.errors import BottlebankError, DatasetError, ImageRejectedError, UsageError
from bottlebank.features.images.decoder import read
from bottlebank.untrusted import parquet_pages

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

IMAGE = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])


def picture(seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8 + seed % 5, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def hub_table(values, labels=None, names=("cat", "dog"), image="image"):
    """As `datasets.Dataset.to_parquet` has it, with its note of what the columns are."""
    columns = {image: pyarrow.array(values, IMAGE)}
    features = {image: {"_type": "Image"}}
    if labels is not None:
        columns["label"] = pyarrow.array(labels, pyarrow.int64())
        features["label"] = {"names": [*names], "_type": "ClassLabel"}
    note = json.dumps({"info": {"features": features}})
    return pyarrow.table(columns).replace_schema_metadata({"huggingface": note})


def whole(n, first=0):
    return [{"bytes": picture(first + row), "path": f"{row}.png"} for row in range(n)]


def written(file, table, **settings):
    file.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(table, file, **settings)
    return file


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("dictionary", [True, False])
@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "brotli", "zstd", "lz4"])
def test_every_image_is_read_as_it_was_written(tmp_path, compression, dictionary, version):
    values = [None, *whole(20), {"bytes": None, "path": None}, *whole(10, 20)]
    settings = {
        "compression": compression,
        "use_dictionary": dictionary,
        "data_page_version": version,
        "row_group_size": 13,
        "write_batch_size": 3,
        "data_page_size": 500,
    }
    file = written(tmp_path / "a.parquet", hub_table(values, [0, 1] * 16), **settings)
    found = load_dataset(file)
    assert list(found.paths) == [f"{file}/{row}" for row in range(32)]
    assert list(found.labels) == ["cat", "dog"] * 16
    for path, value in zip(found.paths, values, strict=True):
        if value is None or value["bytes"] is None:
            with pytest.raises(ImageRejectedError, match="its row holds no image"):
                read(path)
        else:
            assert read(path)[0] == value["bytes"]
    order = [*range(32)]
    random.Random(1).shuffle(order)
    for row in order:  # and in any order
        if values[row] and values[row]["bytes"]:
            assert read(found.paths[row])[0] == values[row]["bytes"]


def test_a_repeated_image_is_in_the_dictionary_once(tmp_path):
    values = [{"bytes": picture(row % 3), "path": None} for row in range(5000)]
    file = written(tmp_path / "a.parquet", hub_table(values, [0] * 5000))
    assert file.stat().st_size < 10_000
    paths = load_dataset(file).paths
    for row in (0, 1, 2047, 4999):
        assert read(paths[row])[0] == values[row]["bytes"]


def test_a_folder_as_the_hub_has_it(tmp_path):
    files = {
        "data/train-00000-of-00002.parquet": "train",
        "data/train-00001-of-00002.parquet": "train",
        "data/validation-00000-of-00001.parquet": "validation",
        "data/test-00000-of-00001.parquet": "test",
    }
    for number, name in enumerate(files):
        written(tmp_path / name, hub_table(whole(8, 8 * number), [0, 1, 1, 0, -1, 0, 1, 0]))
    (tmp_path / "README.md").write_text("---\n")
    (tmp_path / ".gitattributes").write_text("")
    found = load_dataset(tmp_path)
    expected = [f"{tmp_path}/{name}/{row}" for name in sorted(files) for row in range(8)]
    assert list(found.paths) == expected
    assert list(found.splits) == [files[name] for name in sorted(files) for _ in range(8)]
    assert list(found.labels) == ["cat", "dog", "dog", "cat", "", "cat", "dog", "cat"] * 4
    assert found.ignored_kinds == {".md": 1}
    assert len(found.notes) == 1
    assert "3 other files: 1 row has no label" in found.notes[0]
    assert find_listed_images(str(tmp_path)) == expected
    assert len(load_dataset(tmp_path, exclude=["test-*"])) == 24
    with pytest.raises(UsageError, match="--class-level is for a folder of images"):
        load_dataset(tmp_path, class_level=1)


def test_the_folders_of_converted_datasets_are_splits(tmp_path):
    written(tmp_path / "default/train/0000.parquet", hub_table(whole(2), [0, 1]))
    written(tmp_path / "default/partial-test/0000.parquet", hub_table(whole(2, 2), [0, 1]))
    written(tmp_path / "cifar10-dev.parquet", hub_table(whole(2, 4), [0, 1]))
    assert list(load_dataset(tmp_path).splits) == ["validation"] * 2 + ["test"] * 2 + ["train"] * 2


@pytest.mark.parametrize("kind", [pyarrow.binary(), pyarrow.large_binary()])
def test_a_column_of_bytes_with_classes_in_words(tmp_path, kind):
    images = [picture(row) for row in range(6)]
    columns = {"image": pyarrow.array(images, kind), "label": ["a", "b", None] * 2}
    columns |= {"split": ["train", "test"] * 3, "embedding": [[1.0]] * 6, "w": [1, 2, 3] * 2}
    file = written(tmp_path / "a.parquet", pyarrow.table(columns))
    found = load_dataset(file, weights_column="w")
    assert [read(path)[0] for path in found.paths] == images
    assert list(found.labels) == ["a", "b", ""] * 2
    assert list(found.splits) == ["train", "test"] * 3
    assert list(found.weights) == [1, 2, 3] * 2


def test_a_path_is_that_of_a_file_where_no_bytes_are_and_a_name_elsewhere(tmp_path):
    (tmp_path / "beside.png").write_bytes(picture(7))
    (tmp_path / "other.png").write_bytes(picture(8))
    values = [{"bytes": None, "path": "beside.png"}, {"bytes": picture(1), "path": "other.png"}]
    values += [{"bytes": picture(2), "path": "/etc/passwd"}, {"bytes": None, "path": "gone.png"}]
    file = written(tmp_path / "a.parquet", hub_table(values, [0, 1, 0, 1]))
    found = load_dataset(file)
    names = ["beside.png", "a.parquet/1", "a.parquet/2", "gone.png"]
    assert list(found.paths) == [f"{tmp_path}/{name}" for name in names]
    assert [read(path)[0] for path in found.paths[:3]] == [picture(7), picture(1), picture(2)]
    all_paths = [{"bytes": None, "path": "beside.png"}, {"bytes": None, "path": "other.png"}]
    for table in (
        hub_table(all_paths, [0, 1]),
        pyarrow.table({"image": pyarrow.array(all_paths), "label": ["a", "b"]}),
    ):
        found = load_dataset(written(file, table))
        assert list(found.paths) == [f"{tmp_path}/beside.png", f"{tmp_path}/other.png"]


def test_which_column_holds_images_and_labels(tmp_path):
    columns = hub_table(whole(4), [0, 1, 1, 0]).append_column(
        "thumbnail", pyarrow.array(whole(4, 4), IMAGE)
    )
    note = json.loads(columns.schema.metadata[b"huggingface"])
    note["info"]["features"]["thumbnail"] = {"_type": "Image"}
    columns = columns.append_column("image_file_path", pyarrow.array(["x.png"] * 4))
    columns = columns.replace_schema_metadata({"huggingface": json.dumps(note)})
    file = written(tmp_path / "a.parquet", columns)
    assert read(load_dataset(file).paths[2])[0] == picture(2)
    other = load_dataset(file, path_column="thumbnail")
    assert other.paths[2] == f"{file}/thumbnail/2"
    assert read(other.paths[2])[0] == picture(6)
    columns = columns.rename_columns(["left", "label", "right", "file"])
    features = {"left": {"_type": "Image"}, "right": {"_type": "Image"}}
    note = json.dumps({"info": {"features": features}})
    file = written(tmp_path / "b.parquet", columns.replace_schema_metadata({"huggingface": note}))
    with pytest.raises(DatasetError, match="any of the columns left, right may hold the images"):
        load_dataset(file)
    found = load_dataset(file, path_column="left")
    assert list(found.labels) == ["0", "1", "1", "0"]
    assert read(found.paths[3])[0] == picture(3)


def test_without_labels_images_have_no_class(tmp_path):
    found = load_dataset(written(tmp_path / "a.parquet", hub_table(whole(3))))
    assert list(found.labels) == [""] * 3
    assert "--label-column" in found.notes[0]


@pytest.mark.parametrize(
    "column",
    [
        pyarrow.array([[{"bytes": b"a", "path": "a"}]] * 2),
        pyarrow.array([{"bytes": "text", "path": "a"}] * 2),
        pyarrow.array([{"bytes": {"bytes": b"a"}, "path": "a"}] * 2),
        pyarrow.array([{"bytes": b"a", "path": 1}] * 2),
        pyarrow.array([b"ab"] * 2, pyarrow.binary(2)),
        pyarrow.array([[b"ab"]] * 2),
    ],
)
def test_columns_of_other_types_hold_no_images(tmp_path, column):
    file = written(tmp_path / "a.parquet", pyarrow.table({"image": column}))
    with pytest.raises(DatasetError, match=r"a.parquet: expected .* a column image of bytes"):
        load_dataset(file)
    with pytest.raises(DatasetError, match=r"a.parquet: expected"):
        load_dataset(written(file, pyarrow.table({"image": column, "label": ["a", "b"]})))
    with pytest.raises(DatasetError, match="no images in"):
        load_dataset(tmp_path)


def test_labels_beyond_the_classes_and_other_names_are_refused(tmp_path):
    file = written(tmp_path / "a.parquet", hub_table(whole(2), [0, 2]))
    with pytest.raises(DatasetError, match=r"a.parquet, line 3: label is 2, and there are 2"):
        load_dataset(file)
    file = written(tmp_path / "images", hub_table(whole(2), [0, 1]))
    with pytest.raises(DatasetError, match="give it a name that ends in .parquet"):
        load_dataset(file)


def test_names_of_no_row_lead_nowhere(tmp_path):
    file = written(tmp_path / "a.parquet", hub_table(whole(2), [0, 1]))
    for name in ("2", "-1", "01", "0/", "x/0", "../a.parquet/0", "", "9" * 40):
        with pytest.raises(ImageRejectedError, match=r"no such image|no such file|directory"):
            read(f"{file}/{name}" if name else f"{file}/")


def test_a_damaged_file_in_a_folder_is_one_rejected_entry(tmp_path):
    written(tmp_path / "train-0.parquet", hub_table(whole(4), [0, 1, 1, 0]))
    cut = written(tmp_path / "train-1.parquet", hub_table(whole(4, 4), [0, 1, 1, 0]))
    cut.write_bytes(cut.read_bytes()[:-20])
    found = load_dataset(tmp_path)
    assert len(found) == 4
    assert [path for path, _ in found.unreadable] == [str(cut)]
    assert "the Parquet file is damaged" in found.unreadable[0][1]


@pytest.mark.parametrize("compression", ["none", "snappy"])
def test_damage_anywhere_is_an_error_or_a_rejection(tmp_path, compression):
    values = whole(12)
    settings = {"compression": compression, "row_group_size": 4}
    file = written(tmp_path / "a.parquet", hub_table(values, [0, 1] * 6), **settings)
    data = file.read_bytes()
    chance = random.Random(0)
    places = [chance.randrange(len(data)) for _ in range(60)]
    places += range(len(data) - 900, len(data), 15)  # what says where pages are
    for place in places:
        damaged = bytearray(data)
        damaged[place] ^= chance.choice([1, 0x80, 0xFF])
        file.write_bytes(damaged)
        try:
            paths = load_dataset(file).paths
        except BottlebankError as error:
            assert "a.parquet" in str(error)
            continue
        assert len(paths) <= len(data)
        for path in paths:
            with contextlib.suppress(ImageRejectedError):
                read(path)


@pytest.mark.parametrize("codec", ["SNAPPY", "GZIP", "BROTLI", "ZSTD", "LZ4"])
def test_a_page_is_as_long_as_its_header_has_it(codec):
    """Else what was in the memory would be taken for images."""
    value = b"some bytes" * 100
    packed = pyarrow.Codec(parquet_pages._CODECS[codec]).compress(value, asbytes=True)
    assert parquet_pages._unpacked(packed, codec, len(value)) == value
    for n_bytes in (len(value) - 1, len(value) + 1, 10 * len(value)):
        with pytest.raises(ValueError, match="its page is damaged"):
            parquet_pages._unpacked(packed, codec, n_bytes)


def test_pages_that_are_too_large_are_rejected_unread(tmp_path, monkeypatch):
    values = [{"bytes": bytes(1 << 20), "path": None}, {"bytes": b"small", "path": None}]
    file = written(tmp_path / "a.parquet", hub_table(values, [0, 1]), row_group_size=1)
    monkeypatch.setattr(parquet_pages, "MOST_OF_PAGE", 1 << 16)
    paths = load_dataset(file).paths
    assert file.stat().st_size < 1 << 18  # it is compressed
    with pytest.raises(ImageRejectedError, match="at most 65,536 are read: write the file anew"):
        read(paths[0])
    assert read(paths[1])[0] == b"small"


def test_a_file_that_has_changed_is_not_read_as_it_was(tmp_path):
    file = written(tmp_path / "a.parquet", hub_table(whole(2), [0, 1]))
    _, status = read(f"{file}/1")
    written(file, hub_table(whole(3, 50), [0, 1, 1]))
    with pytest.raises(ImageRejectedError, match="the archive has changed meanwhile"):
        read(status)
    assert read(f"{file}/1")[0] == picture(51)


def test_values_in_an_unknown_encoding_are_rejected(tmp_path):
    settings = {"use_dictionary": False, "column_encoding": {"image": "DELTA_LENGTH_BYTE_ARRAY"}}
    table = pyarrow.table({"image": [picture(0)], "label": ["a"]})
    file = written(tmp_path / "a.parquet", table, **settings)
    with pytest.raises(ImageRejectedError, match="encoding 6, which is not read"):
        read(load_dataset(file).paths[0])


@pytest.mark.parametrize(("has_images", "says"), [(True, 0), (True, 2), (True, 4), (False, 4)])
def test_row_groups_that_say_another_number_of_rows_are_refused(tmp_path, says, has_images):
    (tmp_path / "a.png").write_bytes(picture(0))
    table = pyarrow.table({"path": ["a.png"] * 3, "label": ["a", "b", "a"]})
    table = hub_table(whole(3), [0, 1, 0]) if has_images else table
    file = written(tmp_path / "whole.parquet", table)
    data = file.read_bytes()
    place = data.rindex(b"\x16\x06\x26")  # of a row group, that it has three rows
    file.write_bytes(data[:place] + bytes([0x16, 2 * says]) + data[place + 2 :])
    with pytest.raises(DatasetError, match=r"whole.parquet .*(damaged|no rows)"):
        load_dataset(file)
