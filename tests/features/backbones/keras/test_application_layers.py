"""Sizes and layers of the networks of `keras.applications`."""

import shutil
import subprocess
import sys
import warnings

import h5py
import numpy as np
import pytest

from bottlebank.errors import EngineError, UsageError
from bottlebank.features import find_backbone
from bottlebank.features.backbones.keras import applications
from bottlebank.features.backbones.keras.application_layers import layers_of
from bottlebank.features.backbones.listing import layers_of as listed
from bottlebank.features.backbones.opening import configured
from bottlebank.features.backbones.registry import BACKBONES, KERAS
from bottlebank.features.backbones.spec import ExtractorSpec
from bottlebank.features.backbones.weights import Weights, WrongWeightsError
from bottlebank.features.recipe import Recipe, backbone_of, recipe_of

from .write_layers import built_layers

OF_KERAS = [row.name for row in BACKBONES.values() if row.module == KERAS]
QUICK = ("mobilenet_v2", "vgg16")


def chosen(name, **settings):
    spec = ExtractorSpec.of(name, **settings)
    return configured(find_backbone(name), spec), spec


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in OF_KERAS],
)
def test_layers_are_those_of_the_installed_keras(name):
    row = find_backbone(name)
    kept = [[each.name, each.kind, list(each.shape)] for each in layers_of(row)]
    assert kept == built_layers(row)


def test_every_network_has_its_layers_the_last_of_which_is_taken():
    for name in OF_KERAS:
        layers = layers_of(find_backbone(name))
        assert [layer.is_taken for layer in layers] == [False] * (len(layers) - 1) + [True]
        assert layers[-1].shape == (find_backbone(name).width,)
        assert len({layer.name for layer in layers}) == len(layers)


def test_without_a_choice_nothing_changes():
    for name in OF_KERAS:
        row = find_backbone(name)
        assert chosen(name)[0] == row
        assert chosen(name, size=row.input_size_px)[0] == row
        assert chosen(name, layer=layers_of(row)[-1].name)[0] == row


def test_layers_side_by_side_have_the_width_of_all():
    backbone, spec = chosen("mobilenet_v2", size=96, layer=["block_6_expand", "out_relu"])
    assert (backbone.input_size_px, backbone.width) == (96, 192 + 1280)
    assert backbone.pooling == "mean over height and width"
    recipe = recipe_of(backbone, "imagenet", "0" * 64, spec)
    assert backbone_of(Recipe.from_dict(recipe.as_dict())) == backbone
    plain, of_plain = chosen("mobilenet_v2")
    assert recipe_of(plain, "imagenet", "0" * 64, of_plain).fingerprint != recipe.fingerprint


@pytest.mark.parametrize(
    ("name", "least_px"), [("mobilenet_v2", 32), ("xception", 71), ("inception_v3", 75)]
)
def test_pictures_that_are_too_small_are_refused(name, least_px):
    assert chosen(name, size=least_px)[0].input_size_px == least_px
    with pytest.raises(UsageError, match=f"{name} takes pictures of at least {least_px} px"):
        chosen(name, size=least_px - 1)


@pytest.mark.parametrize("name", ["mobilenet_v2", pytest.param("xception", marks=pytest.mark.slow)])
def test_keras_takes_the_least_size_and_none_below(name):
    import keras

    build = getattr(keras.applications, find_backbone(name).constructor.partition(":")[2])
    least_px = 71 if name == "xception" else 32
    assert build(weights=None, include_top=False, input_shape=(least_px, least_px, 3)).layers
    with pytest.raises(ValueError, match="at least"):
        build(weights=None, include_top=False, input_shape=(least_px - 1, least_px - 1, 3))


def test_a_layer_that_is_not_there_is_answered_with_the_nearest():
    with pytest.raises(
        UsageError, match=r"no layer 'block_6_expands': did you mean block_6_expand"
    ):
        chosen("mobilenet_v2", layer="block_6_expands")
    with pytest.raises(UsageError, match=r"'¿': `bottlebank extractors vgg16` lists its layers"):
        chosen("vgg16", layer="¿")


