"""What a network makes of an image does not depend on the others in its batch."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from bottlebank.errors import EngineError
from bottlebank.features import ExtractorSpec, open_extractor, recipe_for
from bottlebank.features.backbones.registry import SCALINGS
from bottlebank.features.engines.batches import is_alike_in_batches, one_by_one, settled
from bottlebank.features.engines.conversion import OPENVINO, _convert_from_tensorflow
from bottlebank.features.engines.openvino import OpenVinoEngine
from bottlebank.features.golden_images import golden_pixels, least_cosine

from ..backbones.onnx_networks import N_TOKENS, SIZE_PX, WIDTH, cnn, save, vit

PIXELS = np.random.default_rng(1).integers(0, 256, (9, SIZE_PX, SIZE_PX, 3), np.uint8)
PIXELS[::2] //= 16  # among bright pictures dark ones


def with_nodes(*nodes, **arrays):
    """The network, with nodes behind its features."""
    model = cnn()
    for name, array in arrays.items():
        model.graph.initializer.append(numpy_helper.from_array(np.array(array), name))
    for kind, inputs, outputs, settings in nodes:
        model.graph.node.append(helper.make_node(kind, inputs, outputs, **settings))
    model.graph.output[0].name = nodes[-1][2][0]
    return model


def less_their_mean():
    return with_nodes(
        ("ReduceMean", ["features"], ["mean"], {"axes": [0], "keepdims": 1}),
        ("Sub", ["features", "mean"], ["others"], {}),
        ("Add", ["others", "features"], ["output"], {}),
    )


def spread_over_the_range_of_all():
    return with_nodes(
        ("DynamicQuantizeLinear", ["features"], ["q", "scale", "zero"], {}),
        ("Cast", ["q"], ["levels"], {"to": onnx.TensorProto.FLOAT}),
        ("Mul", ["levels", "scale"], ["output"], {}),
    )


def by_a_condition_on_all():
    def branch(kind):
        node = helper.make_node(kind, ["features"], [f"of_{kind}"])
        value = helper.make_tensor_value_info(f"of_{kind}", 1, None)
        return helper.make_graph([node], kind, [], [value])

    return with_nodes(
        ("ReduceMean", ["features"], ["mean"], {"keepdims": 0}),
        ("Greater", ["mean", "limit"], ["is_bright"], {}),
        (
            "If",
            ["is_bright"],
            ["output"],
            {"then_branch": branch("Exp"), "else_branch": branch("Cos")},
        ),
        limit=np.float32(0.2),
    )


def with_one_image_inside():
    """Attention over (tokens, images, width), whose shapes are those of one image."""
    model = vit()
    names = [node.output[0] for node in model.graph.node]
    nodes = list(model.graph.node)[: names.index("embedded") + 1]
    for name, dims in (("apart", (N_TOKENS, 2, WIDTH // 2)), ("joined", (N_TOKENS, 1, WIDTH))):
        array = numpy_helper.from_array(np.array(dims, np.int64), name)
        model.graph.initializer.append(array)
    steps = (
        ("Transpose", ["embedded"], "first", {"perm": [1, 0, 2]}),
        ("Reshape", ["first", "apart"], "heads", {}),
        ("Transpose", ["heads"], "queries", {"perm": [1, 0, 2]}),
        ("Transpose", ["queries"], "keys", {"perm": [0, 2, 1]}),
        ("MatMul", ["queries", "keys"], "scores", {}),
        ("Softmax", ["scores"], "weights", {"axis": -1}),
        ("MatMul", ["weights", "queries"], "mixed", {}),
        ("Transpose", ["mixed"], "mixed_first", {"perm": [1, 0, 2]}),
        ("Reshape", ["mixed_first", "joined"], "attended", {}),
        ("Transpose", ["attended"], "back", {"perm": [1, 0, 2]}),
        ("Add", ["embedded", "back"], "last_hidden_state", {}),
    )
    nodes += [helper.make_node(kind, given, [made], **more) for kind, given, made, more in steps]
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    output = helper.make_tensor_value_info("last_hidden_state", 1, None)
    of = model.graph
    graph = helper.make_graph(nodes, "toy", of.input, [output], of.initializer)
    return helper.make_model(graph, opset_imports=model.opset_import, ir_version=8)


def extractor(path, engine, tmp_path):
    recipe, weights = recipe_for(ExtractorSpec.of(str(path), scaling="torch"))
    given = {"engine": engine, "precisions": ["float32"], "networks": tmp_path / "networks"}
    return open_extractor(recipe, lambda: weights, many=True, **given)


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
@pytest.mark.parametrize(
    "network",
    [
        less_their_mean,
        spread_over_the_range_of_all,
        by_a_condition_on_all,
        with_one_image_inside,
    ],
)
def test_features_are_those_of_the_image_alone(tmp_path, network, engine):
    if engine == "onnxruntime":
        pytest.importorskip("onnxruntime")
    model = network()
    started = extractor(save(model, tmp_path / "net.onnx"), engine, tmp_path)
    assert started.batch_sizes == (1,)
    made = started.transfer_values(PIXELS)
    alone = np.concatenate([started.transfer_values(pixels[None]) for pixels in PIXELS])
    np.testing.assert_array_equal(made, alone)
    scaling = SCALINGS["torch"]
    scaled = (PIXELS * np.array(scaling.scale) + np.array(scaling.offset)).astype(np.float32)
    run = ReferenceEvaluator(model)
    given = scaled.transpose(0, 3, 1, 2)
    expected = np.concatenate([run.run(None, {"pixel_values": each[None]})[0] for each in given])
    expected = expected[:, 0] if expected.ndim == 3 else expected
    assert least_cosine(made, expected) > 0.9999


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_what_tells_images_apart_only_beside_others_is_refused(tmp_path, engine):
    if engine == "onnxruntime":
        pytest.importorskip("onnxruntime")
    model = with_nodes(
        ("ReduceMean", ["features"], ["mean"], {"axes": [0], "keepdims": 1}),
        ("Sub", ["features", "mean"], ["output"], {}),
    )
    path = save(model, tmp_path / "net.onnx")
    with pytest.raises(EngineError, match="makes the same of every image by itself"):
        extractor(path, engine, tmp_path)


def test_networks_that_keep_images_apart_take_batches(tmp_path):
    started = extractor(save(vit(), tmp_path / "vit.onnx"), "openvino", tmp_path)
    assert max(started.batch_sizes) > 1


def trained_normalization(opset, n_outputs):
    outputs = ["output", "mean_out", "var_out", "saved_mean", "saved_var"][:n_outputs]
    settings = {"training_mode": 1} if opset >= 14 else {}
    names = ["scale", "bias", "mean", "var"]
    model = with_nodes(
        ("BatchNormalization", ["conv0", *names], outputs, settings),
        **{name: np.ones(8, np.float32) for name in names},
    )
    model.opset_import[0].version = opset
    return model


@pytest.mark.parametrize(("opset", "n_outputs"), [(17, 3), (9, 5)])
def test_normalization_as_in_training_is_refused(tmp_path, opset, n_outputs):
    path = save(trained_normalization(opset, n_outputs), tmp_path / "net.onnx")
    message = r"BatchNormalization works as in training.*other images: export it for inference"
    with pytest.raises(EngineError, match=message):
        recipe_for(ExtractorSpec.of(str(path), scaling="torch"))


@pytest.mark.parametrize("says", ["initializer", "Constant", "Identity", "unknown"])
@pytest.mark.parametrize("trains", [True, False])
def test_dropout_as_in_training_is_refused(tmp_path, says, trains):
    tensor = numpy_helper.from_array(np.array(trains), "trains")
    nodes = [("Dropout", ["features", "ratio", "says"], ["output"], {})]
    if says == "Constant":
        nodes.insert(0, ("Constant", [], ["says"], {"value": tensor}))
    elif says == "Identity":
        nodes.insert(0, ("Identity", ["trains"], ["says"], {}))
    elif says == "unknown":
        nodes.insert(0, ("Cast", ["features"], ["says"], {"to": onnx.TensorProto.BOOL}))
    model = with_nodes(*nodes, ratio=np.float32(0.5))
    if says in ("initializer", "Identity"):
        tensor.name = "says" if says == "initializer" else "trains"
        model.graph.initializer.append(tensor)
    path = save(model, tmp_path / "net.onnx")
    if trains or says == "unknown":
        with pytest.raises(EngineError, match=r"Dropout works as in training.*not be repeatable"):
            recipe_for(ExtractorSpec.of(str(path), scaling="torch"))
    else:
        assert recipe_for(ExtractorSpec.of(str(path), scaling="torch"))[0].width == WIDTH


def test_rounding_is_no_dependence():
    alone = np.random.default_rng(0).normal(size=(4, 64)).astype(np.float32) + 100
    assert is_alike_in_batches(alone, alone * np.float32(1 + 1e-6))
    assert not is_alike_in_batches(alone, alone + np.float32(0.01))
    assert not is_alike_in_batches(alone, np.full_like(alone, np.nan))
    same = np.ones((4, 64), np.float32)
    assert is_alike_in_batches(same, same)


def test_networks_of_tensorflow_are_tried_too(tmp_path):
    """Files of Keras and SavedModels, which TensorFlow runs before they are converted."""
    import tensorflow as tf

    from bottlebank.features.engines.tensorflow import TensorFlowEngine

    def mixing(values):
        grid = tf.reshape(tf.nn.avg_pool2d(values, 8, 8, "VALID"), (-1, 48))
        return grid - tf.reduce_mean(grid, 0, keepdims=True) / 2

    def of_one(values):
        return tf.reshape(tf.nn.avg_pool2d(values, 8, 8, "VALID"), (1, 48))

    golden = golden_pixels(SIZE_PX)
    for network in (mixing, of_one):
        module = SimpleNamespace(build=lambda *given, network=network: network)
        backbone = SimpleNamespace(
            imported=lambda module=module: module, scaling=SCALINGS["tf"], input_size_px=SIZE_PX
        )
        engine, features = settled(partial(TensorFlowEngine, backbone, None, "float32"), golden)
        assert engine.batch_sizes == (1,)
        np.testing.assert_array_equal(engine(golden), features)
        _convert_from_tensorflow(engine, tmp_path, OPENVINO)
        converted = OpenVinoEngine(tmp_path, "float32", many=True)
        assert converted.batch_sizes == (1,)
        np.testing.assert_allclose(converted(golden), features, atol=1e-5)
        np.testing.assert_array_equal(one_by_one(engine, golden), features)


def test_a_saved_model_that_mixes_images_is_converted_for_one(tmp_path):
    import tensorflow as tf

    network = tf.Module()
    network.kernel = tf.Variable(
        np.random.default_rng(0).normal(size=(3, 3, 3, 16)), dtype="float32"
    )

    @tf.function(input_signature=[tf.TensorSpec((None, SIZE_PX, SIZE_PX, 3))], autograph=False)
    def features_of(values):
        maps = tf.nn.relu(tf.nn.conv2d(values, network.kernel, 2, "SAME"))
        features = tf.reduce_mean(maps, (1, 2))
        return {"features": features - tf.reduce_mean(features, 0, keepdims=True) / 2}

    network.features_of = features_of
    path = tmp_path / "network"
    tf.saved_model.save(network, path, signatures={"serving_default": features_of})
    started = extractor(path, "openvino", tmp_path)
    assert started.batch_sizes == (1,)
    scaling = SCALINGS["torch"]
    scaled = (PIXELS * np.array(scaling.scale) + np.array(scaling.offset)).astype(np.float32)
    expected = [features_of(tf.constant(each[None]))["features"].numpy() for each in scaled]
    assert least_cosine(started.transfer_values(PIXELS), np.concatenate(expected)) > 0.9999
