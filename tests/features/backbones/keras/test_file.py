"""Networks in files of Keras: layers, poolings, pixels and both formats, against Keras itself."""

import numpy as np
import pytest

from bottlebank.errors import EngineError, UsageError
from bottlebank.features import recipe_for
from bottlebank.features.backbones.keras import file as keras_file
from bottlebank.features.backbones.listing import layers_of
from bottlebank.features.backbones.registry import SCALINGS
from bottlebank.features.backbones.spec import ExtractorSpec
from bottlebank.features.backbones.weights import Weights
from bottlebank.features.engines.network import Network

from . import written
from .keras_networks import N_CLASSES, SIZE_PX, WIDTH, cnn, drawn, save, vit
from .written import archive, arrays, cnn_of_keras_2, of_keras_2

PIXELS = np.random.default_rng(1).integers(0, 256, (3, SIZE_PX, SIZE_PX, 3)).astype(np.float32)
FORMATS = ("net.keras", "net.h5")
# Keras's warnings about NumPy 2 and TensorFlow about its own libraries.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def opened(path, **chosen):
    chosen.setdefault("scaling", "tf")
    return keras_file.open_file(path, ExtractorSpec.of(str(path), **chosen))


def features(path, pixels=PIXELS, **chosen):
    """What is built of a file makes of pixels, which are scaled here; traced, as engines do."""
    import tensorflow as tf

    backbone, weights = opened(path, **chosen)
    network = tf.function(keras_file.build(backbone, weights, "float32"), autograph=False)
    scaled = pixels * np.float32(backbone.scaling.scale) + np.float32(backbone.scaling.offset)
    made = network(tf.constant(scaled.astype(np.float32))).numpy()
    assert made.shape == (len(pixels), backbone.width)
    return made


def scaled(pixels=PIXELS):
    return pixels / np.float32(127.5) - 1


def outputs(model, *names, pixels=None):
    """What layers of a model make of scaled pixels, in Keras."""
    import keras

    held = [model.get_layer(name).output for name in names]
    part = keras.Model(model.inputs[0], held)
    made = part(scaled() if pixels is None else pixels, training=False)
    return [np.asarray(each) for each in (made if len(names) > 1 else [made])]


def close(made, expected):
    np.testing.assert_allclose(made, expected, rtol=2e-4, atol=2e-5)


@pytest.fixture(scope="module")
def transformer():
    return vit()


@pytest.mark.parametrize("name", FORMATS)
def test_a_transformer_gives_its_class_token_by_itself(tmp_path, transformer, name):
    path = save(transformer, tmp_path / name)
    [tokens] = outputs(transformer, "tokens")
    backbone, _ = opened(path)
    assert (backbone.layers, backbone.pooling) == (("tokens",), "CLS token")
    close(features(path), tokens[:, 0])


def test_a_transformer_gives_the_mean_of_its_tokens_where_that_is_chosen(tmp_path, transformer):
    path = save(transformer, tmp_path / "vit.keras")
    [tokens] = outputs(transformer, "tokens")
    close(features(path, pooling="mean"), tokens.mean(1))


def test_several_layers_are_side_by_side(tmp_path, transformer):
    path = save(transformer, tmp_path / "vit.keras")
    first, patches = outputs(transformer, "block0", "patches")
    backbone, _ = opened(path, layer=["block0", "patches"])
    assert backbone.pooling == "CLS token, mean over height and width"
    expected = np.concatenate([first[:, 0], patches.mean((1, 2))], 1)
    close(features(path, layer=["block0", "patches"]), expected)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("is_nested", [False, True])
def test_of_a_classifier_the_layer_before_the_classes_is_taken(tmp_path, name, is_nested):
    import keras
    from keras import layers

    model = cnn(ends=not is_nested)
    expected = outputs(model, "features of a picture")[0]
    taken = "features of a picture"
    if is_nested:
        picture = keras.Input((SIZE_PX, SIZE_PX, 3))
        made = layers.Dense(N_CLASSES)(layers.Dropout(0.2)(model(picture, training=False)))
        taken = f"{model.name}/{taken}"
        model.trainable = False
        model = keras.Model(picture, made)
    path = save(model, tmp_path / name)
    assert opened(path)[0].layers == (taken,)
    close(features(path), expected)


