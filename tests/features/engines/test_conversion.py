import json
import os
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from onnx import numpy_helper

import bottlebank as bb
from bottlebank.errors import WeightsNotFoundError
from bottlebank.features import ExtractorSpec, find_backbone, open_extractor, recipe_for
from bottlebank.features.backbones import onnx_file
from bottlebank.features.engines import conversion, select
from bottlebank.features.engines.conversion import OPENVINO, _keep, converted_network

from ..backbones.onnx_networks import cnn, save


def test_a_network_is_kept_where_a_pipe_was(tmp_path):
    made, kept = tmp_path / "made", tmp_path / "networks" / ("f" * 64)
    made.mkdir()
    kept.parent.mkdir()
    (made / "network.xml").write_text("new")
    for harm in (os.mkfifo, os.mkdir, lambda path: path.symlink_to("nothing"), lambda path: None):
        harm(kept)
        _keep(made, kept, OPENVINO, 64)
        assert [path.name for path in kept.iterdir()] == ["network.xml"]
        assert list(kept.parent.iterdir()) == [kept]
        for path in kept.iterdir():
            path.unlink()
        kept.rmdir()


@pytest.fixture
def convert(tmp_path, monkeypatch):
    """Use a network of the cache; `meanwhile` is called once it has been converted."""
    backbone = find_backbone("random")
    recipe, weights = recipe_for(ExtractorSpec("random"))

    def use(text, meanwhile=lambda: None):
        def write(recipe, backbone, weights, folder, form, progress):
            (folder / "network.xml").write_text(text)
            (folder / "network.bin").write_bytes(b"numbers")
            np.save(folder / "reference.npy", np.ones((4, backbone.width), "<f4"))
            names = ("network.xml", "network.bin", "reference.npy")
            manifest = {name: conversion.file_sha256(folder / name) for name in names}
            (folder / "manifest.json").write_text(json.dumps(manifest))
            meanwhile()

        monkeypatch.setattr(conversion, "_write", write)
        networks = tmp_path / "networks"
        how = recipe, backbone, lambda: weights, networks, OPENVINO, False
        with converted_network(*how) as folder:
            assert (folder / "network.xml").exists()
        return networks / recipe.fingerprint

    return use


def test_what_another_process_has_kept_meanwhile_stays(convert):
    """A third one reads it already."""
    seen = []

    def another_run():
        kept = convert("of the second")
        seen.append((kept.stat().st_ino, (kept / "network.xml").stat().st_ino))

    kept = convert("of the first", another_run)
    assert [(kept.stat().st_ino, (kept / "network.xml").stat().st_ino)] == seen
    assert (kept / "network.xml").read_text() == "of the second"
    assert list(kept.parent.iterdir()) == [kept]


def test_a_network_that_was_damaged_meanwhile_is_replaced(convert):
    def damage():
        kept = convert("of the second")
        (kept / "network.bin").write_bytes(b"changed")

    kept = convert("of the first", damage)
    assert (kept / "network.xml").read_text() == "of the first"
    assert list(kept.parent.iterdir()) == [kept]


SOMETHING_ELSE = b"another network of the same size"


@pytest.mark.parametrize("which", ["net.onnx", "net.onnx_data"])
def test_what_was_replaced_while_it_was_read_is_not_kept(photos, tmp_path, monkeypatch, which):
    """Else the features of one network would have the fingerprint of another for good."""
    path = save(cnn(), tmp_path / "net.onnx", external=True)
    (tmp_path / "others").mkdir()
    other = cnn()
    for tensor in other.graph.initializer:
        tensor.raw_data = numpy_helper.to_array(tensor)[..., ::-1].tobytes()
    other.producer_name = "another"
    save(other, tmp_path / "others" / "net.onnx", external=True)
    was = {name: (tmp_path / name).read_bytes() for name in ("net.onnx", "net.onnx_data")}
    write = onnx_file.write_onnx

    def replaced_before(*given):
        shutil.copy(tmp_path / "others" / which, tmp_path / which)
        return write(*given)

    cache, settings = tmp_path / "cache", {"scaling": "torch", "progress": False}
    with monkeypatch.context() as patch:
        patch.setattr(onnx_file, "write_onnx", replaced_before)
        message = r"net\.onnx has changed while it was read, SHA-256 \w{8}… → \w{8}…"
        with pytest.raises(WeightsNotFoundError, match=message):
            bb.extract(photos, path, cache=cache, **settings)
    assert list((cache / "networks").glob("*")) == []
    (tmp_path / which).write_bytes(was[which])
    table = bb.extract(photos, path, cache=cache, **settings)
    assert table.report.extracted == len(table) == 60
    fresh = bb.extract(photos, path, cache=tmp_path / "fresh", **settings)
    np.testing.assert_array_equal(table.features, fresh.features)


def replaced(weights, harm):
    """A network of the registry, with weights of somebody's own that are replaced meanwhile."""
    weights.write_bytes(b"weights of somebody's own, in a file")
    recipe, found = recipe_for(ExtractorSpec("mobilenet_v2", str(weights)))

    def write(recipe, backbone, held, folder, form, progress):
        harm(weights)

    return recipe, found, write


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda path: path.write_bytes(SOMETHING_ELSE), "has changed while it was read"),
        (lambda path: path.unlink(), "is gone since it was read"),
    ],
)
@pytest.mark.parametrize("engine", ["openvino", "onnxruntime", "tensorflow"])
def test_every_kind_of_network_is_compared_once_it_was_read(
    tmp_path, monkeypatch, harm, message, engine
):
    if engine == "onnxruntime":
        pytest.importorskip("onnxruntime")
    recipe, found, write = replaced(tmp_path / "own.h5", harm)
    monkeypatch.setattr(conversion, "_write", write)
    if engine == "tensorflow":  # which reads the weights themselves
        module = SimpleNamespace(start=lambda network, *given, **more: harm(network.weights().path))
        monkeypatch.setattr(select, "import_whole", lambda *given: module)
    networks = tmp_path / "networks"
    given = {"engine": engine, "precisions": ["float32"], "networks": networks}
    with pytest.raises(WeightsNotFoundError, match=message):
        open_extractor(recipe, lambda: found, **given)
    assert not networks.exists()
