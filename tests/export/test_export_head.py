"""Exporting a head: compared before it is put in place, whole or not at all."""

import dataclasses
import errno
import hashlib
import json
import os
import shutil

import numpy as np
import pytest

from bottlebank.classifier.layers import Layers
from bottlebank.cli import main
from bottlebank.datasets import load_dataset
from bottlebank.errors import BottlebankError, DatasetError, LibraryNotFoundError, UsageError
from bottlebank.export import export_head, registry
from bottlebank.export.images import images_for
from bottlebank.export.process import ExportError, write
from bottlebank.prediction import load_predictor
from bottlebank.training import extract_for_head

OPENVINO = {"labels.txt", "MODEL_CARD.md", "model.bin", "model.xml"}


@pytest.fixture
def export(trained, cache):
    """Export the head; keywords as of `export_head`."""

    def run(output, format="openvino", head=None, **settings):
        return export_head(
            trained if head is None else head, output, format, cache=cache, **settings
        )

    return run


def names(folder):
    return {path.name for path in folder.iterdir()}


def test_what_is_put_in_place_is_described(export, trained, photos, tmp_path):
    exported = export(tmp_path / "made" / "exported", data=photos)
    folder = exported.output
    assert names(folder) == OPENVINO
    assert exported.agreement.difference < 1e-4
    n_golden, n_photos = 4 + 3, exported.agreement.n_images - 7
    assert exported.agreement.n_same == n_golden + n_photos
    assert 45 < n_photos < 60  # those of test stay unseen
    assert [file.name for file in exported.files] == ["model.bin", "model.xml"]
    for file in exported.files:
        data = (folder / file.name).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (file.n_bytes, file.sha256)
    assert (folder / "labels.txt").read_text() == "checks\ndisc\nstripes\n"
    card = (folder / "MODEL_CARD.md").read_text()
    train = trained.head.training["train"]
    for words in (
        exported.files[0].sha256,
        f"| train | {train['images']} | {train['accuracy']:.1%}".replace("%", " %"),
        f"| 0 | checks | {train['per_class'][0]} |",
        "uint8 (n, 64, 64, 3)",
        "float32 (n, 3)",
        trained.head.version,
        "openvino 20",
        "licence of the weights: not known",
    ):
        assert words in card
    assert sum(train["per_class"]) == train["images"]
    model = (folder / "model.xml").read_text()
    assert '<labels value="[&quot;checks&quot;, &quot;disc&quot;, &quot;stripes&quot;]"' in model


def test_training_images_are_found_where_the_cache_saw_them(export, photos, tmp_path):
    every = export(tmp_path / "every").agreement.n_images - 7
    moved = (photos / "stripes").rename(tmp_path / "stripes")
    try:
        shutil.copytree(moved, photos / "stripes")
        for path in (photos / "stripes").iterdir():
            path.write_bytes(path.read_bytes() + b"changed")
        some = export(tmp_path / "some").agreement.n_images - 7
    finally:
        shutil.rmtree(photos / "stripes")
        moved.rename(photos / "stripes")
    assert 35 < every < 50
    assert 20 < some < every - 10


def test_an_earlier_export_is_replaced_and_nothing_else(export, tmp_path):
    folder = tmp_path / "exported"
    export(folder)
    card = (folder / "MODEL_CARD.md").read_bytes()
    (folder / "labels.txt").write_text("old")
    export(folder)
    assert (folder / "labels.txt").read_text() == "checks\ndisc\nstripes\n"
    assert names(tmp_path) >= {"exported"}
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="exists and is not an export of bottlebank"):
        export(folder)
    (folder / "notes.txt").unlink()
    (folder / "variables").mkdir()
    (folder / "variables" / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="exists and is not an export of bottlebank"):
        export(folder)
    shutil.rmtree(folder / "variables")
    (folder / "MODEL_CARD.md").write_text("# My card")
    with pytest.raises(UsageError, match="exists and is not an export of bottlebank"):
        export(folder)
    (folder / "MODEL_CARD.md").write_bytes(card)
    export(folder)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".bottlebank-")]


