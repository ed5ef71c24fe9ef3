"""SavedModels as TensorFlow and Keras write them, and what TensorFlow makes of pictures with them.

Run as a script with a folder: so TensorFlow is started once, and not in the tests' process.
"""

import json
import os
import sys
from pathlib import Path

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}

import keras
import numpy as np
import tensorflow as tf
import write_operators  # beside this script
from keras import layers

from bottlebank.features.backbones.saved_model import folder as saved_model_folder
from bottlebank.features.backbones.spec import ExtractorSpec
from bottlebank.features.engines.tensorflow import TensorFlowEngine

SIZE_PX = 32
WIDTH = 16
N_IMAGES = 5


def pixels(size_px=SIZE_PX):
    return np.random.default_rng(1).integers(0, 256, (N_IMAGES, size_px, size_px, 3), np.uint8)


def cnn(size_px=SIZE_PX, *, scales=True, classes=None, **settings):
    """A CNN as keras.applications has them: separable, with batch normalisation."""
    picture = keras.Input((size_px, size_px, 3), name="picture")
    x = layers.Rescaling(1 / 127.5, -1)(picture) if scales else picture
    if settings.get("augments"):
        x = layers.RandomFlip()(x)
    if settings.get("resizes"):
        x = layers.Resizing(24, 24)(x)
    x = layers.ZeroPadding2D(1)(x)
    x = layers.Conv2D(8, 3, 2, use_bias=False, name="stem")(x)
    x = layers.BatchNormalization(name="bn")(x)
    x = layers.ReLU(6.0)(x)
    skip = x
    x = layers.DepthwiseConv2D(3, padding="same")(x)
    x = layers.Activation("swish")(x)
    x = layers.Add()([x, skip])
    x = layers.MaxPooling2D()(x)
    x = layers.Conv2D(WIDTH, 3, dilation_rate=2, padding="same", name="last-conv")(x)
    x = layers.Activation("gelu", name="last")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dropout(0.3)(x)
    if classes:
        x = layers.Dense(classes, activation="softmax", name="predictions")(x)
    return keras.Model(picture, x)


class ClassToken(layers.Layer):
    def build(self, shape):
        self.token = self.add_weight(shape=(1, 1, shape[-1]), initializer="normal", name="token")

    def call(self, patches):
        n_images = keras.ops.shape(patches)[0]
        token = keras.ops.broadcast_to(self.token, (n_images, 1, patches.shape[-1]))
        return keras.ops.concatenate([token, patches], 1)


def vit():
    """A small vision transformer: patches of 8 px, a class token, two blocks."""
    picture = keras.Input((SIZE_PX, SIZE_PX, 3), name="pixels")
    x = layers.Conv2D(WIDTH, 8, 8, name="patches")(picture)
    x = layers.Reshape((-1, WIDTH))(x)
    x = ClassToken()(x)
    places = layers.Embedding(x.shape[1], WIDTH)(keras.ops.arange(x.shape[1]))
    x = x + places
    for block in range(2):
        y = layers.LayerNormalization(name=f"norm{block}")(x)
        y = layers.MultiHeadAttention(2, 8, name=f"attention{block}")(y, y)
        x = layers.Add(name=f"block{block}")([x, y])
    x = layers.LayerNormalization(name="tokens")(x)
    return keras.Model(picture, x)


def nested():
    """Models in a Sequential, with a Normalization layer and a name of its own alphabet."""
    inner = keras.Sequential(
        [layers.Conv2D(8, 3, 2, activation="relu"), layers.Conv2D(WIDTH, 3, 2, padding="same")],
        name="inner",
    )
    means, variances = [0.485, 0.456, 0.406], [0.229**2, 0.224**2, 0.225**2]
    return keras.Sequential(
        [
            keras.Input((SIZE_PX, SIZE_PX, 3)),
            layers.Normalization(mean=means, variance=variances),
            inner,
            layers.LeakyReLU(),
            layers.GlobalMaxPooling2D(),
        ],
        name="outer",
    )


def normal(*shape, seed=1):
    return tf.random.stateless_normal(shape, (seed, len(shape))) * 0.3