@pytest.mark.parametrize("name", FORMATS)
def test_operations_between_layers(tmp_path, name):
    import keras
    from keras import layers

    picture = keras.Input((SIZE_PX, SIZE_PX, 3))
    values = keras.applications.resnet50.preprocess_input(picture)
    values = layers.Conv2D(8, 4, 4, padding="same")(values)
    values = keras.ops.relu(values + 0.5) * values - values[:, :, ::-1]
    values = keras.ops.concatenate([values, keras.ops.sqrt(keras.ops.square(values))], -1)
    values = keras.ops.reshape(values, (-1, SIZE_PX**2 // 16, 16))
    features_ = keras.ops.mean(values, axis=1)
    model = drawn(keras.Model(picture, layers.Dense(3)(features_)))
    path = save(model, tmp_path / name)
    backbone, _ = opened(path, scaling=None)
    assert backbone.scaling == SCALINGS["none"]
    expected = keras.Model(picture, features_)(PIXELS, training=False)
    close(features(path, scaling=None) / 100, np.asarray(expected) / 100)


def test_files_of_keras_2_are_read(tmp_path):
    """Both files hold the same network and weights."""
    (tmp_path / "old.h5").write_bytes(of_keras_2(*cnn_of_keras_2()))
    (tmp_path / "new.keras").write_bytes(archive())
    pixels = PIXELS[:, :16, :16]
    kernel, bias, *_ = arrays().values()
    values = scaled(pixels)
    patches = np.lib.stride_tricks.sliding_window_view(values, (3, 3), (1, 2))[:, ::2, ::2]
    maps = np.maximum(np.einsum("nhwcyx,yxcf->nhwf", patches, kernel) + bias, 0)
    for name in ("old.h5", "new.keras"):
        close(features(tmp_path / name, pixels), maps.mean((1, 2)))


@pytest.mark.parametrize(
    ("dialect", "config"),
    [
        ("Model", {}),
        ("Functional", {"dtype": {"class_name": "Policy", "config": {"name": "mixed_float16"}}}),
        ("Functional", {"activation": "swish"}),
        ("Functional", {"activation": {"class_name": "LeakyReLU", "config": {"alpha": 0.1}}}),
    ],
)
def test_dialects_of_keras_2(tmp_path, dialect, config):
    _, described, weights = cnn_of_keras_2()
    described["layers"][1]["config"] |= config
    path = tmp_path / "old.hdf5"
    path.write_bytes(of_keras_2(dialect, described, weights))
    assert features(path, PIXELS[:, :16, :16]).shape == (3, 8)


def test_a_function_that_was_another_in_keras_2(tmp_path):
    name, config, weights = cnn_of_keras_2()
    config["layers"][1]["config"]["activation"] = "hard_sigmoid"
    (tmp_path / "old.h5").write_bytes(of_keras_2(name, config, weights))
    model = written.cnn()
    model["config"]["layers"][1]["config"]["activation"] = "hard_sigmoid"
    (tmp_path / "new.keras").write_bytes(archive(model))
    # Every pixel is the same, so that each map holds one number.
    same = np.full((3, 16, 16, 3), 150, np.float32)
    kernel, bias, *_ = arrays().values()
    before = (kernel * scaled(same)[0, 0, 0][:, None]).sum((0, 1, 2)) + bias
    for file, slope in (("old.h5", 1 / 5), ("new.keras", 1 / 6)):
        made = features(tmp_path / file, same, layer="conv")
        close(made, np.tile(np.clip(slope * before + 0.5, 0, 1), (3, 1)))


def test_a_sequence_of_keras_2(tmp_path):
    _, described, weights = cnn_of_keras_2()
    shape = described["layers"][0]["config"]["batch_input_shape"]
    layers = described["layers"][1:]
    layers[0]["config"]["batch_input_shape"] = shape
    sequence = {"name": "sequence", "layers": layers}
    for number, config in enumerate((sequence, layers)):  # the first versions wrote a list
        path = tmp_path / f"{number}.h5"
        path.write_bytes(of_keras_2("Sequential", config, weights))
        (tmp_path / "functional.h5").write_bytes(of_keras_2(*cnn_of_keras_2()))
        pixels = PIXELS[:, :16, :16]
        close(features(path, pixels), features(tmp_path / "functional.h5", pixels))


def test_functions_of_tensorflow_between_layers_of_keras_2(tmp_path):
    """As its `preprocess_input` leaves them, and arithmetic with another layer or first number."""
    name, config, weights = cnn_of_keras_2()

    def function(name, of, before, **keywords):
        held = {"name": name, "dtype": "float32", "function": of}
        first = before if isinstance(before, list) else [before, 0, 0]
        node = [*first, {**keywords, "name": None}]
        return {"class_name": "TFOpLambda", "config": held, "name": name, "inbound_nodes": [node]}

    every = {"start": None, "stop": None, "step": None}
    parts = [{"class_name": "__ellipsis__"}, {**every, "step": -1}]
    turned = function("turned", "__operators__.getitem", "picture", slice_spec=parts)
    config["layers"] += [
        turned | {"class_name": "SlicingOpLambda"},
        function("less", "nn.bias_add", "turned", bias=[-103.9, -116.8, -123.7]),
        function("small", "math.truediv", "less", y=50.0),
        function("twice", "__operators__.add", "relu", y=["relu", 0, 0]),
        function("rest", "math.subtract", ["_CONSTANT_VALUE", -1, 1.0], y=["twice", 0, 0]),
        function("mean", "math.reduce_mean", "rest", axis=[1, 2]),
    ]
    config["layers"][1]["inbound_nodes"] = [[["small", 0, 0, {}]]]
    config["layers"][4]["inbound_nodes"] = [[["mean", 0, 0, {}]]]
    path = tmp_path / "old.h5"
    path.write_bytes(of_keras_2(name, config, weights))
    (tmp_path / "plain.h5").write_bytes(of_keras_2(*cnn_of_keras_2()))
    pixels = PIXELS[:, :16, :16]
    backbone, _ = opened(path, scaling=None)
    assert (backbone.layers, backbone.scaling) == (("mean",), SCALINGS["none"])
    small = (pixels[..., ::-1] - np.float32([103.9, 116.8, 123.7])) / 50
    plain = features(tmp_path / "plain.h5", small, scaling="none", layer="pool")
    close(features(path, pixels, scaling=None), 1 - 2 * plain)


def test_numbers_of_a_normalisation_are_taken_from_its_weights(tmp_path):
    import keras
    from keras import layers

    normal = layers.Normalization()
    normal.adapt(PIXELS)
    picture = keras.Input((SIZE_PX, SIZE_PX, 3))
    values = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(normal(picture)))
    model = keras.Model(picture, values)
    for name in FORMATS:
        path = save(model, tmp_path / name)
        close(features(path, scaling="none"), np.asarray(model(PIXELS, training=False)))


def test_channels_may_come_first(tmp_path):
    model = cnn(data_format="channels_first")
    path = save(model, tmp_path / "net.keras")
    found = keras_file.layers(path, ExtractorSpec.of(str(path))).layers
    listed = {layer.name: layer for layer in found}
    assert listed["last map"].shape == (WIDTH, 7, 7)
    assert opened(path, layer="last map")[0].width == WIDTH
    path = save(cnn(None, data_format="channels_first"), tmp_path / "any.h5")
    backbone, _ = opened(path, layer="last map", size=SIZE_PX)
    assert (backbone.width, backbone.input_size_px) == (WIDTH, SIZE_PX)


def test_a_network_for_any_size_needs_one(tmp_path):
    path = save(cnn(None), tmp_path / "net.keras")
    with pytest.raises(UsageError, match=r"net\.keras takes pictures of any size: .*--size 224"):
        opened(path)
    assert opened(path, size=64)[0].input_size_px == 64
    close(features(path, size=SIZE_PX), outputs(cnn(), "features of a picture")[0])


def test_a_network_for_one_size_takes_no_other(tmp_path):
    (tmp_path / "net.keras").write_bytes(archive())
    with pytest.raises(UsageError, match="takes pictures of 16 px, not of 64: leave --size out"):
        opened(tmp_path / "net.keras", size=64)


def test_scaling_is_asked_for_where_the_network_does_not_say_it(tmp_path):
    (tmp_path / "net.keras").write_bytes(archive())
    with pytest.raises(UsageError, match=r"does not say how pixels .*--scaling, such as torch"):
        opened(tmp_path / "net.keras", scaling=None)


def test_layers_that_scale_pixels_say_it(tmp_path):
    from keras import layers

    begins = [
        layers.RandomFlip(),
        layers.RandomRotation(0.1),
        layers.Rescaling(1 / 255),
        layers.Normalization(mean=[0.5, 0.4, 0.3], variance=[0.1, 0.2, 0.3]),
    ]
    model = cnn(begins=begins)
    path = save(model, tmp_path / "net.keras")
    assert opened(path, scaling=None)[0].scaling == SCALINGS["none"]
    close(features(path, scaling=None), outputs(model, "features of a picture", pixels=PIXELS)[0])
    with pytest.raises(UsageError, match=r"net\.keras scales pixels itself: leave --scaling out"):
        opened(path, scaling="tf")


@pytest.mark.parametrize("scale", [1.0, 255.0])
def test_a_layer_that_makes_no_pixels_small_says_nothing(tmp_path, scale):
    from keras import layers

    path = save(cnn(begins=[layers.Rescaling(scale)]), tmp_path / "net.keras")
    with pytest.raises(UsageError, match="does not say how pixels"):
        opened(path, scaling=None)
    assert opened(path, scaling="0,1")[0].scaling.name == ""


def test_odd_names_and_halves(tmp_path):
    """Names in any script, with spaces; half precision; a folder whose name needs quotes."""
    import keras
    from keras import layers

    picture = keras.Input((SIZE_PX, SIZE_PX, 3), batch_size=1)
    values = layers.Conv2D(4, 3, name="первый слой", dtype="mixed_float16")(picture)
    values = layers.Conv2D(6, 3, name="第二 層", dtype="float16")(values)
    model = drawn(keras.Model(picture, values))
    folder = tmp_path / "my 'nets' é"
    folder.mkdir()
    for ending in ("keras", "h5"):
        path = save(model, folder / f"net #1.{ending}")
        made = features(path, layer=["первый слой", "第二 層"])
        [first] = outputs(model, "первый слой", pixels=scaled()[:1])
        np.testing.assert_allclose(made[:1, :4], first.mean((1, 2)), rtol=2e-2, atol=2e-2)


def test_of_several_outputs_the_one_that_is_named_as_features_is_taken(tmp_path):
    import keras
    from keras import layers

    model = cnn(ends=False)
    embedding = layers.Dense(7, use_bias=False, name="embedding")(model.outputs[0])
    both = {"classes": layers.Dense(9)(embedding), "embedding": embedding}
    path = save(drawn(keras.Model(model.inputs[0], both)), tmp_path / "net.keras")
    assert opened(path)[0].layers == ("embedding",)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"layer": "pools"}, "has no layer 'pools' .*did you mean pool"),
        ({"layer": "pool", "pooling": "mean"}, "one vector for each image; --pooling"),
        ({"layer": "conv", "pooling": "cls"}, "conv is a map without a class token"),
        ({"weights": "w.h5"}, "the weights of net.keras are in it"),
        ({"scaling": "best"}, "unknown scaling 'best'"),
    ],
)
def test_settings_that_mean_nothing_are_refused(tmp_path, chosen, message):
    path = tmp_path / "net.keras"
    path.write_bytes(archive())
    with pytest.raises(UsageError, match=message):
        opened(path, **chosen)


