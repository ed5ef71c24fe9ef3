"""A backbone in Keras that can be fine-tuned: three blocks, one of them residual.

Its weights are drawn, or in a file that `finetune` wrote.
"""

from bottlebank.features.backbones.layer_pooling import FLATTENED
from bottlebank.features.backbones.registry import SCALINGS, Backbone
from bottlebank.features.backbones.tuning.tunable import Tunable
from bottlebank.features.backbones.weights import (
    IMAGENET,
    SEED_WEIGHTS,
    Weights,
    named_weights,
)

LINE = Backbone(
    name="tunable",
    constructor="toy:tunable",
    input_size_px=32,
    width=24,
    scaling=SCALINGS["tf"],
    module="toy_tunable",
)


def find_weights(backbone, weights, download_timeout_s, progress):
    if weights != IMAGENET:
        return named_weights(weights)
    return Weights(SEED_WEIGHTS, None, "5eed" * 16)


def network(weights):
    import keras
    from keras import layers

    def convolution(values, name, channels, stride):
        seed = keras.initializers.GlorotUniform(seed=len(name) + channels)
        settings = {"padding": "same", "kernel_initializer": seed, "use_bias": False}
        values = layers.Conv2D(channels, 3, stride, name=name, **settings)(values)
        return layers.ReLU(name=f"{name}_relu")(
            layers.BatchNormalization(name=f"{name}_bn")(values)
        )

    inputs = keras.Input((32, 32, 3), name="pixels")
    values = convolution(inputs, "block_0_conv", 8, 2)
    values = convolution(values, "block_1_conv", 12, 2)
    residual = convolution(values, "block_2_conv", 12, 1)
    values = layers.Add(name="block_2_add")([values, residual])
    values = convolution(values, "top_conv", 24, 2)
    values = layers.GlobalAveragePooling2D(name="pool")(values)
    model = keras.Model(inputs, values, name="tunable")
    if weights.path is not None:
        model.load_weights(weights.path)
    return model


def build(backbone, weights, precision):
    import keras

    model = network(weights)
    if backbone.pooling == FLATTENED:
        maps = model.get_layer(backbone.layers[0]).input
        model = keras.Model(model.input, keras.layers.Flatten()(maps))
    return lambda values: model(values, training=False)


def tunable(backbone, weights):
    model = network(weights)

    def write(path):
        model.save_weights(path)

    return Tunable(backbone, model, write, ".weights.h5")
