"""ONNX Runtime against OpenVINO and TensorFlow, and what is kept for it."""

import sys

import numpy as np
import pytest

import bottlebank as bb
from bottlebank.errors import EngineError
from bottlebank.features import ExtractorSpec, open_extractor, recipe_for
from bottlebank.features.engines import conversion
from bottlebank.features.golden_images import golden_pixels, least_cosine


def opened(name, engine, folder):
    recipe, weights = recipe_for(ExtractorSpec(name))
    return open_extractor(
        recipe, lambda: weights, engine=engine, precisions=["float32"], networks=folder, many=True
    )


@pytest.mark.parametrize("name", ["efficientnet_lite0", "random"])
def test_it_computes_what_openvino_does(name, tmp_path):
    """One is written as ONNX from its arrays, the other exported from TensorFlow."""
    ours, other = opened(name, "onnxruntime", tmp_path), opened(name, "openvino", tmp_path)
    pixels = np.tile(golden_pixels(ours.input_size_px[0]), (5, 1, 1, 1))
    features = ours.transfer_values(pixels)
    assert least_cosine(features, other.transfer_values(pixels)) > 0.9999
    np.testing.assert_allclose(
        features,
        ours.transfer_values(pixels[:4])
        .repeat(5, 0)
        .reshape(4, 5, -1)
        .swapaxes(0, 1)
        .reshape(20, -1),
        rtol=1e-3,
        atol=1e-4,
    )
    fingerprint = ours.recipe.fingerprint
    kept = {path.name: {file.name for file in path.iterdir()} for path in tmp_path.iterdir()}
    assert kept == {
        fingerprint: {"network.xml", "network.bin", "reference.npy", "manifest.json"},
        f"{fingerprint}.onnx": {"network.onnx", "reference.npy", "manifest.json"},
    }


@pytest.mark.weights
@pytest.mark.parametrize("name", ["efficientnet_lite0", "mobilenet_v2"])
def test_they_agree_on_photographs(name, clothing, imagenet, tmp_path):
    from bottlebank.datasets import load_dataset
    from bottlebank.features.images.decoder import read

    ours, other = opened(name, "onnxruntime", tmp_path), opened(name, "openvino", tmp_path)
    paths = load_dataset(clothing / "validation").paths
    pixels = np.stack([ours.decode_and_resize(read(path)[0]) for path in paths[::10]])
    assert least_cosine(ours.transfer_values(pixels), other.transfer_values(pixels)) > 0.9999


def test_from_images_to_predictions(photos, cache, tmp_path):
    table = bb.extract(photos, "efficientnet_lite0", cache=cache, engine="onnxruntime")
    assert (table.report.engine, table.report.precision) == ("onnxruntime", "float32")
    bb.save_head(bb.train_head(table), tmp_path / "head.h5")
    predictor = bb.load_predictor(tmp_path / "head.h5", cache=cache, engine="onnxruntime")
    assert predictor.engine == "onnxruntime"
    assert predictor(table.paths[0]).label == table.labels[0]


def test_without_tf2onnx_the_remedy_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(EngineError, match=r"pip install 'bottlebank\[onnxruntime\]'"):
        opened("random", "onnxruntime", tmp_path)


def test_without_the_library_the_engine_cannot_be_imported(monkeypatch, tmp_path):
    monkeypatch.delitem(sys.modules, "bottlebank.features.engines.onnxruntime", raising=False)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(EngineError, match=r"ONNX Runtime cannot be imported .*: pip install 'bott"):
        opened("efficientnet_lite0", "onnxruntime", tmp_path)


def test_bfloat16_is_refused(tmp_path):
    recipe, weights = recipe_for(ExtractorSpec("efficientnet_lite0"))
    with pytest.raises(EngineError, match="ONNX Runtime does not compute in bfloat16"):
        open_extractor(recipe, lambda: weights, engine="onnxruntime", precisions=["bfloat16"])


def test_a_damaged_network_is_exported_again(tmp_path):
    first = opened("efficientnet_lite0", "onnxruntime", tmp_path)
    [folder] = tmp_path.iterdir()
    data = bytearray((folder / "network.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "network.onnx").write_bytes(data)
    again = opened("efficientnet_lite0", "onnxruntime", tmp_path)
    pixels = golden_pixels(224)
    np.testing.assert_array_equal(first.transfer_values(pixels), again.transfer_values(pixels))
    assert conversion.read_reference(folder).features.shape == (4, 1280)
