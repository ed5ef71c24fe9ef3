"""ONNX Runtime against OpenVINO and TensorFlow, and what is kept for it."""

import sys

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import numpy_helper
from onnx.parser import parse_model

import bottlebank as bb
from bottlebank.errors import EngineError
from bottlebank.features import ExtractorSpec, open_extractor, recipe_for
from bottlebank.features.engines import conversion, onnx_float16
from bottlebank.features.golden_images import golden_pixels, least_cosine

from ..backbones.onnx_networks import SIZE_PX, cnn, save, vit

FLOAT, FLOAT16 = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16
INT32, INT64, UINT8 = onnx.TensorProto.INT32, onnx.TensorProto.INT64, onnx.TensorProto.UINT8


def opened(name, engine, folder, precision="float32"):
    recipe, weights = recipe_for(ExtractorSpec(name))
    return open_extractor(
        recipe, lambda: weights, engine=engine, precisions=[precision], networks=folder, many=True
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
@pytest.mark.slow
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
    with pytest.raises(EngineError, match="pip install onnxruntime tf2onnx"):
        opened("random", "onnxruntime", tmp_path)


def test_without_the_library_the_engine_cannot_be_imported(monkeypatch, tmp_path):
    for name in ("onnxruntime", "onnx_providers"):
        monkeypatch.delitem(sys.modules, f"bottlebank.features.engines.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(
        EngineError, match=r"ONNX Runtime cannot be imported .*: pip install onnxruntime"
    ):
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


@pytest.mark.parametrize("name", ["efficientnet_lite0", "random"])
def test_float16_is_made_of_the_exported_network_and_kept(name, tmp_path):
    half, whole = (opened(name, "onnxruntime", tmp_path, each) for each in ("float16", "float32"))
    assert (half.engine, half.precision) == ("onnxruntime", "float16")
    pixels = golden_pixels(half.input_size_px[0])
    features = half.transfer_values(pixels)
    assert features.dtype == np.float32
    assert not np.array_equal(features, whole.transfer_values(pixels))
    assert least_cosine(features, whole.transfer_values(pixels)) > 0.9999
    kept = tmp_path / f"{half.recipe.fingerprint}.float16.onnx"
    assert {file.name for file in kept.iterdir()} == {
        "network.onnx",
        "reference.npy",
        "manifest.json",
    }
    model = onnx.load(kept / "network.onnx")
    constants = {each.name: each for each in model.graph.initializer}
    for node in model.graph.node:
        for name in constants.keys() & set(node.input):
            is_scaling = node.op_type in ("Mul", "Add") and name.startswith("scaling/")
            assert constants[name].data_type in ({FLOAT} if is_scaling else {FLOAT16, INT32, INT64})
    [taken], [given] = model.graph.input, model.graph.output
    assert taken.type.tensor_type.elem_type == UINT8
    assert given.type.tensor_type.elem_type == FLOAT
    assert (
        conversion.read_reference(kept).features.tobytes()
        == conversion.read_reference(
            tmp_path / f"{half.recipe.fingerprint}.onnx"
        ).features.tobytes()
    )


@pytest.mark.weights
@pytest.mark.parametrize("name", ["efficientnet_lite0", "mobilenet_v2"])
@pytest.mark.slow
def test_float16_agrees_on_photographs(name, clothing, imagenet, tmp_path):
    from bottlebank.datasets import load_dataset
    from bottlebank.features.images.decoder import read

    half, whole = (opened(name, "onnxruntime", tmp_path, each) for each in ("float16", "float32"))
    paths = load_dataset(clothing / "validation").paths
    pixels = np.stack([half.decode_and_resize(read(path)[0]) for path in paths[::10]])
    assert least_cosine(half.transfer_values(pixels), whole.transfer_values(pixels)) > 0.9995


def test_a_damaged_network_in_float16_is_made_again(tmp_path):
    first = opened("efficientnet_lite0", "onnxruntime", tmp_path, "float16")
    file = tmp_path / f"{first.recipe.fingerprint}.float16.onnx" / "network.onnx"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1000])
    again = opened("efficientnet_lite0", "onnxruntime", tmp_path, "float16")
    assert file.read_bytes() == whole
    pixels = golden_pixels(224)
    np.testing.assert_array_equal(first.transfer_values(pixels), again.transfer_values(pixels))


def own_file(model, folder, precision, scaling="torch"):
    """An extractor of a network in a file, in ONNX Runtime."""
    path = str(save(model, folder / "net.onnx"))
    recipe, weights = recipe_for(ExtractorSpec.of(path, scaling=scaling))
    given = {"engine": "onnxruntime", "precisions": [precision], "networks": folder / "kept"}
    return open_extractor(recipe, lambda: weights, **given)


