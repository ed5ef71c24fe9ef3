import inspect

import pytest

from bottlebank.errors import UnknownExtractorError, UsageError
from bottlebank.features import find_backbone
from bottlebank.features.backbones.registry import (
    BACKBONES,
    DEFAULT_EXTRACTOR,
    SCALINGS,
    find_scaling,
)


def test_the_default_and_the_promised_networks_are_there():
    widths = {
        "inception_v3": 2048,
        "mobilenet_v2": 1280,
        "convnext_tiny": 768,
        "resnet50_v2": 2048,
        "efficientnet_v2_b0": 1280,
        "vgg16": 512,
    }
    assert DEFAULT_EXTRACTOR == "inception_v3"
    assert {name: find_backbone(name).width for name in widths} == widths


def test_what_help_texts_say_of_a_network_begins_with_its_name():
    named = {name: row.in_words for name, row in BACKBONES.items() if row.in_words}
    assert next(iter(named)) == DEFAULT_EXTRACTOR
    assert all(words.split(",")[0] == name for name, words in named.items())


def test_every_image_network_of_keras_is_in_the_table():
    import keras

    constructors = {
        name for name, value in vars(keras.applications).items() if inspect.isfunction(value)
    }
    assert len(constructors) > 30
    in_table = {row.constructor.partition(":")[2] for row in BACKBONES.values()}
    assert constructors <= in_table


@pytest.mark.parametrize(
    "name",
    [
        "mobilenet_v2",
        "vgg16",
        "mobilenet_v3_small",
        pytest.param("densenet121", marks=pytest.mark.slow),
        pytest.param("efficientnet_v2_b0", marks=pytest.mark.slow),
    ],
)
def test_rows_agree_with_the_installed_keras(name, monkeypatch):
    """The weights file that Keras would fetch, and the width of what it builds."""
    import keras
    from keras.src.utils import file_utils

    row = find_backbone(name)
    build = getattr(keras.applications, row.constructor.partition(":")[2])
    shape = (row.input_size_px, row.input_size_px, 3)
    asked = []

    class StoppedError(Exception):
        pass

    def get_file(fname=None, origin=None, **settings):
        asked.append(fname)
        raise StoppedError("get_file")

    monkeypatch.setattr(file_utils, "get_file", get_file)
    with pytest.raises(StoppedError, match="get_file"):
        build(weights="imagenet", include_top=False, input_shape=shape)
    assert asked == [row.weights_file]
    model = build(weights=None, include_top=False, input_shape=shape, pooling="avg")
    assert model.output_shape == (None, row.width)


@pytest.mark.parametrize("mode", ["tf", "caffe", "torch"])
def test_scalings_are_those_of_keras(mode):
    import numpy as np
    from keras.src.applications.imagenet_utils import preprocess_input

    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 3, 3)).astype("float32")
    scaling = SCALINGS[mode]
    ours = pixels[..., ::-1] if scaling.channels == "BGR" else pixels
    ours = ours * np.array(scaling.scale) + np.array(scaling.offset)
    np.testing.assert_allclose(ours, preprocess_input(pixels.copy(), mode=mode), atol=1e-5)


@pytest.mark.parametrize("name", ["MobileNetV2", "mobilenet-v2", "MOBILENET_V2"])
def test_names_are_found_however_they_are_written(name):
    assert find_backbone(name).name == "mobilenet_v2"


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(UnknownExtractorError, match="did you mean mobilenet_v2"):
        find_backbone("mobilnet_v2")
    with pytest.raises(UnknownExtractorError, match="`bottlebank extractors` lists them"):
        find_backbone("qqqq")
    for given in (None, 3, ["random"]):
        with pytest.raises(UnknownExtractorError, match="expected the name of an extractor"):
            find_backbone(given)


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("tf", "tf"),
        ("0.5,0.5", "tf"),
        ("0.485,0.456,0.406,0.229,0.224,0.225", "torch"),
        (SCALINGS["caffe"].in_words(), "caffe"),
    ],
)
def test_a_scaling_is_found_by_name_or_by_its_numbers(words, name):
    assert find_scaling(words)[1:] == SCALINGS[name][1:]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("0.5", "1 number, not 2 or 6"),
        ("0.5,0", r"deviations of \(0.0, 0.0, 0.0\), which are not all above 0"),
        ("imagenet", "neither a name nor numbers"),
        ("nan,1", "not all finite"),
    ],
)
def test_what_is_wrong_with_a_scaling_is_said(words, reason):
    with pytest.raises(UsageError, match=reason):
        find_scaling(words)


def test_names_that_are_equally_near_keep_their_order():
    with pytest.raises(
        UnknownExtractorError, match="lite0 or efficientnet_lite1 or efficientnet_l"
    ):
        find_backbone("efficientnet_lite")


def test_a_scaling_of_numbers_is_of_values_from_0_to_1():
    found = find_scaling("0.25,0.5")
    assert found.scale == pytest.approx((2 / 255,) * 3)
    assert found.offset == (-0.5,) * 3
    assert find_scaling("0,1").offset == (0.0,) * 3


@pytest.mark.parametrize(
    "words",
    [
        *("", "imagenet", "0.5", "0,0", "1,2,3", "nan,1", "1,inf", 3, "RGB * 1"),
        *("0,1e-320", "0,1e-35", "0,1e300", "1e300,1"),
        "RGB * (inf, 1.0, 1.0) + (0.0, 0.0, 0.0)",
        "RGB * (1.0, 1.0, 1.0) + (0.0, nan, 0.0)",
    ],
)
def test_any_other_scaling_is_refused(words):
    with pytest.raises(
        UsageError, match=r"unknown scaling .* \(.+\): expected tf, torch, caffe, none"
    ):
        find_scaling(words)
