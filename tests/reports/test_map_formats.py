"""Maps for other programs, read back field by field."""

import csv
import json
import re

import numpy as np
import pytest
from PIL import Image

import bottlebank as bb
from bottlebank.datasets.labels_file import read_labels
from bottlebank.errors import LibraryNotFoundError, UsageError
from bottlebank.reports.layouts import lay_out
from bottlebank.reports.map_formats import projector
from bottlebank.reports.map_formats.output import require_map_output
from bottlebank.reports.map_formats.registry import MAP_FORMATS

from ..toys.toy_table import noise, toy_rows, toy_table

FILES = [
    "1.png", "tab\t2.png", "line\n3.png", "car\r4.png", '"5".png', "=cmd|' /C calc'!A0.png",
    "قطة.png", "猫\u2028.png", "🎩.png", "\udcff.png", "back\\slash.png", "@home.png",
]  # fmt: skip
LABELS = [
    "hat", "<script>", "=1+1", "", "帽子", "قبعة", "🎩", "a\tb", 'say "hi"', "hat", "-2", "c\nd",
]  # fmt: skip


@pytest.fixture
def odd(tmp_path):
    """Twelve images of ten and more classes, with names that tear careless files apart."""
    paths = [noise(tmp_path / "photos" / name, seed) for seed, name in enumerate(FILES)]
    features, _ = toy_rows(12, 3)
    splits = ["train", None, "test", *[None] * 9]
    return toy_table(features, LABELS, tmp_path, paths=paths, splits=splits)


def test_every_format_takes_what_it_has_written_and_nothing_else(odd, tmp_path):
    for name, line in MAP_FORMATS.items():
        output = tmp_path / f"out{''.join(line.suffixes)}-{name}{''.join(line.suffixes)}"
        assert bb.plot(odd, output, format=name).path == output
        before = contents(output)
        assert contents(bb.plot(odd, output, format=name).path) == before
        other = tmp_path / f"other-{name}{''.join(line.suffixes)}"
        if line.suffixes:
            other.write_bytes(b"a file of somebody else")
        else:
            other.mkdir()
            (other / line.files[0]).write_bytes(b"a file of somebody else")
        with pytest.raises(UsageError, match="is not a map in the format"):
            bb.plot(odd, other, format=name)
        if not line.suffixes:
            assert {path.name for path in output.iterdir()} <= {*line.files}
            (output / "thesis.tex").touch()
            with pytest.raises(UsageError, match="is not a map in the format"):
                bb.plot(odd, output, format=name)
    with pytest.raises(UsageError, match="unknown format 'xlsx': expected csv, parquet, projector"):
        bb.plot(odd, tmp_path / "map.xlsx", format="xlsx")
    with pytest.raises(UsageError, match="theme and thumbnails are of pictures: leave them out"):
        bb.plot(odd, tmp_path / "map.csv", format="csv", color="mistake")
    with pytest.raises(UsageError, match="expected a name that ends in .csv"):
        bb.plot(odd, tmp_path / "map.tsv", format="csv")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def contents(output):
    files = [output] if output.is_file() else sorted(output.iterdir())
    return {path.name: path.read_bytes() for path in files}


@pytest.mark.parametrize("dimensions", [2, 3])
def test_csv(odd, tmp_path, dimensions):
    drawn = bb.plot(odd, tmp_path / "map.csv", format="csv", dimensions=dimensions)
    with drawn.path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["key", "path", "label", "split", *"xyz"[:dimensions]]
    assert [row[0] for row in rows] == [str(key) for key in odd.keys]
    assert [row[3] for row in rows] == ["train", "", "test", *[""] * 9]
    points = np.array([row[4:] for row in rows], np.float32)
    np.testing.assert_array_equal(points, drawn.embedding.points)
    labels = ["'=1+1" if label == "=1+1" else "'-2" if label == "-2" else label for label in LABELS]
    assert [row[2] for row in rows] == labels
    paths = [path.replace("\udcff", "\\xff") for path in odd.paths]
    assert [row[1] for row in rows] == paths


def test_a_csv_file_is_read_back_as_labels(odd, tmp_path):
    names = ["'=a", "''-", " x", "x\t", *LABELS[4:]]
    drawn = bb.plot(odd.with_labels(np.array(names)), tmp_path / "map.csv", format="csv")
    assert [*read_labels(drawn.path).labels.values()] == names


