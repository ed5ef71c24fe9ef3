"""What bottlebank knows of the layers and operations of Keras, against Keras."""

import json

import numpy as np
import pytest

from bottlebank.features.backbones.keras.graph import Shapes
from bottlebank.features.backbones.keras.known_layers import INACTIVE, KNOWN, OF_APPLICATIONS
from bottlebank.features.backbones.keras.known_operations import OPERATIONS
from bottlebank.features.backbones.keras.structure import read_model

MAP, LIST, ROW = (9, 8, 6), (7, 6), (6,)
FIRST = {"data_format": "channels_first"}

# class: pairs of shape and settings
LAYERS = {
    "Activation": [(MAP, {"activation": "gelu"})],
    "ReLU": [(MAP, {"max_value": 6.0})],
    "LeakyReLU": [(MAP, {"negative_slope": 0.1})],
    "ELU": [(MAP, {})],
    "Softmax": [(MAP, {}), (LIST, {"axis": [1, 2]})],
    "PReLU": [(MAP, {}), (MAP, {"shared_axes": [1, 2]})],
    "Identity": [(MAP, {})],
    "Rescaling": [(MAP, {"scale": 0.5, "offset": [1.0] * 6})],
    "Normalization": [
        (MAP, {}),
        (MAP, {"axis": [1, 3]}),
        (MAP, {"mean": [1.0] * 6, "variance": [1.0] * 6}),
    ],
    "Resizing": [(MAP, {"height": 5, "width": 4}), (MAP, {"height": 5, "width": 4, **FIRST})],
    "CenterCrop": [(MAP, {"height": 5, "width": 4})],
    "Dense": [(ROW, {"units": 4}), (MAP, {"units": 4, "use_bias": False})],
    "EinsumDense": [
        (LIST, {"equation": "abc,cde->abde", "output_shape": [None, 2, 3], "bias_axes": "de"}),
        (LIST, {"equation": "...x,xy->...y", "output_shape": 4, "bias_axes": "y"}),
        (LIST, {"equation": "abc,cd->abd", "output_shape": (7, 4), "bias_axes": "bd"}),
    ],
    "Conv1D": [
        (LIST, {"filters": 4, "kernel_size": 3}),
        (LIST, {"filters": 4, "kernel_size": 2, "padding": "causal", "dilation_rate": 2}),
    ],
    "Conv2D": [
        (MAP, {"filters": 4, "kernel_size": 3, "strides": 2}),
        (MAP, {"filters": 4, "kernel_size": [3, 2], "strides": [2, 1], "padding": "same"}),
        (MAP, {"filters": 4, "kernel_size": 2, "groups": 2, "dilation_rate": [2, 1]}),
        (MAP, {"filters": 4, "kernel_size": 3, "use_bias": False, **FIRST}),
    ],
    "Conv2DTranspose": [
        (MAP, {"filters": 4, "kernel_size": 3, "strides": 2}),
        (MAP, {"filters": 4, "kernel_size": 3, "strides": 2, "padding": "same"}),
        (MAP, {"filters": 4, "kernel_size": 2, "strides": 3}),
    ],
    "DepthwiseConv1D": [(LIST, {"kernel_size": 3, "depth_multiplier": 2})],
    "DepthwiseConv2D": [(MAP, {"kernel_size": 3, "strides": 2, "depth_multiplier": 2})],
    "SeparableConv1D": [(LIST, {"filters": 4, "kernel_size": 3})],
    "SeparableConv2D": [(MAP, {"filters": 4, "kernel_size": 3, "depth_multiplier": 2})],
    "MaxPooling1D": [(LIST, {})],
    "MaxPooling2D": [(MAP, {}), (MAP, {"pool_size": 3, "strides": 2, "padding": "same"})],
    "AveragePooling1D": [(LIST, {"pool_size": 3, "strides": 1})],
    "AveragePooling2D": [(MAP, {"pool_size": [2, 3]}), (MAP, {"pool_size": 2, **FIRST})],
    "GlobalMaxPooling1D": [(LIST, {})],
    "GlobalMaxPooling2D": [(MAP, {"keepdims": True})],
    "GlobalAveragePooling1D": [(LIST, {})],
    "GlobalAveragePooling2D": [(MAP, {}), (MAP, {"keepdims": True, **FIRST})],
    "BatchNormalization": [(MAP, {}), (MAP, {"axis": 1, "scale": False})],
    "LayerNormalization": [(LIST, {}), (MAP, {"axis": [2, 3], "center": False})],
    "GroupNormalization": [(MAP, {"groups": 2})],
    "RMSNormalization": [(LIST, {})],
    "UnitNormalization": [(MAP, {})],
    "MultiHeadAttention": [
        (LIST, {"num_heads": 2, "key_dim": 3}),
        (LIST, {"num_heads": 2, "key_dim": 3, "value_dim": 5, "output_shape": 4}),
        (LIST, {"num_heads": 2, "key_dim": 3, "use_bias": False}),
    ],
    "Attention": [(LIST, {}), (LIST, {"use_scale": True})],
    "Flatten": [(MAP, {})],
    "Reshape": [(MAP, {"target_shape": [-1, 6]}), (MAP, {"target_shape": [8, 9, 2, 3]})],
    "Permute": [(MAP, {"dims": [3, 1, 2]})],
    "RepeatVector": [(ROW, {"n": 3})],
    "ZeroPadding1D": [(LIST, {"padding": [1, 0]})],
    "ZeroPadding2D": [(MAP, {"padding": 2}), (MAP, {"padding": [[1, 0], [2, 3]], **FIRST})],
    "Cropping1D": [(LIST, {"cropping": 1})],
    "Cropping2D": [(MAP, {"cropping": [[1, 0], [2, 3]]}), (MAP, {"cropping": [1, 2]})],
    "UpSampling1D": [(LIST, {"size": 3})],
    "UpSampling2D": [(MAP, {"size": [2, 3], "interpolation": "bilinear"})],
    **{
        kind: [(MAP, {})]
        for kind in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")
    },
    "Concatenate": [(MAP, {}), (MAP, {"axis": 1})],
    "LayerScale": [(MAP, {"projection_dim": 6, "init_values": 0.1})],
    "CustomScaleLayer": [(MAP, {"scale": 0.1})],
}
CASES = [
    pytest.param(kind, shape, settings, id=f"{kind}-{number}")
    for kind, cases in LAYERS.items()
    for number, (shape, settings) in enumerate(cases)
]


