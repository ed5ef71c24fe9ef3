"""From what a caller names to a network: names, paths and what else people write."""

import os
from pathlib import Path

import pytest

from bottlebank.errors import UnknownExtractorError
from bottlebank.features import ExtractorSpec, recipe_for
from bottlebank.features.backbones.keras.applications import keras_models_folder
from bottlebank.features.backbones.opening import is_file_name, kind_of, open_backbone

from .onnx_networks import cnn, save


@pytest.mark.parametrize("name", ["~nosuch/net.onnx", "~nosuch.onnx"])
def test_the_home_of_an_unknown_user_is_no_file(name):
    assert is_file_name(name)
    with pytest.raises(UnknownExtractorError, match=f"there is no file or folder {name}"):
        open_backbone(ExtractorSpec(name))


def test_a_tilde_alone_is_a_name(monkeypatch):
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # for whom no home is known
    assert not is_file_name("~nosuch")
    assert not is_file_name("~")


def test_a_path_below_the_users_home_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    save(cnn(), tmp_path / "net.onnx")
    spec = ExtractorSpec("~/net.onnx", scaling="torch")
    assert open_backbone(spec)[0].name == "net.onnx"


def test_keras_weights_are_looked_for_where_no_home_is_known(monkeypatch):
    monkeypatch.delenv("KERAS_HOME")
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda uid: {}[uid])
    assert keras_models_folder() == Path("~/.keras/models")


def test_a_path_is_taken_as_its_text_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(cnn(), tmp_path / "net.onnx")
    recipes = [
        recipe_for(ExtractorSpec.of(name, scaling="torch"))[0]
        for name in ("net.onnx", Path("net.onnx"), tmp_path / "net.onnx")
    ]
    assert len({*recipes}) == 1


def test_a_path_is_never_a_name_of_the_registry():
    spec = ExtractorSpec.of(Path("mobilenet_v2"))
    with pytest.raises(UnknownExtractorError, match=r"there is no file or folder \./mobilenet_v2"):
        open_backbone(spec)


def test_a_folder_of_photographs_is_refused_with_what_a_network_would_be(tmp_path):
    with pytest.raises(UnknownExtractorError, match="is not a network that can be read") as error:
        kind_of(tmp_path)
    _, _, message = str(error.value).partition(": ")
    assert message.count("folder") == 1
    assert " .onnx, " in message
    assert "preprocessor_config.json" in message