def test_a_folder_with_an_input_in_it_is_not_replaced(odd, tmp_path):
    folder = bb.plot(odd, tmp_path / "map", format="projector").path
    labels = folder / "metadata.tsv"
    with pytest.raises(UsageError, match=r"metadata\.tsv lies in it and is also the input"):
        require_map_output("projector", folder, [None, str(labels)])
    assert require_map_output("projector", folder, [str(tmp_path / "labels.csv")]) == folder


def test_parquet(odd, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    drawn = bb.plot(odd, tmp_path / "map.parquet", format="parquet", method="pca")
    table = parquet.read_table(drawn.path)
    assert table.column_names == ["key", "path", "label", "split", "x", "y"]
    read = table.to_pydict()
    assert read["key"] == [str(key) for key in odd.keys]
    assert read["path"] == [path.replace("\udcff", "\\xff") for path in odd.paths]
    assert read["label"] == [label or None for label in LABELS]
    assert read["split"] == ["train", None, "test", *[None] * 9]
    points = np.stack([read["x"], read["y"]], axis=1).astype(np.float32)
    np.testing.assert_array_equal(points, drawn.embedding.points)
    assert [str(table.schema.field(axis).type) for axis in "xy"] == ["float", "float"]
    assert table.schema.metadata[b"bottlebank"].decode() == drawn.embedding.caption


def test_parquet_says_what_to_install(odd, tmp_path, monkeypatch):
    monkeypatch.setattr("bottlebank.reports.map_formats.registry.find_spec", lambda name: None)
    with pytest.raises(LibraryNotFoundError, match="pip install pyarrow"):
        bb.plot(odd, tmp_path / "map.parquet", format="parquet")


def test_fiftyone(odd, tmp_path, caplog):
    drawn = bb.plot(odd, tmp_path / "map", format="fiftyone")
    manifest = json.loads((drawn.path / "data.json").read_text(encoding="utf-8"))
    labels = json.loads((drawn.path / "labels.json").read_text(encoding="utf-8"))
    rows = [row for row, path in enumerate(odd.paths) if not {*"\udcff\\"} & {*path}]
    assert "2 images left out: FiftyOne cannot keep names that are not UTF-8" in caplog.text
    assert labels["classes"] == sorted({*LABELS} - {""})
    assert [*manifest] == [*labels["labels"]]
    assert [*manifest.values()] == [odd.paths[row] for row in rows]
    for row, found in zip(rows, labels["labels"].values(), strict=True):
        if not LABELS[row]:
            assert found is None
            continue
        assert labels["classes"][found["label"]] == LABELS[row]
        about = found["attributes"]
        assert about["key"] == str(odd.keys[row])
        assert about.get("split") == odd.splits[row]
        assert np.float32([about["x"], about["y"]]).tolist() == (
            drawn.embedding.points[row].tolist()
        )


def test_fiftyone_leaves_out_labels_that_are_not_utf_8(odd, tmp_path):
    labels = ["caf\udce9" if label else "" for label in LABELS]
    labels[0] = "café"
    drawn = bb.plot(odd.with_labels(np.array(labels)), tmp_path / "map", format="fiftyone")
    written = json.loads((drawn.path / "labels.json").read_text(encoding="utf-8"))
    assert written["classes"] == ["café"]


def config_of(folder):
    """The embeddings of a configuration, by a reader of our own: lists of values by field."""
    text = (folder / projector.CONFIG).read_text(encoding="ascii")
    found = []
    for part in text.split("embeddings {")[1:]:
        fields = {}
        for name, value in re.findall(r'(\w+): ("(?:[^"\\]|\\.)*"|\d+)', part):
            plain = value
            if value.startswith('"'):
                octal = re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), value[1:-1])
                plain = octal.encode("latin-1").decode()
            fields.setdefault(name, []).append(plain)
        found.append(fields)
    return found


