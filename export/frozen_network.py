"""A network and a head as one function of TensorFlow, from pixels to probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tensorflow as tf

from ..features.engines.tensorflow import GraphEngine, TensorFlowEngine
from .job import GRAPH_FILE, PIXELS, PROBABILITIES

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..classifier.layers import Layers
    from .job import Job


def function_of(job: Job, prepare: Callable[[Any], Any] | None = None) -> Any:
    """A function with one signature, for any number of images where the network takes that.

    Parameters
    ----------
    job
        What is exported.
    prepare
        Makes pictures of the network's size, uint8, of pictures of any size; None: they have it.
    """
    file = job.folder / GRAPH_FILE
    if file.exists():
        engine = GraphEngine(file.read_bytes())
    else:
        assert job.weights is not None
        engine = TensorFlowEngine(job.backbone, job.weights)
    _, network = engine.frozen()
    n_images, *sides, n_channels = network.inputs[0].shape
    if prepare is not None:
        sides = [None, None]
    spec = tf.TensorSpec((n_images, *sides, n_channels), tf.uint8, name=PIXELS)

    def probabilities(pixels: Any) -> Any:
        fitted = pixels if prepare is None else prepare(pixels)
        (features,) = network(fitted)
        return {PROBABILITIES: tf.identity(_classified(features, job.layers), PROBABILITIES)}

    return tf.function(probabilities, input_signature=[spec], autograph=False)


def _classified(features: Any, layers: Layers) -> Any:
    """The probabilities of features (n, d)."""
    values = (features - layers.mean) / layers.scale
    *hidden, (kernel, bias) = zip(layers.kernels, layers.biases, strict=True)
    for each, its_bias in hidden:
        values = tf.nn.relu(tf.matmul(values, each) + its_bias)
    return tf.nn.softmax(tf.matmul(values, kernel) + bias)
