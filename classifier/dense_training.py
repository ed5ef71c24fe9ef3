"""Training a small network in TensorFlow: batches, Adam, early stopping, and what is left of it."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..fork_safety import claim

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ..rows_on_disk import Rows as AnyRows

_NUMBERS_AT_ONCE = 2**21
"""Transfer values that are handed to TensorFlow together: 8 MiB of float32, held a few times."""
_BATCH_SIZE = 32
"""Rows per step of a small dataset."""
_WORK_FOR_BFLOAT16 = 10**10
"""Rows times weights, per epoch, from which `precision="auto"` takes bfloat16."""


class NetworkSettings(NamedTuple):
    """The parameters of `DenseHead` that shape and train its network, checked."""

    hidden: tuple[int, ...]
    batch_norm: bool
    dropout: float
    output: str
    learning_rate: float
    batch_size: int | str
    precision: str
    max_epochs: int
    patience: int


class Epoch(NamedTuple):
    """Figures of one pass over the training rows; cross-entropies in nats."""

    train_loss: float
    validation_loss: float
    validation_accuracy: float


@dataclass(frozen=True)
class Rows:
    """Some rows of an array, which are standardised when they are taken."""

    features: AnyRows
    """float32, (m, d); in memory or on disk."""
    codes: np.ndarray
    """int, (m,)."""
    weights: np.ndarray
    """float32, (m,): what the loss of each is multiplied by."""
    chosen: np.ndarray
    """int, (n,): positions among the m."""
    mean: np.ndarray
    scale: np.ndarray

    def __len__(self) -> int:
        return len(self.chosen)

    def blocks(self, order: np.ndarray, n_together: int) -> Iterator[tuple[np.ndarray, ...]]:
        """Standardised rows in this order, their codes and weights, `n_together` at a time."""
        for start in range(0, len(order), n_together):
            positions = self.chosen[order[start : start + n_together]]
            rows = self.features[positions]  # (n_together, d)
            rows -= self.mean
            rows /= self.scale
            yield rows, self.codes[positions], self.weights[positions]


class Training:
    """One training run, in TensorFlow."""

    def __init__(
        self,
        settings: NetworkSettings,
        train: Rows,
        held_out: Rows,
        n_classes: int,
        random: Any,
    ) -> None:
        claim("TensorFlow")
        import tensorflow as tf

        self._settings, self._train, self._held_out = settings, train, held_out
        self._random = random
        n_features = train.features.shape[1]
        self._batch_size = batch_size = _batch_size(settings.batch_size, len(train))
        # One call of the graph takes several batches: all of them where the rows are few.
        self._n_together = batch_size * max(1, _NUMBERS_AT_ONCE // (batch_size * n_features))
        self._model = model = self._build(n_features, n_classes)
        trained = [variable.value for variable in model.trainable_variables]
        adam = Adam(trained, settings.learning_rate * math.sqrt(batch_size / 64))
        types = [
            tf.TensorSpec((None, n_features), tf.float32),
            tf.TensorSpec((None,), tf.int64),
            tf.TensorSpec((None,), tf.float32),
        ]

        def logits_of(rows: Any, training: bool) -> Any:
            outputs = model(rows, training=training)
            # One sigmoid is a softmax whose first logit is 0.
            return tf.pad(outputs, [[0, 0], [1, 0]]) if settings.output == "sigmoid" else outputs

        def losses(codes: Any, weights: Any, logits: Any) -> Any:
            return weights * tf.nn.sparse_softmax_cross_entropy_with_logits(codes, logits)

        # AutoGraph would take as long to convert these functions as many epochs of a small dataset.
        @tf.function(input_signature=types, autograph=False)
        def train_batches(rows: Any, codes: Any, weights: Any) -> Any:
            def train_batch(start: Any, total: Any) -> tuple[Any, Any]:
                batch = slice(start, start + batch_size)
                with tf.GradientTape() as tape:
                    logits = logits_of(rows[batch], training=True)
                    loss = tf.reduce_mean(losses(codes[batch], weights[batch], logits))
                adam.apply(tape.gradient(loss, trained))
                return start + batch_size, total + loss

            n_rows = tf.shape(rows)[0]
            return tf.while_loop(lambda start, _: start < n_rows, train_batch, (0, 0.0))[1]

        @tf.function(input_signature=types, autograph=False)
        def validate(rows: Any, codes: Any, weights: Any) -> tuple[Any, Any, Any]:
            logits = logits_of(rows, training=False)
            right = tf.cast(tf.equal(tf.argmax(logits, axis=1), codes), tf.float32)
            return (
                tf.reduce_sum(losses(codes, weights, logits)),
                tf.reduce_sum(weights),
                tf.reduce_sum(right),
            )

        self._train_batches, self._validate_batches = train_batches, validate

    def _build(self, n_features: int, n_classes: int) -> Any:
        """The untrained network; each layer has its type, whatever the global one is."""
        import keras

        settings = self._settings
        initializers: Any = keras.initializers

        def seed() -> int:
            return int(self._random.randint(2**31 - 1))

        n_outputs = 1 if settings.output == "sigmoid" else n_classes
        widths = [n_features, *settings.hidden, n_outputs]
        n_weights = sum(before * after for before, after in itertools.pairwise(widths))
        hidden_type = _hidden_type(settings.precision, len(self._train) * n_weights)
        layers: list[Any] = [keras.layers.Input((n_features,), dtype="float32")]
        for units in settings.hidden:
            layers.append(
                keras.layers.Dense(
                    units,
                    use_bias=not settings.batch_norm,
                    kernel_initializer=initializers.HeNormal(seed=seed()),
                    dtype=hidden_type,
                )
            )
            if settings.batch_norm:
                # Few steps make an epoch of a small dataset: the running moments must follow.
                layers.append(keras.layers.BatchNormalization(momentum=0.9, dtype="float32"))
            layers.append(keras.layers.ReLU(dtype="float32"))
            if settings.dropout:
                dropout = keras.layers.Dropout(settings.dropout, seed=seed(), dtype="float32")
                layers.append(dropout)
        initial = initializers.GlorotUniform(seed=seed())
        layers.append(keras.layers.Dense(n_outputs, kernel_initializer=initial, dtype="float32"))
        return keras.Sequential(layers)

    def run(self, on_epoch: Callable[[Epoch], object]) -> list[Epoch]:
        """Train until the validation loss stops falling; the best weights are kept."""
        history: list[Epoch] = []
        best_loss, best_weights, best_epoch = math.inf, self._model.get_weights(), 0
        for number in range(self._settings.max_epochs):
            train_loss = self._train_epoch()
            loss, accuracy = self._validate()
            history.append(Epoch(train_loss, loss, accuracy))
            on_epoch(history[-1])
            if loss < best_loss:
                best_loss, best_weights, best_epoch = loss, self._model.get_weights(), number
            elif number - best_epoch >= self._settings.patience:
                break
        self._model.set_weights(best_weights)
        return history

    def _train_epoch(self) -> float:
        n_batches = len(self._train) // self._batch_size
        # What is left over changes with every shuffle.
        order = self._random.permutation(len(self._train))[: n_batches * self._batch_size]
        blocks = self._train.blocks(order, self._n_together)
        return sum(float(self._train_batches(*block)) for block in blocks) / n_batches

    def _validate(self) -> tuple[float, float]:
        order = np.arange(len(self._held_out))
        blocks = self._held_out.blocks(order, self._n_together)
        figures = [[float(figure) for figure in self._validate_batches(*block)] for block in blocks]
        loss, weight, right = np.sum(figures, axis=0).tolist()
        return loss / weight, right / len(order)

    def folded_layers(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Kernels and biases, with each batch normalisation folded into the layer before it."""
        kernels: list[np.ndarray] = []
        biases: list[np.ndarray] = []
        for layer in self._model.layers:
            kind = type(layer).__name__
            if kind == "Dense":
                kernel = layer.kernel.numpy()
                kernels.append(kernel)
                biases.append(
                    layer.bias.numpy() if layer.use_bias else np.zeros(kernel.shape[1], "f4")
                )
            elif kind == "BatchNormalization":
                gamma, beta, mean, variance = (
                    weight.astype("f8") for weight in layer.get_weights()
                )
                factor = gamma / np.sqrt(variance + layer.epsilon)
                kernels[-1] = (kernels[-1] * factor).astype(np.float32)
                biases[-1] = ((biases[-1] - mean) * factor + beta).astype(np.float32)
        if self._settings.output == "sigmoid":
            kernels[-1] = np.hstack([np.zeros_like(kernels[-1]), kernels[-1]])
            biases[-1] = np.append(np.float32(0), biases[-1])
        return kernels, biases