def of_class(kind):
    import keras

    from bottlebank.features.backbones.keras.known_layers import layer_class

    return layer_class(kind) if kind in KNOWN else getattr(keras.layers, kind)


def called(layer, kind, value):
    if kind == "MultiHeadAttention":
        return layer(value, value)
    if KNOWN[kind].takes_several:
        return layer([value, value])
    return layer(value)


def traced(model, shape):
    """What bottlebank makes of a model's description, as it is written."""
    described = {"class_name": "Functional", **json.loads(model.to_json())}
    return Shapes(read_model(described), shape)


def test_every_layer_is_tested():
    assert LAYERS.keys() == KNOWN.keys()


@pytest.mark.parametrize(("kind", "shape", "settings"), CASES)
def test_shapes_and_weights_are_those_of_keras(kind, shape, settings):
    import keras

    picture = keras.Input(shape)
    model = keras.Model(picture, called(of_class(kind)(**settings), kind, picture))
    shapes = traced(model, shape)
    of_keras = model.outputs[0].shape[1:]  # which leaves some lengths of `EinsumDense` open
    assert tuple(shapes.outputs[0]) == tuple(
        mine if theirs is None else theirs
        for mine, theirs in zip(shapes.outputs[0], of_keras, strict=True)
    )
    assert shapes.n_numbers == model.count_params()


def test_layers_that_do_nothing_do_nothing():
    """But in training: what is left out changes no number."""
    import keras

    values = np.random.default_rng(0).random((2, 8, 8, 3), np.float32)
    settings = {
        "ActivityRegularization": {},
        "RandomBrightness": {"factor": 0.2, "value_range": (0, 1)},
        "RandomErasing": {"value_range": (0, 1)},
        "RandomPosterization": {"factor": 4, "value_range": (0, 1)},
        "RandomTranslation": {"height_factor": 0.2, "width_factor": 0.2},
        "RandomZoom": {"height_factor": 0.2},
        "RandAugment": {"value_range": (0, 1)},
        "RandomColorJitter": {"value_range": (0, 1)},
    }
    ranged = ("Invert", "Hue", "Saturation", "Sharpness", "ColorDegeneration")
    for kind in sorted(INACTIVE):
        if kind in OF_APPLICATIONS or not hasattr(keras.layers, kind):
            continue
        held = settings.get(kind, {"factor": 0.2} if kind.startswith("Random") else {"rate": 0.2})
        if kind in ("RandomFlip", "RandomElasticTransform", "RandomGaussianBlur"):
            held = {}
        if kind == "GaussianNoise":
            held = {"stddev": 0.2}
        if kind.removeprefix("Random") in ranged:
            held = {"factor": 0.2, "value_range": (0, 1)}
        try:
            layer = getattr(keras.layers, kind)(**held)
        except (TypeError, ValueError):
            layer = getattr(keras.layers, kind)()
        given = values.reshape(2, 64, 3) if kind == "SpatialDropout1D" else values
        np.testing.assert_allclose(np.asarray(layer(given, training=False)), given, err_msg=kind)


