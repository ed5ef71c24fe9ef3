"""Training the last blocks of a network together with its head, in TensorFlow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...classifier.dense_training import Adam
from ...classifier.layers import Layers
from ...native_stderr import silent_stderr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...features.backbones.tuning.tunable import UpperPart
    from .frozen_rows import Batch


class Trainer:
    """The end of a network and a head behind it.

    Batch normalisation and the standardisation of the head stay as they are.

    Parameters
    ----------
    upper
        The end of the network.
    layers
        The head with which training begins.
    learning_rate
        Of Adam, for all weights.
    """

    def __init__(self, upper: UpperPart, layers: Layers, learning_rate: float) -> None:
        import tensorflow as tf

        self._mean, self._scale = layers.mean, layers.scale
        with silent_stderr():
            self._kernels = [tf.Variable(tf.constant(kernel)) for kernel in layers.kernels]
            self._biases = [tf.Variable(tf.constant(bias)) for bias in layers.biases]
        trained = [
            *(variable.value for variable in upper.weights),
            *self._kernels,
            *self._biases,
        ]
        adam = Adam(trained, learning_rate)
        self.n_weights = sum(int(np.prod(variable.shape)) for variable in trained)
        """How many numbers are trained."""
        self._trained, self._state = trained, [*trained, *adam.state]
        width = int(np.prod(upper.shape))
        types = [
            tf.TensorSpec((None, width), tf.float32),
            tf.TensorSpec((None,), tf.int64),
            tf.TensorSpec((None,), tf.float32),
        ]

        def logits_of(maps: Any) -> Any:
            values = upper(tf.reshape(maps, (-1, *upper.shape)))
            values = (values - self._mean) / self._scale
            for kernel, bias in zip(self._kernels[:-1], self._biases[:-1], strict=True):
                values = tf.nn.relu(values @ kernel + bias)
            return values @ self._kernels[-1] + self._biases[-1]

        @tf.function(input_signature=types, autograph=False)
        def train(maps: Any, codes: Any, weights: Any) -> Any:
            with tf.GradientTape() as tape:
                losses = tf.nn.sparse_softmax_cross_entropy_with_logits(codes, logits_of(maps))
                loss = tf.reduce_mean(losses * weights)
            adam.apply(tape.gradient(loss, trained))
            return loss

        self._train = train
        self._logits = tf.function(logits_of, input_signature=types[:1], autograph=False)

    def train(self, batch: Batch) -> float:
        """Take one step; return the loss before it."""
        return float(self._train(*batch))

    def logits(self, batch: Batch) -> np.ndarray:
        """float32, (n, n_classes): what the network and the head make of maps."""
        return self._logits(batch.maps).numpy()

    def weights(self) -> np.ndarray:
        """What is trained, as it is now: float32, (n_weights,)."""
        return _joined(self._trained)

    def set_weights(self, weights: np.ndarray) -> None:
        """Go back to what `weights` gave."""
        _assign(self._trained, weights)

    def state(self) -> np.ndarray:
        """All that the next step depends on: float32, (m,)."""
        return _joined(self._state)

    def set_state(self, state: np.ndarray) -> None:
        """Go on where `state` was given."""
        _assign(self._state, state)

    def layers(self) -> Layers:
        """The head as it is now."""
        kernels = [kernel.numpy() for kernel in self._kernels]
        return Layers(self._mean, self._scale, kernels, [bias.numpy() for bias in self._biases])


def _joined(variables: Sequence[Any]) -> np.ndarray:
    return np.concatenate([variable.numpy().ravel() for variable in variables])


def _assign(variables: Sequence[Any], values: np.ndarray) -> None:
    sizes = [int(np.prod(variable.shape)) for variable in variables]
    parts = np.split(values, np.cumsum(sizes)[:-1])
    for variable, part in zip(variables, parts, strict=True):
        variable.assign(part.reshape(variable.shape))


def standardised_anew(layers: Layers, mean: np.ndarray, scale: np.ndarray) -> Layers:
    """Layers that make the same of features, which are standardised otherwise first."""
    first = layers.kernels[0].astype(np.float64)  # (d, outputs)
    shift = (mean.astype(np.float64) - layers.mean) / layers.scale
    kernel = first * (scale.astype(np.float64) / layers.scale)[:, None]
    bias = layers.biases[0] + shift @ first
    return Layers(
        mean,
        scale,
        [kernel.astype(np.float32), *layers.kernels[1:]],
        [bias.astype(np.float32), *layers.biases[1:]],
    )