def test_networks_with_one_layer_say_so():
    with pytest.raises(UsageError, match="has one size and one layer"):
        chosen("efficientnet_lite0", layer="head")
    [layer] = listed("efficientnet_lite0")[1].layers
    assert (layer.name, layer.shape, layer.is_taken) == ("", (1280,), True)


def test_layers_are_listed_by_the_name_of_a_network():
    kind, held = listed("MobileNetV2")
    assert (kind, held.size_px) == ("keras.applications:MobileNetV2", 224)
    assert held.layers[1][:3] == ("Conv1", "Conv2D", (112, 112, 32))
    _, held = listed("mobilenet_v2", 160)
    assert (held.size_px, held.layers[1].shape) == (160, (None, None, 32))


def test_a_recipe_with_layers_needs_no_keras():
    code = (
        "import sys\n"
        "from bottlebank.features import ExtractorSpec, recipe_for\n"
        "settings = dict(size=96, layer='block_6_expand', weights=sys.argv[1])\n"
        "spec = ExtractorSpec.of('mobilenet_v2', **settings)\n"
        "assert recipe_for(spec)[0].width == 192\n"
        "print([name for name in ('tensorflow', 'keras', 'h5py') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, __file__], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Random weights of a network whose layers Keras numbers, saved at its usual size."""
    import keras

    keras.utils.set_random_seed(0)
    model = keras.applications.MobileNetV3Small(
        weights=None, include_top=False, input_shape=(224, 224, 3), pooling="avg"
    )
    path = tmp_path_factory.mktemp("weights") / "small.weights.h5"
    with warnings.catch_warnings():  # of Keras about NumPy 2
        warnings.simplefilter("ignore", DeprecationWarning)
        model.save_weights(path)
    return Weights(path.name, path)


def test_what_is_built_computes_the_layers(weights):
    import keras

    names = ["activation_3", "conv_bn"]  # by now, Keras would call the first otherwise
    backbone, _ = chosen("mobilenet_v3_small", size=64, layer=names)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype("float32")
    made = np.array(applications.build(backbone, weights, "float32")(pixels))
    whole = keras.applications.MobileNetV3Small(
        weights=str(weights.path), include_top=False, input_shape=(64, 64, 3), pooling="avg"
    )
    places = {layer.name: place for place, layer in enumerate(layers_of(backbone))}
    outputs = [whole.layers[places[name]].output for name in names]
    maps = keras.Model(whole.input, outputs)(pixels, training=False)
    expected = np.concatenate([np.array(each).mean((1, 2)) for each in maps], 1)
    assert made.shape == (2, backbone.width)
    np.testing.assert_allclose(made, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused(weights, tmp_path, number):
    """Layers behind them can hide them, and features would look sound."""
    path = tmp_path / "spoiled.weights.h5"
    shutil.copyfile(weights.path, path)
    spoiled = []

    def spoil(name, held):
        if not spoiled and getattr(held, "ndim", 0) == 4:
            held[0, 0, 0, 0] = number
            spoiled.append(name)

    with h5py.File(path, "r+") as file:
        file.visititems(spoil)
    assert spoiled
    backbone, _ = chosen("mobilenet_v3_small", size=64)
    with pytest.raises(WrongWeightsError, match=r"spoiled.* has numbers that are not finite"):
        applications.build(backbone, Weights(path.name, path), "float32")


def test_another_keras_with_other_layers_is_an_error(weights, monkeypatch):
    backbone, _ = chosen("mobilenet_v3_small", layer="conv_bn")
    monkeypatch.setattr(applications, "layers_of", lambda row: layers_of(row)[:-1])
    with pytest.raises(EngineError, match="builds mobilenet_v3_small with other layers"):
        applications.build(backbone, weights, "float32")