def test_weights_that_are_not_those_of_the_layers_are_refused(tmp_path):
    path = tmp_path / "net.h5"
    name, config, weights = cnn_of_keras_2()
    weights["conv"]["conv/kernel:0"] = np.zeros((3, 3, 8, 3), np.float32)
    path.write_bytes(of_keras_2(name, config, weights))
    backbone, held = opened(path)
    with pytest.raises(EngineError, match="weights of its layer 'conv' are of the shapes"):
        keras_file.build(backbone, held, "float32")


def fingerprint(path, **chosen):
    chosen.setdefault("scaling", "tf")
    return recipe_for(ExtractorSpec.of(str(path), **chosen))[0].fingerprint


def test_a_name_changes_no_fingerprint_and_a_bit_does(tmp_path):
    path = tmp_path / "net.keras"
    path.write_bytes(archive())
    before = fingerprint(path)
    renamed = path.rename(tmp_path / "other name.h5")  # what it is shows its content
    assert fingerprint(renamed) == before
    chosen = [{"layer": "conv"}, {"layer": "relu"}, {"scaling": "torch"}, {"layer": "pool"}]
    prints = [fingerprint(renamed, **each) for each in chosen]
    assert prints[-1] == before
    assert len({*prints}) == len(chosen)
    renamed.write_bytes(archive().replace(arrays()["layers/dense/vars/1"].tobytes(), bytes(12)))
    assert fingerprint(renamed) != before