def operations(ops, x, row):
    return {
        "Absolute": [ops.abs(x)],
        "Add": [x + 1.0, x + row, ops.add(x, np.ones((1, 1, 6), np.float32))],
        "Clip": [ops.clip(x, 0.0, 1.0)],
        "Concatenate": [ops.concatenate([x, x], axis=1), ops.concatenate([x, x], -1)],
        "Divide": [ops.divide(x, 2.0)],
        "Exp": [ops.exp(x)],
        "ExpandDims": [ops.expand_dims(x, 1), ops.expand_dims(x, -1)],
        "Gelu": [ops.gelu(x), ops.gelu(x, approximate=False)],
        "GetItem": [x[:, 0], x[..., ::2], x[:, 1:, -1], x[:, :, 2:5]],
        "HardSigmoid": [ops.hard_sigmoid(x)],
        "HardSilu": [ops.hard_silu(x)],
        "Matmul": [ops.matmul(ops.reshape(x, (-1, 72, 6)), ops.reshape(x, (-1, 6, 72)))],
        "Max": [ops.max(x, axis=-1), ops.max(x, axis=(1, 2), keepdims=True)],
        "Maximum": [ops.maximum(x, 0.0)],
        "Mean": [ops.mean(x, axis=[1, 2]), ops.mean(x, -1, keepdims=True)],
        "Minimum": [ops.minimum(x, 1.0)],
        "Multiply": [2.0 * x],
        "Negative": [-x],
        "Power": [x**2.0],
        "Relu": [ops.relu(x)],
        "Relu6": [ops.relu6(x)],
        "Reshape": [ops.reshape(x, (-1, 72, 6))],
        "Rsqrt": [ops.rsqrt(x)],
        "Sigmoid": [ops.sigmoid(x)],
        "Silu": [ops.silu(x)],
        "Softmax": [ops.softmax(x)],
        "Sqrt": [ops.sqrt(x)],
        "Square": [ops.square(x)],
        "Squeeze": [ops.squeeze(x[:, :1], 1)],
        "Stack": [ops.stack([x, x], 1), ops.stack([x[..., 0], x[..., 1]], -1)],
        "Subtract": [1.0 - x],
        "Sum": [ops.sum(x, axis=1)],
        "Tanh": [ops.tanh(x)],
        "Transpose": [ops.transpose(x, (0, 3, 1, 2))],
        "TrueDivide": [x / 2.0],
    }


@pytest.fixture(scope="module")
def calls():
    import keras

    picture = keras.Input(MAP)
    row = keras.layers.GlobalAveragePooling2D()(picture)
    return picture, operations(keras.ops, picture, row)


def test_every_operation_is_tested(calls):
    assert calls[1].keys() == OPERATIONS.keys()


@pytest.mark.parametrize("kind", sorted(OPERATIONS))
def test_shapes_of_operations_are_those_of_keras(calls, kind):
    import keras

    picture, made = calls
    for value in made[kind]:
        model = keras.Model(picture, value)
        assert tuple(traced(model, MAP).outputs[0]) == model.outputs[0].shape[1:]
        held = {layer["class_name"] for layer in json.loads(model.to_json())["config"]["layers"]}
        assert kind in held


@pytest.mark.parametrize(
    ("kind", "name"),
    [("BatchNormalization", "run"), ("Dense", "kernel"), ("Conv2D", "vocabulary")],
)
def test_a_setting_that_is_not_known_is_refused(kind, name):
    import keras

    picture = keras.Input(MAP)
    settings = dict(LAYERS[kind][0][1])
    model = keras.Model(picture, of_class(kind)(**settings)(picture))
    described = json.loads(model.to_json())
    described["config"]["layers"][1]["config"][name] = "x"
    with pytest.raises(ValueError, match=f"setting '{name}' is not known"):
        read_model(described)
