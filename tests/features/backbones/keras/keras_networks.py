"""Small networks of Keras, with random weights."""

import warnings

import numpy as np

SIZE_PX, WIDTH, N_CLASSES = 32, 12, 5


def save(model, path):
    """Save a model; of warnings, only those of libraries about one another are kept quiet."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save(path)
    return path


def drawn(model, seed=0):
    """The model, with weights that are all different from those it began with."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if "seed" not in weight.path:
            values = rng.normal(0.1, 0.2, weight.shape)
            weight.assign(np.abs(values) + 0.1 if "variance" in weight.path else values)
    return model


def cnn(size_px=SIZE_PX, *, begins=(), ends=True, data_format=None, activation="softmax"):
    """A sequence of convolutions, normalisation and pooling."""
    import keras
    from keras import layers

    shape = (3, size_px, size_px) if data_format == "channels_first" else (size_px, size_px, 3)
    axis = 1 if data_format == "channels_first" else -1
    parts = [
        keras.Input(shape),
        *begins,
        layers.Conv2D(8, 3, 2, "same", data_format=data_format, activation="relu"),
        layers.BatchNormalization(axis),
        layers.DepthwiseConv2D(3, 1, "same", data_format=data_format),
        layers.Conv2D(WIDTH, 3, 2, data_format=data_format, activation="swish", name="last map"),
        layers.GlobalAveragePooling2D(data_format, name="features of a picture"),
    ]
    if ends:
        parts += [layers.Dropout(0.5), layers.Dense(N_CLASSES, activation)]
    return drawn(keras.Sequential(parts))


def vit(n_blocks=2, dim=16, patch_px=8):
    """A vision transformer without layers of its own.

    Positions, and the class token with that of its place, are the bias of a layer.
    """
    import keras
    from keras import layers

    n_tokens = (SIZE_PX // patch_px) ** 2 + 1
    picture = keras.Input((SIZE_PX, SIZE_PX, 3), name="picture")
    values = layers.Conv2D(dim, patch_px, patch_px, name="patches")(picture)
    values = layers.Reshape((n_tokens - 1, dim))(values)
    values = layers.ZeroPadding1D((1, 0))(values)
    values = layers.EinsumDense("nte,ed->ntd", (n_tokens, dim), bias_axes="td", name="positions")(
        values
    )
    for number in range(n_blocks):
        normal = layers.LayerNormalization(epsilon=1e-6)(values)
        heard = layers.MultiHeadAttention(2, dim // 2)(normal, normal)
        values = layers.Add()([values, heard])
        normal = layers.LayerNormalization(epsilon=1e-6)(values)
        thought = layers.Dense(2 * dim, "gelu")(normal)
        thought = layers.Dense(dim)(layers.Dropout(0.1)(thought))
        values = layers.Add(name=f"block{number}")([values, thought])
    tokens = layers.LayerNormalization(epsilon=1e-6, name="tokens")(values)
    return drawn(keras.Model(picture, tokens, name="vit"))