@pytest.mark.parametrize("name", ["model.onnx", "shop.tflite", "a.KERAS", "b.xml"])
def test_a_name_of_a_file_is_refused(export, tmp_path, name):
    with pytest.raises(UsageError, match="an export is a folder"):
        export(tmp_path / name)


def test_a_place_that_cannot_be_written_is_refused(export, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="a file of that name exists"):
        export(tmp_path / "file")
    with pytest.raises(UsageError, match="is a file"):
        export(tmp_path / "file" / "exported")


@pytest.fixture(scope="module")
def exported_once(made, tmp_path_factory):
    """An export."""
    root, trained = made
    folder = tmp_path_factory.mktemp("once") / "exported"
    export_head(trained, folder, "openvino", cache=root / "cache")
    return folder


@pytest.fixture
def before(exported_once, tmp_path):
    """An earlier export, and its bytes."""
    folder = tmp_path / "place" / "exported"
    shutil.copytree(exported_once, folder)
    return folder, {path.name: path.read_bytes() for path in folder.iterdir()}


def as_it_was(before):
    folder, files = before
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == files
    assert names(folder.parent) == {"exported"}


def test_an_export_that_differs_is_not_put_in_place(export, before, monkeypatch, trained):
    layers = trained.head.layers
    other = layers._replace(biases=[layers.biases[0] + np.float32([0, 0.5, 0])])
    monkeypatch.setattr(Layers, "divided_by", lambda *_: other)
    with pytest.raises(ExportError, match=r"differ by 0\.\d+, at most 0.001 is allowed"):
        export(before[0])
    as_it_was(before)


def test_an_export_that_scales_otherwise_is_not_put_in_place(export, before, monkeypatch):
    """Where every image of the network's size agrees."""

    def crops(format, job, folder):
        other = job._replace(recipe=dataclasses.replace(job.recipe, fit="crop"))
        other.save()
        return write(format, other, folder)

    monkeypatch.setattr("bottlebank.export.exported.write", crops)
    with pytest.raises(ExportError, match=r"of pictures that it scales than predict: .* 0.05 is"):
        export(before[0], "onnx")
    as_it_was(before)


@pytest.mark.parametrize("step", ["make", "sync", "rename"])
def test_a_full_disk_leaves_what_was_there(export, before, monkeypatch, step):
    def full(*arguments, **settings):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    place = "bottlebank.reports.placed_folder"
    if step == "rename":
        rename = os.rename

        def second(self, target):
            if target.name == "exported" and len(seen) < 1:
                seen.append(target)
                full()
            rename(self, target)
            return target

        seen = []
        monkeypatch.setattr("pathlib.Path.rename", second)
    else:
        monkeypatch.setattr(f"{place}.{'make_folder' if step == 'make' else 'sync'}", full)
    with pytest.raises(BottlebankError, match="cannot be written: No space left on device"):
        export(before[0])
    as_it_was(before)


def test_a_full_disk_in_the_process_that_writes(export, before, monkeypatch):
    def full(format, job, folder):
        (folder / "model.xml").write_text("half")
        raise ExportError("no export as OpenVINO: [Errno 28] No space left on device")

    monkeypatch.setattr("bottlebank.export.exported.write", full)
    with pytest.raises(ExportError, match="No space left"):
        export(before[0])
    as_it_was(before)