@pytest.mark.parametrize("n_images", [2, 3, 12])
def test_projector(odd, tmp_path, n_images):
    some = odd.some(np.arange(n_images))
    drawn = bb.plot(some, tmp_path / "logs", format="projector")
    values, points = config_of(drawn.path)
    assert values["tensor_name"] == ["toy"]
    assert points["tensor_name"] == [drawn.embedding.caption]
    assert values["tensor_shape"] == [str(n_images), "12"]
    raw = (drawn.path / values["tensor_path"][0]).read_bytes()
    np.testing.assert_array_equal(np.frombuffer(raw, "<f4").reshape(-1, 12), some.features)
    lines = (drawn.path / points["tensor_path"][0]).read_text(encoding="ascii").splitlines()
    read = np.array([line.split("\t") for line in lines], np.float32)
    np.testing.assert_array_equal(read, drawn.embedding.points)
    header, *rows = (drawn.path / "metadata.tsv").read_text(encoding="utf-8").splitlines()
    assert header.split("\t") == ["label", "path", "split", "key"]
    fields = [row.split("\t") for row in rows]
    assert [len(each) for each in fields] == [4] * n_images
    assert [each[3] for each in fields] == [str(key) for key in some.keys]
    escapes = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}
    assert [each[0] for each in fields] == [
        "".join(escapes.get(letter, letter) for letter in label) for label in LABELS[:n_images]
    ]
    side = int(values["single_image_dim"][0])
    assert values["single_image_dim"] == [str(side)] * 2 == points["single_image_dim"]
    sheet = np.asarray(Image.open(drawn.path / values["image_path"][0]), np.int16)
    columns = sheet.shape[1] // side
    for row, path in enumerate(some.paths):  # the right picture stands in each place
        line, column = divmod(row, columns)
        cell = sheet[line * side : (line + 1) * side, column * side : (column + 1) * side]
        photo = Image.open(path).convert("RGB")
        photo.thumbnail((side, side))
        left, top = (side - photo.width) // 2, (side - photo.height) // 2
        inside = cell[top : top + photo.height, left : left + photo.width]
        assert np.abs(inside - np.asarray(photo, np.int16)).mean() < 4
        assert (cell[0] == 255).all()


def test_sprites_stay_within_what_browsers_take():
    for n_images in (1, 2, 5, 100, 16_384, 16_385, 100_000, 1_000_000, 1_048_576):
        side, columns = projector._side_px(n_images), projector._columns(n_images)
        assert side is not None
        assert 8 <= side <= 64
        assert columns * side <= 8192
        assert columns * columns >= n_images
    assert projector._side_px(1_048_577) is None


def test_values_that_are_text_by_chance_are_written_as_text(tmp_path):
    table = toy_table(np.zeros((3, 4), np.float32), ["a"] * 3, tmp_path)
    folder = bb.plot(table, tmp_path / "logs", format="projector").path
    assert (folder / "values.tsv").read_text() == "0.0\t0.0\t0.0\t0.0\n" * 3
    assert config_of(folder)[0]["tensor_path"] == ["values.tsv"]
    assert (np.asarray(Image.open(folder / "sprite.png")) == 255).all()  # its files are not there


@pytest.mark.slow
def test_tensorboard_reads_it(odd, tmp_path):
    plugin = pytest.importorskip("tensorboard.plugins.projector.projector_plugin")
    from google.protobuf import text_format
    from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

    folder = bb.plot(odd, tmp_path / "logs", format="projector").path
    config = text_format.Parse((folder / projector.CONFIG).read_text(), ProjectorConfig())
    values, points = config.embeddings
    read = plugin._read_tensor_binary_file(folder / values.tensor_path, values.tensor_shape)
    np.testing.assert_array_equal(read, odd.features)
    read = plugin._read_tensor_tsv_file(folder / points.tensor_path)
    np.testing.assert_array_equal(read, lay_out(odd).points)


def test_two_images_without_classes(tmp_path):
    features, _ = toy_rows(2, 2)
    paths = [noise(tmp_path / f"{row}.png", row) for row in range(2)]
    table = toy_table(features, ["", ""], tmp_path, paths=paths)
    for name, line in MAP_FORMATS.items():
        bb.plot(table, tmp_path / f"map-{name}{''.join(line.suffixes)}", format=name)
    labels = json.loads((tmp_path / "map-fiftyone" / "labels.json").read_text())
    assert labels["classes"] == []
    assert [*labels["labels"].values()] == [None, None]