class Adam:
    """Adam in TensorFlow's fused update; Keras's passes ten times over the weights."""

    def __init__(self, variables: Sequence[Any], learning_rate: float) -> None:
        import tensorflow as tf

        def zeros() -> list[Any]:
            return [tf.Variable(tf.zeros_like(variable)) for variable in variables]

        self._learning_rate = learning_rate
        self._weights, self._first, self._second = variables, zeros(), zeros()
        self._step = tf.Variable(tf.constant(0.0))
        self.state = [self._step, *self._first, *self._second]
        """Variables: with them and the weights, training goes on as it was."""

    def apply(self, gradients: Sequence[Any]) -> None:
        """Take one step."""
        import tensorflow as tf

        step = self._step.assign_add(1.0)
        for weight, first, second, gradient in zip(
            self._weights, self._first, self._second, gradients, strict=True
        ):
            tf.raw_ops.ResourceApplyAdam(
                var=weight.handle,
                m=first.handle,
                v=second.handle,
                beta1_power=0.9**step,
                beta2_power=0.999**step,
                lr=self._learning_rate,
                beta1=0.9,
                beta2=0.999,
                epsilon=1e-7,
                grad=gradient,
            )


def _batch_size(requested: int | str, n_rows: int) -> int:
    if requested == "auto":
        requested = min(max(_BATCH_SIZE, 2 ** round(math.log2(n_rows / 12))), 1024)
    return min(int(requested), n_rows)


def _hidden_type(precision: str, work: int) -> str:
    """The Keras type of hidden layers; `work` is rows times weights."""
    if precision == "auto":
        worth_it = work >= _WORK_FOR_BFLOAT16 and _cpu_computes_in_bfloat16()
        precision = "bfloat16" if worth_it else "float32"
    return "mixed_bfloat16" if precision == "bfloat16" else "float32"


def _cpu_computes_in_bfloat16() -> bool:
    """Whether the CPU has matrix units for bfloat16 (AMX); known on Linux alone.

    With the vector instructions for it (AVX512_BF16), training is slower than in float32.
    """
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.exists() and "amx_bf16" in cpuinfo.read_text().split()