@pytest.mark.parametrize(
    ("model", "scaling"),
    [
        (cnn(), "torch"),
        (cnn(channels_last=True), "caffe"),
        (cnn(batch=1), "0.5,0.25"),
        (cnn(dtype=np.float16), "none"),
        (vit(), "tf"),
    ],
    ids=["cnn", "channels last", "of one image", "in float16", "vit"],
)
def test_float16_of_networks_in_files(model, scaling, tmp_path):
    """Pixels reach them as they reach the network in float32."""
    half = own_file(model, tmp_path, "float16", scaling)
    pixels = golden_pixels(SIZE_PX)
    whole = own_file(model, tmp_path, "float32", scaling).transfer_values(pixels)
    assert least_cosine(half.transfer_values(pixels), whole) > 0.99999


@pytest.mark.parametrize(
    ("graph", "n_scaling"),
    [
        ("{ f = Cast<to=1>(x) s = Mul(f, k) y = Relu(s) }", 2),
        ("{ f = Cast<to=1>(x) t = Transpose(f) u = Transpose(f) y = Add(t, u) }", 1),
        ("{ t = Transpose(x) f = Cast<to=1>(t) y = Mul(f, k) }", 2),
        ("{ f = Cast<to=1>(x) y = Mul(f, k) }", 1),
        ("{ f = Cast<to=1>(x) h = Cast<to=7>(f) g = Cast<to=1>(h) y = Relu(g) }", 3),
        ("{ f = Cast<to=1>(x) r = Relu(k) s = Mul(f, r) y = Mul(s, k) }", 1),
        ("{ y = Cast<to=1>(x) }", 0),
        ("{ p = Pad(x, i) f = Cast<to=1>(p) y = Mul(f, k) }", 0),
    ],
)
def test_the_scaling_of_pixels_ends_where_something_else_begins(graph, n_scaling):
    model = parse_model(
        """<ir_version: 8, opset_import: ["": 17]>
        scaled (uint8[n, 4] x) => (float[a, b] y)
        <float[1] k = {0.3}, int64[4] i = {0, 0, 0, 0}> """
        + graph
    )
    runs = [ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])]
    assert len(onnx_float16.scaling_of(model.graph)) == n_scaling
    half = onnx_float16.converted(model)
    runs.append(ort.InferenceSession(half.SerializeToString(), providers=["CPUExecutionProvider"]))
    pixels = np.arange(256, dtype=np.uint8).reshape(64, 4)
    made, expected = (run.run(None, {"x": pixels})[0] for run in reversed(runs))
    np.testing.assert_allclose(made, expected, rtol=2**-9)


def test_a_network_whose_values_float16_does_not_hold_is_refused(tmp_path):
    """It ends at 65,504. What is multiplied by a million and divided again is the same before."""
    model = cnn()
    for each in model.graph.initializer:
        factor = {"k0": 1e6, "b0": 1e6, "k1": 1e-6}.get(each.name, 1.0)
        values = numpy_helper.to_array(each)
        each.CopyFrom(numpy_helper.from_array((values * factor).astype(values.dtype), each.name))
    with pytest.raises(EngineError, match=r"onnxruntime in float16: its transfer values differ"):
        own_file(model, tmp_path, "float16")
    assert own_file(model, tmp_path, "float32").precision == "float32"


def test_float16_from_images_to_predictions(photos, cache, tmp_path):
    settings = {"cache": cache, "engine": "onnxruntime", "precision": "float16"}
    table = bb.extract(photos, "efficientnet_lite0", **settings)
    assert (table.report.engine, table.report.precision) == ("onnxruntime", "float16")
    assert (cache / table.report.fingerprint / "float16").is_dir()
    bb.save_head(bb.train_head(table), tmp_path / "head.h5")
    assert bb.load_head(tmp_path / "head.h5").precision == "float16"
    for given, taken in (
        ({}, ("openvino", "float32")),
        ({"engine": "onnxruntime"}, ("onnxruntime", "float16")),
    ):
        predictor = bb.load_predictor(tmp_path / "head.h5", cache=cache, **given)
        assert (predictor.engine, predictor.precision) == taken
        assert predictor(table.paths[0]).label == table.labels[0]
    again = bb.extract(photos, "efficientnet_lite0", cache=cache)
    assert (again.report.cached, again.report.precision) == (60, "float16")