def test_layers_are_listed_with_their_shapes(tmp_path):
    path = tmp_path / "net.keras"
    path.write_bytes(archive())
    kind, listed = layers_of(str(path))
    assert kind == "keras"
    assert [(each.name, each.kind, each.shape, each.is_taken) for each in listed.layers] == [
        ("conv", "Conv2D", (7, 7, 8), False),
        ("relu", "ReLU", (7, 7, 8), False),
        ("pool", "GlobalAveragePooling2D", (8,), True),
        ("classes", "Dense", (3,), False),
    ]


def test_it_is_converted_in_a_process_of_its_own(tmp_path, transformer):
    """From a file to OpenVINO's form, with what TensorFlow made of the golden images."""
    from bottlebank.features.engines.openvino import OpenVinoEngine
    from bottlebank.features.golden_images import golden_pixels

    path = save(transformer, tmp_path / "vit.keras")
    recipe, weights = recipe_for(ExtractorSpec.of(str(path), scaling="tf"))
    with Network(recipe, lambda: weights, progress=False) as network:
        made = OpenVinoEngine(network.converted(), "float32", many=False)(golden_pixels(SIZE_PX))
        reference = network.reference().features
    [tokens] = outputs(transformer, "tokens", pixels=scaled(golden_pixels(SIZE_PX)))
    close(reference, tokens[:, 0])
    np.testing.assert_allclose(made, reference, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_tensorflow_runs_the_graph_that_another_process_has_made(tmp_path, transformer):
    from bottlebank.features.engines.tensorflow import start
    from bottlebank.features.golden_images import golden_pixels

    path = save(transformer, tmp_path / "vit.keras")
    recipe, weights = recipe_for(ExtractorSpec.of(str(path), scaling="tf"))
    with Network(recipe, lambda: weights, progress=False) as network:
        engine = start(network, "float32", many=True)
        with pytest.raises(EngineError, match="keras networks in float32 only"):
            start(network, "bfloat16", many=True)
        reference = network.reference().features
    golden = golden_pixels(SIZE_PX)
    close(engine(golden), reference)
    close(engine(golden[:1]), reference[:1])


@pytest.mark.slow
def test_a_file_that_is_another_meanwhile_is_an_error(tmp_path):
    path = tmp_path / "net.keras"
    path.write_bytes(archive())
    recipe, _ = recipe_for(ExtractorSpec.of(str(path), scaling="tf"))
    path.write_bytes(b"nothing")
    weights = Weights(path.name, path)
    with (
        Network(recipe, lambda: weights, progress=False) as network,
        pytest.raises(EngineError, match="neither an archive of Keras nor HDF5"),
    ):
        network.converted()


@pytest.mark.parametrize("name", FORMATS)
def test_outputs_with_names_are_in_the_order_of_these(tmp_path, name):
    """Of the model, and of a model inside, whose outputs the file numbers in that order."""
    import keras
    from keras import layers

    picture = keras.Input((SIZE_PX, SIZE_PX, 3))
    maps = layers.Conv2D(WIDTH, 3, 2)(picture)
    both = {"mean": layers.GlobalAveragePooling2D()(maps), "max": layers.GlobalMaxPooling2D()(maps)}
    inner = keras.Model(picture, both, name="inner")
    values = inner(picture)["mean"]
    heads = {
        "embedding": layers.Dense(16, use_bias=False, name="embedding")(values),
        "aux": layers.Dense(16, use_bias=False, name="aux")(values),
    }
    model = drawn(keras.Model(picture, heads))
    path = save(model, tmp_path / name)
    assert opened(path)[0].layers == ("embedding",)
    close(features(path, layer=["embedding", "aux"]), np.concatenate(outputs(model, *heads), 1))


@pytest.mark.parametrize("counted_from", [1, 0])
@pytest.mark.parametrize("is_output", [False, True])
def test_a_model_of_keras_2_that_is_called_twice(tmp_path, counted_from, is_output):
    """Keras 2 counts the calls of a model from 1, those of one made without an input from 0."""
    name, inner, weights = cnn_of_keras_2()
    picture = inner["layers"][0]
    inner = {**inner, "layers": inner["layers"][:4], "output_layers": [["pool", 0, 0]]}

    def described(kind, name, *nodes, **config):
        return {"class_name": kind, "config": config, "name": name, "inbound_nodes": [*nodes]}

    def call(name, number=0):
        return [name, number, 0, {}]

    layers = [
        {**picture, "name": "whole", "config": {**picture["config"], "name": "whole"}},
        described("Cropping2D", "middle", [call("whole")], cropping=[[4, 4], [4, 4]]),
        described("UpSampling2D", "large", [call("middle")], size=[2, 2], interpolation="nearest"),
        described(name, "net", [call("whole")], [call("large")]) | {"config": inner},
        described("ReLU", "first", [call("net", counted_from)]),
        described("Concatenate", "both", [call("first"), call("net", counted_from + 1)], axis=-1),
    ]
    ends = [["both", 0, 0]]
    if is_output:  # the second call is no layer's
        layers[-1] = described("Concatenate", "both", [call("first"), call("first")])
        ends.append(["net", counted_from + 1, 0])
    config = {"name": "two", "layers": layers, "input_layers": [["whole", 0, 0]]}
    held = {"net": {key: array for each in weights.values() for key, array in each.items()}}
    held["net"] = {key: array for key, array in held["net"].items() if "classes" not in key}
    (tmp_path / "two.h5").write_bytes(of_keras_2(name, {**config, "output_layers": ends}, held))
    (tmp_path / "one.h5").write_bytes(of_keras_2(*cnn_of_keras_2()))
    pixels = PIXELS[:, :16, :16]
    first = features(tmp_path / "one.h5", pixels)
    large = pixels[:, 4:12, 4:12].repeat(2, 1).repeat(2, 2)
    second = first if is_output else features(tmp_path / "one.h5", large)
    made = features(tmp_path / "two.h5", pixels, layer="both")
    close(made, np.concatenate([first, second], 1))


@pytest.mark.parametrize("name", FORMATS)
def test_a_frozen_model_of_which_a_layer_is_trained_again(tmp_path, name):
    import keras
    from keras import layers

    inner = cnn(ends=False)
    inner.trainable = False
    inner.layers[2].trainable = True
    picture = keras.Input((SIZE_PX, SIZE_PX, 3))
    model = keras.Model(picture, layers.Dense(3)(inner(picture)))
    path = save(model, tmp_path / name)
    close(features(path), outputs(inner, "features of a picture")[0])


def test_a_frozen_model_of_keras_2_of_which_a_layer_is_trained_again(tmp_path):
    """What is trained comes first in its weights, whichever layer that is of."""
    name, inner, weights = cnn_of_keras_2()
    (tmp_path / "plain.h5").write_bytes(of_keras_2(name, inner, weights))
    inner["layers"][1]["config"]["trainable"] = inner["trainable"] = False
    picture = {**inner["layers"][0], "name": "whole"}
    picture["config"] = {**picture["config"], "name": "whole"}
    net = {"class_name": name, "config": inner, "name": "net"}
    layers = [picture, net | {"inbound_nodes": [[["whole", 0, 0, {}]]]}]
    ends = {"input_layers": [["whole", 0, 0]], "output_layers": [["net", 1, 0]]}
    held = {"net": {**weights["classes"], **weights["conv"]}}
    data = of_keras_2(name, {"name": "frozen", "layers": layers, **ends}, held)
    (tmp_path / "frozen.h5").write_bytes(data)
    pixels = PIXELS[:, :16, :16]
    made = features(tmp_path / "frozen.h5", pixels)
    close(made, features(tmp_path / "plain.h5", pixels))
