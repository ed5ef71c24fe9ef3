"""Where networks are cut, against the architectures of their papers."""

import numpy as np
import pytest

from bottlebank.errors import UsageError
from bottlebank.features import find_backbone
from bottlebank.features.backbones.registry import BACKBONES
from bottlebank.features.backbones.tuning.blocks import blocks_of, trained_weights
from bottlebank.features.backbones.tuning.tunable import Tunable, require_tunable

SLOW = pytest.mark.slow
LAST = {
    "mobilenet_v2": (17, ["block_15", "block_16", "Conv_1"], "Conv_1"),
    "vgg16": (4, ["block3", "block4", "block5"], "block5_conv1"),
    "resnet50": (15, ["conv5_block1", "conv5_block2", "conv5_block3"], "conv5_block3_1_conv"),
    "resnet50_v2": (15, ["conv5_block1", "conv5_block2", "conv5_block3"], "conv5_block3_preact_bn"),
    "mobilenet": (12, ["conv_11", "conv_12", "conv_13"], "conv_dw_13"),
    "mobilenet_v3_small": (11, ["expanded_conv_9", "expanded_conv_10", "conv_1"], None),
    "efficientnet_b0": (16, ["block6d", "block7a", "top_conv"], "top_conv"),
    "efficientnet_v2_b0": (21, ["block6g", "block6h", "top_conv"], "top_conv"),
    "convnext_tiny": (
        17,
        [f"stage_3_block_{number}" for number in range(3)],
        "convnext_tiny_stage_3_block_2_depthwise_conv",
    ),
    "inception_v3": (10, ["mixed8", "mixed9", "mixed10"], None),
    "xception": (13, ["block12", "block13", "block14"], None),
    "densenet121": (57, [f"conv5_block{number}" for number in (14, 15, 16)], None),
    "inception_resnet_v2": (40, ["block8_9", "block8_10", "conv_7b"], None),
    "nasnet_mobile": (0, [], None),
}
"""How many blocks, the last, and the layer that begins the last, where it has a name of its own."""


def untrained(name):
    import keras

    row = find_backbone(name)
    build = getattr(keras.applications, row.constructor.partition(":")[2])
    shape = (row.input_size_px, row.input_size_px, 3)
    return build(weights=None, include_top=False, input_shape=shape, pooling="avg")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name == "vgg16" else SLOW) for name in LAST]
)
def test_blocks_are_those_of_the_architecture(name):
    n_blocks, last, begins = LAST[name]
    model = untrained(name)
    blocks = blocks_of(model)
    assert [block.name for block in blocks[-3:]] == last
    assert len(blocks) == n_blocks
    assert len({block.name for block in blocks}) == n_blocks
    if begins:
        assert blocks[-1].begins == begins
    layers = [layer for block in blocks for layer in block.layers]
    every = [operation.name for operation in model.operations]
    assert layers == every[len(every) - len(layers) :]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet50_v2", "inception_v3", "convnext_tiny", "xception"])
def test_both_parts_make_what_the_whole_makes(name):
    import keras

    model = untrained(name)
    tunable = Tunable(find_backbone(name), model, lambda path: None, ".weights.h5")
    pixels = np.random.default_rng(0).normal(size=(2, *model.input.shape[1:])).astype("f4")
    for n_blocks in (1, 3, len(tunable.blocks)):
        begins = tunable.last(n_blocks)[0].begins
        lower = keras.Model(model.input, model.get_layer(begins).input)
        upper = tunable.upper_part(n_blocks)
        features = upper(lower(pixels, training=False)).numpy()
        np.testing.assert_allclose(
            features, model(pixels, training=False).numpy(), rtol=1e-3, atol=1e-5
        )


def test_batch_normalisation_is_not_trained():
    from keras import Sequential, layers

    inner = Sequential([layers.Conv2D(4, 3), layers.BatchNormalization()])
    model = Sequential([layers.Input((8, 8, 3)), inner, layers.LayerNormalization()])
    shapes = [tuple(weight.shape) for weight in trained_weights(model.layers)]
    assert shapes == [(3, 3, 3, 4), (4,), (4,), (4,)]  # kernel and bias; scale and offset


def test_a_network_without_blocks_is_refused():
    from keras import Input, Model, layers

    inputs = Input((8, 8, 3))
    model = Model(inputs, layers.GlobalAveragePooling2D()(inputs))
    tunable = Tunable(find_backbone("nasnet_mobile"), model, lambda path: None, ".weights.h5")
    with pytest.raises(UsageError, match=r"nasnet_mobile cannot be fine-tuned: none of its blocks"):
        tunable.last(1)


def test_what_can_be_fine_tuned_is_known_without_building_it():
    refused = []
    for name, row in BACKBONES.items():
        try:
            require_tunable(row)
        except UsageError:
            refused.append(name)
    assert refused == ["random"]
