"""The reference engine: builds networks with Keras, freezes them, and runs them in TensorFlow."""

from __future__ import annotations

import contextlib
import functools
import importlib
from typing import TYPE_CHECKING, Any

from ...errors import EngineError
from ...fork_safety import claim
from ...native_stderr import silent_stderr
from ..backbones.random_network import draw_weights
from ..backbones.registry import RANDOM

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from ..backbones.registry import Backbone
    from ..backbones.weights import Weights


with silent_stderr():
    import keras
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,  # pyright: ignore[reportMissingImports]
    )


class TensorFlowEngine:
    """A network frozen into one graph of constants, with the pixel scaling inside."""

    name = "tensorflow"
    n_calls = 2  # one computes while the pixels of the other are copied

    def __init__(self, backbone: Backbone, weights: Weights, precision: str = "float32") -> None:
        """Build the network, load its weights and freeze it.

        In bfloat16, as in Keras's mixed precision, weights and sums stay float32.

        Raises
        ------
        EngineError
            When the weights file does not fit the architecture.
        """
        claim("TensorFlow")
        self.precision = precision
        self.batch_size = 128 if self.has_gpu() else 32
        self.batch_sizes: Sequence[int] = range(1, self.batch_size + 1)
        with silent_stderr():
            self._function = _freeze(backbone, weights, precision)

    @staticmethod
    def has_gpu() -> bool:
        """Whether TensorFlow computes on a GPU."""
        return bool(tf.config.list_physical_devices("GPU"))

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """See `Engine`."""
        return self._function(tf.constant(images))[0].numpy()

    def graph(self) -> bytes:
        """The frozen graph as a serialised GraphDef; its input is uint8 (n, height, width, 3)."""
        return self._function.graph.as_graph_def().SerializeToString()


def _share_gpus() -> None:
    """Take a GPU's memory as it is needed, instead of all of it at once."""
    for gpu in tf.config.list_physical_devices("GPU"):
        with contextlib.suppress(RuntimeError):  # in use already: as whoever began it wanted
            tf.config.experimental.set_memory_growth(gpu, True)


def _freeze(backbone: Backbone, weights: Weights, precision: str) -> Any:
    _share_gpus()
    if backbone.name == RANDOM:
        network = functools.partial(_random_network, dtype=tf.as_dtype(precision))
    else:
        network = _keras_network(backbone, weights, precision)
    scaling = backbone.scaling
    size_px = backbone.input_size_px

    @tf.function(
        input_signature=[tf.TensorSpec((None, size_px, size_px, 3), tf.uint8)], autograph=False
    )
    def transfer_values(pixels: Any) -> Any:
        values = tf.cast(pixels, tf.float32)
        if scaling.channels == "BGR":
            values = tf.reverse(values, axis=[-1])
        values = values * tf.constant(scaling.scale) + tf.constant(scaling.offset)
        return tf.cast(network(values), tf.float32)

    function: Any = transfer_values
    return convert_variables_to_constants_v2(function.get_concrete_function())


def _keras_network(backbone: Backbone, weights: Weights, precision: str) -> Any:
    module, _, constructor = backbone.constructor.partition(":")
    build = getattr(importlib.import_module(module), constructor)
    size_px = backbone.input_size_px
    usual = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32" if precision == "float32" else f"mixed_{precision}")
    try:
        model = build(
            weights=str(weights.path),
            include_top=False,
            input_shape=(size_px, size_px, 3),
            pooling="avg",
        )
    except (ValueError, OSError, KeyError, TypeError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise EngineError(
            f"{weights.path} does not hold weights without top of {backbone.name}: {reason}"
        ) from error
    finally:
        keras.config.set_dtype_policy(usual)
    return lambda values: model(values, training=False)


def _random_network(values: Any, dtype: Any) -> Any:
    values = tf.cast(values, dtype)
    for layer in draw_weights():
        values = tf.nn.conv2d(values, tf.cast(layer.kernel, dtype), strides=2, padding="SAME")
        values = tf.nn.relu(values + tf.cast(layer.bias, dtype))
    pooled = tf.nn.avg_pool2d(values, ksize=4, strides=4, padding="VALID")  # (n, 4, 4, 32)
    return tf.reshape(pooled, (-1, 4 * 4 * 32))