def test_ctrl_c_leaves_what_was_there(export, before, monkeypatch):
    def interrupted(*arguments, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr("bottlebank.export.exported.compare", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export(before[0])
    as_it_was(before)


def test_a_writer_that_dies_is_reported(export, before, monkeypatch):
    monkeypatch.setattr("bottlebank.export.process.__name__", "bottlebank.untrusted")
    with pytest.raises(ExportError, match="no export as OpenVINO: "):
        export(before[0])
    as_it_was(before)


NAMES = ("a\nb", "back\\slash", "größe 新 😀", "<b>|`*_", "\udcff\u2028 https://x.example", " ")


def test_names_of_classes_are_data(export, trained, tmp_path):
    head = trained.head
    layers = head.layers
    n = len(NAMES)
    kernel = np.tile(layers.kernels[-1][:, :1], (1, n)) * np.arange(1, n + 1, dtype=np.float32)
    wide = layers._replace(
        kernels=[*layers.kernels[:-1], kernel],
        biases=[*layers.biases[:-1], np.zeros(n, np.float32)],
    )
    hostile = dataclasses.replace(
        head, classes=NAMES, layers=wide, unknown=None, training={"train": "none"}
    )
    folder = export(tmp_path / "exported", head=hostile).output
    lines = (folder / "labels.txt").read_text(encoding="utf-8").split("\n")
    assert lines[-1] == ""
    assert lines[:-1] == [
        "a\\nb", "back\\\\slash", "größe 新 😀", "<b>|`*_", "\\udcff\\u2028 https://x.example", " ",
    ]  # fmt: skip
    card = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "| 3 | \\<b\\>\\|\\`\\*\\_ |" in card
    assert "https://" not in card
    assert len([line for line in card.splitlines() if line.startswith("| ")]) == 2 + n + 4
    assert "Not known" in card


def test_a_library_that_is_missing_is_named(export, monkeypatch, tmp_path):
    monkeypatch.setattr(registry, "find_spec", lambda name: None)
    with pytest.raises(
        LibraryNotFoundError, match="needs ai_edge_litert.*pip install ai-edge-litert"
    ):
        export(tmp_path / "exported", "litert")
    assert not (tmp_path / "exported").exists()


def test_settings_that_mean_nothing_are_refused(export, photos, tmp_path):
    with pytest.raises(UsageError, match="unknown format 'tflite': expected keras, savedmodel"):
        export(tmp_path / "exported", "tflite")
    with pytest.raises(UsageError, match="Keras is exported in float32 alone"):
        export(tmp_path / "exported", "keras", quantize=True)
    with pytest.raises(UsageError, match="data is missing.*name their dataset"):
        export(tmp_path / "exported", "litert", quantize=True)
    few = tmp_path / "few"
    for kind in ("checks", "disc"):
        (few / kind).mkdir(parents=True)
        shutil.copy(photos / kind / "00.png", few / kind / "00.png")
    pytest.importorskip("nncf")
    with pytest.raises(DatasetError, match="at least 10 validation images"):
        export(tmp_path / "exported", "openvino", quantize=True, data=few)


def test_quantization_is_not_judged_on_other_classes(head_file, cache, photos):
    predictor = load_predictor(head_file, cache=cache, precision="float32")
    table, _ = extract_for_head(load_dataset(photos), head_file, cache=cache)
    other = dataclasses.replace(table, labels=np.char.add(table.labels, "s"))
    with pytest.raises(DatasetError, match="checkss.* among the validation images"):
        images_for(predictor, other, cache, quantize=True)


def test_the_command_answers_as_python_does(head_file, cache, photos, tmp_path, capsys):
    common = ["export", "--head", str(head_file), "--format", "openvino", "--cache", str(cache)]
    assert main([*common, "--output", str(tmp_path / "exported"), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["output"] == str(tmp_path / "exported")
    assert answer["images"] == answer["same_class"] > 7
    assert 0 <= answer["greatest_difference"] < 1e-4
    assert [file["name"] for file in answer["files"]] == ["model.bin", "model.xml"]
    assert (answer["classes"], answer["quantization"]) == (["checks", "disc", "stripes"], None)
    assert answer["other_sizes"] is None
    assert main([*common, "--output", str(tmp_path / "exported"), "--data", str(photos)]) == 0
    printed = capsys.readouterr().out
    assert "greatest difference of a probability" in printed
    assert main([*common, "--output", str(photos)]) == 2
    assert "is not an export of bottlebank" in capsys.readouterr().err


def test_a_head_without_golden_images_and_summary_is_exported(export, trained, tmp_path):
    """As in a head of an estimator, or of an earlier version."""
    bare = dataclasses.replace(
        trained.head, golden=None, training={}, temperature=1.0, unknown=None
    )
    found = export(tmp_path / "exported", "onnx", head=bare, parity="warn").agreement
    assert found.n_images == 4
    assert found.n_other_sizes == found.n_same_other_sizes == 2  # what it scales is compared, too
    assert 0 < found.difference_scaled == found.difference_other_sizes < 0.02