class Module(tf.Module):
    """A network without Keras: a kernel, and a projection."""

    def __init__(self):
        super().__init__()
        self.kernel = tf.Variable(normal(3, 3, 3, 8), name="w")
        self.projection = tf.Variable(normal(8, WIDTH), name="w")
        self.places = tf.Variable(normal(400, 8), name="places")
        self.mean = tf.constant([0.5] * WIDTH)

    def maps(self, pictures):
        return tf.nn.relu(tf.nn.conv2d(pictures, self.kernel, 2, "SAME"))

    def vectors(self, pictures):
        pooled = tf.reduce_mean(self.maps(pictures), (1, 2))
        return tf.nn.relu(tf.matmul(pooled, self.projection) - self.mean)


class Traced(Module):
    """As those of TensorFlow Hub: it can be called, and has no signature."""

    @tf.function
    def __call__(self, inputs, training=False):
        vectors = self.vectors(inputs)
        return tf.nn.dropout(vectors, 0.5) if training else vectors


def save(folder, function, shape, data_type=tf.float32):
    """A Module whose signature is a function of it."""
    module = Module()
    spec = tf.TensorSpec(shape, data_type, name="pictures")
    called = tf.function(lambda pictures: function(module, pictures), input_signature=[spec])
    tf.saved_model.save(module, folder, signatures={"serving_default": called})


def tokens(module, pictures):
    """Patches with what a variable holds of their places."""
    patches = tf.reshape(module.maps(pictures), (-1, 256, 8))
    return patches + tf.gather(module.places, tf.range(256))


def normalised(module, pictures):
    """Each place by itself, as LayerNormalization of Keras 2 does: a channel of one image."""
    maps = module.maps(pictures)
    shape = tf.shape(maps)
    n_places = tf.reduce_prod(shape[:3])
    places = tf.reshape(maps, [1, n_places, shape[3], 1])
    ones, zeros = tf.ones([n_places]), tf.zeros([n_places])
    made, *_ = tf.compat.v1.nn.fused_batch_norm(
        places, ones, zeros, epsilon=1e-3, data_format="NCHW", is_training=True
    )
    return tf.reshape(made, shape) * 2.0 + 1.0


def looped(module, picture):
    """A network for one image, which a loop in Python goes through."""
    return tf.stack([module.vectors(picture[at : at + 1])[0] for at in range(1)])


