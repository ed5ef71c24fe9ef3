"""A network in a file of Keras as the extractor, from the command line."""

import sys

import pytest

from ..features.backbones.keras.written import archive, cnn_of_keras_2, of_keras_2

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ["net.keras", "old.h5"])
def test_from_a_file_to_predictions_on_another_machine(bottlebank, photos, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(archive() if name == "net.keras" else of_keras_2(*cnn_of_keras_2()))
    head, cache = tmp_path / "head.h5", tmp_path / "cache"
    chosen = ["--extractor", path, "--scaling", "tf", "--layer", "conv,pool"]
    common = ["--cache", cache, "--precision", "float32"]
    done = bottlebank("extract", photos, *chosen, *common)
    assert done.code == 0, done.err
    assert "layer conv, pool; pooling: mean over height and width, none" in done.out
    done = bottlebank("train", photos, *chosen, *common, "--output", head)
    assert done.code == 0, done.err
    image = photos / "disc" / "03.png"
    here = bottlebank("predict", image, "--head", head, *common, "--json").json
    away = tmp_path / "away"
    away.mkdir()
    path.rename(away / name)
    moved = head.rename(away / "head.h5")
    common = ["--cache", tmp_path / "other", "--precision", "float32", "--json"]
    assert bottlebank("predict", image, "--head", moved, *common).json == here
    assert bottlebank("predict", image, "--head", moved, *common[2:], *common[:2]).json == here


def test_its_layers_are_listed_without_keras(bottlebank, tmp_path):
    path = tmp_path / "net.keras"
    path.write_bytes(archive())
    before = {*sys.modules}
    done = bottlebank("extractors", path, "--json")
    assert [layer["name"] for layer in done.json["layers"]] == ["conv", "relu", "pool", "classes"]
    assert not {"keras", "tensorflow"} & ({*sys.modules} - before)