def save_version_1(folder):
    """As TensorFlow 1 wrote them, and its Hub: variables of two kinds, signature ``default``."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        pictures = v1.placeholder(tf.float32, (None, None, None, 3), name="images")
        x = pictures * 2.0 - 1.0
        training = v1.placeholder_with_default(False, ())
        for name, shape, is_resource in (("a", (3, 3, 3, 8), False), ("b", (3, 3, 8, 8), True)):
            kernel = v1.get_variable(
                f"{name}/w", initializer=normal(*shape), use_resource=is_resource
            )
            x = tf.nn.relu6(tf.nn.conv2d(x, kernel, 2, "SAME"))
        del training
        features = tf.identity(tf.reduce_mean(x, (1, 2)), name="feature_vector")
        session.run(v1.global_variables_initializer())
        builder = v1.saved_model.builder.SavedModelBuilder(str(folder))
        signature = v1.saved_model.signature_def_utils.predict_signature_def(
            {"images": pictures}, {"default": features}
        )
        builder.add_meta_graph_and_variables(session, [], {"default": signature})
        builder.save()


def write(into):
    """Write all folders, and return what TensorFlow makes of pixels: by folder and case."""
    keras.utils.set_random_seed(1)
    models = {
        "cnn": cnn(),
        "classifier": cnn(None, scales=False, classes=10),
        "vit": vit(),
        "nested": nested(),
    }
    for model in models.values():
        for variable in model.non_trainable_variables:  # as if it had been trained
            variable.assign(np.abs(np.random.default_rng(2).normal(size=variable.shape)) + 0.1)
    for name, model in models.items():
        model.export(into / name, verbose=False)
    cnn(augments=True).export(into / "augmenting", verbose=False)
    cnn(resizes=True).export(into / "resizing", verbose=False)
    keras.config.set_dtype_policy("mixed_float16")
    models["half"] = cnn()
    models["half"].export(into / "half", verbose=False)
    keras.config.set_dtype_policy("float32")
    save(
        into / "bytes",
        lambda of, p: of.vectors(tf.cast(p, tf.float32)),
        (None, 32, 32, 3),
        tf.uint8,
    )
    save(into / "first", lambda of, p: of.vectors(tf.transpose(p, (0, 2, 3, 1))), (None, 3, 32, 32))
    save(into / "tokens", tokens, (None, SIZE_PX, SIZE_PX, 3))
    save(into / "normalised", normalised, (None, SIZE_PX, SIZE_PX, 3))
    save(into / "single", looped, (1, SIZE_PX, SIZE_PX, 3))
    save(
        into / "several",
        lambda of, p: {"low": of.maps(p), "high": of.vectors(p)},
        (None, 32, 32, 3),
    )
    save(into / "oblong", lambda of, p: of.vectors(p), (None, 32, 64, 3))
    save(
        into / "two vectors",
        lambda of, p: {"a": of.vectors(p), "b": tf.nn.relu(-of.vectors(p))},
        (None, 32, 32, 3),
    )
    traced = Traced()
    for training in (True, False):
        traced(tf.zeros((1, SIZE_PX, SIZE_PX, 3)), training=training)
        spec = tf.TensorSpec((None, SIZE_PX, SIZE_PX, 3), tf.float32)
        traced.__call__.get_concrete_function(spec, training=training)
    tf.saved_model.save(traced, into / "traced")
    save_version_1(into / "version 1")
    return expected(into, models)


def expected(into, models):
    """What the networks make of scaled pixels, by TensorFlow itself."""
    found = {}

    def signature(name, key=None, size_px=SIZE_PX, scale=1.0, offset=0.0):
        loaded = tf.saved_model.load(into / name)
        call = loaded.signatures.get("serving_default") or loaded.signatures["default"]
        spec = next(iter(call.structured_input_signature[1].values()))
        values = pixels(size_px).astype(np.float32) * scale + offset
        values = values.transpose(0, 3, 1, 2) if spec.shape[1] == 3 else values
        values = tf.cast(values, spec.dtype)
        parts = [values] if spec.shape[0] is None else tf.split(values, N_IMAGES)
        results = [call(part) for part in parts]
        key = key or next(iter(results[0]))
        return np.concatenate([result[key].numpy() for result in results]).astype(np.float32)

    def inner(name, layer, scale=1.0, offset=0.0):
        model = models[name]
        values = pixels().astype(np.float32) * scale + offset
        part = keras.Model(model.inputs, model.get_layer(layer).output)
        return np.asarray(part(values)).astype(np.float32)

    tf_scaled = {"scale": 1 / 127.5, "offset": -1.0}
    found["cnn"] = signature("cnn")
    found["cnn last"] = inner("cnn", "last").mean((1, 2))
    found["cnn stem bn"] = np.concatenate(
        [inner("cnn", name).mean((1, 2)) for name in ("stem", "bn")], 1
    )
    model = models["classifier"]
    pooled = keras.Model(model.inputs, model.get_layer("pool").output)
    found["classifier"] = np.asarray(pooled(pixels(40) / 127.5 - 1.0))
    found["vit cls"] = signature("vit", **tf_scaled)[:, 0]
    found["vit mean"] = signature("vit", **tf_scaled).mean(1)
    blocks = [inner("vit", f"block{block}", **tf_scaled)[:, 0] for block in range(2)]
    found["vit blocks"] = np.concatenate(blocks, 1)
    found["vit patches"] = inner("vit", "patches", **tf_scaled).mean((1, 2))
    found["nested"] = signature("nested", scale=1 / 255)
    found["half"] = signature("half")
    found["bytes"] = signature("bytes")
    for name in ("first", "single"):
        found[name] = signature(name, **tf_scaled)
    found["tokens"] = signature("tokens", **tf_scaled).mean(1)
    found["normalised"] = signature("normalised", **tf_scaled).mean((1, 2))
    found["several high"] = signature("several", "high", **tf_scaled)
    found["several low"] = signature("several", "low", **tf_scaled).mean((1, 2))
    found["version 1"] = signature("version 1", size_px=64, scale=1 / 255)
    loaded = tf.saved_model.load(into / "traced")
    found["traced"] = loaded(
        tf.constant(pixels().astype(np.float32) / 127.5 - 1.0), training=False
    ).numpy()
    return found


def main(into, cases):
    """Also write what the networks read here make of pixels, and their graphs."""
    results = {f"expected {name}": value for name, value in write(into).items()}
    for name, (folder, chosen) in cases.items():
        spec = ExtractorSpec.of(str(into / folder), **chosen)
        backbone, weights = saved_model_folder.open_file(into / folder, spec)
        engine = TensorFlowEngine(backbone, weights)
        images = pixels(backbone.input_size_px)
        results[f"made {name}"] = engine(images)
        (into / f"{name}.pb").write_bytes(engine.graph())
    np.savez(into / "results.npz", **results)
    write_operators.write(into / "operators.npz")


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
