"""The dense head: a small neural network on standardised transfer values."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state

from ..silence import silent_stderr
from .estimator import LayeredHead
from .layers import Layers, standardisation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Epoch(NamedTuple):
    """Figures of one pass over the training rows; cross-entropies in nats."""

    train_loss: float
    validation_loss: float
    validation_accuracy: float


class DenseHead(LayeredHead):
    """Dense layers with batch normalisation, ReLU and dropout, and a softmax; trained by Adam.

    Training stops when the loss on held-out rows has not fallen for `patience` epochs, and the
    weights of the best epoch are kept. Batch normalisation (Ioffe & Szegedy, 2015) is folded
    into the layers afterwards, so that predicting is a few matrix products in NumPy.

    Parameters
    ----------
    hidden
        Units of each hidden layer.
    batch_norm
        Normalise each hidden layer before its ReLU.
    dropout
        Share of hidden units that are dropped in training, 0 to below 1.
    learning_rate
        Of Adam (Kingma & Ba, 2015).
    batch_size
        Rows a step; all of them where there are fewer.
    max_epochs, patience
        Longest training, and how long it goes on without improvement.
    validation_fraction
        Share of the rows held out for stopping where `fit` is given none.
    random_state
        Seed of initial weights, dropout, shuffling and the held-out rows.

    Attributes
    ----------
    classes_ : ndarray, (n_classes,)
    history_ : list of Epoch
    best_epoch_ : int
        Counted from 1.
    layers_ : Layers
        What predicts.
    n_features_in_ : int
    """

    kind = "dense"

    def __init__(
        self,
        hidden: Sequence[int] = (256,),
        batch_norm: bool = True,
        dropout: float = 0.5,
        learning_rate: float = 1e-3,
        batch_size: int = 64,
        max_epochs: int = 100,
        patience: int = 8,
        validation_fraction: float = 0.15,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.hidden = hidden
        self.batch_norm = batch_norm
        self.dropout = dropout
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.random_state = random_state

    def fit(
        self,
        X: Any,
        y: Any,
        validation: tuple[Any, Any] | None = None,
        on_epoch: Callable[[Epoch], object] = lambda epoch: None,
    ) -> DenseHead:
        """Train.

        Parameters
        ----------
        X
            float, (n, d): transfer values.
        y
            (n,): labels of at least two classes.
        validation
            Rows and labels that decide when to stop; rows of classes that `y` has not are left
            out. Without them a share of `X` is held out.
        on_epoch
            Called after every epoch.
        """
        X, codes = self._check_training_rows(X, y)
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}; expected at least 0 and below 1")
        random = check_random_state(self.random_state)
        mean, scale = standardisation(X)
        rows = (X - mean) / scale
        if validation is None:
            rows, held_out, codes, held_out_codes = self._hold_out(rows, codes, random)
        else:
            held_out, held_out_codes = self._known(*validation)
            held_out = (held_out - mean) / scale
        with silent_stderr():
            trained = _Training(self, rows, codes, held_out, held_out_codes, random)
        self.history_ = trained.run(on_epoch)
        self.best_epoch_ = 1 + int(np.argmin([epoch.validation_loss for epoch in self.history_]))
        kernels, biases = trained.folded_layers()
        self.layers_ = Layers(mean, scale, kernels, biases)
        return self

    def _hold_out(self, rows: np.ndarray, codes: np.ndarray, random: Any) -> Any:
        n_held_out = math.ceil(self.validation_fraction * len(rows))
        n_classes = len(self.classes_)
        counts = np.bincount(codes)
        if counts.min() < 2 or n_held_out < n_classes or len(rows) - n_held_out < n_classes:
            return rows, rows, codes, codes  # too few to hold any out: stop on the training loss
        return train_test_split(
            rows, codes, test_size=n_held_out, stratify=codes, random_state=random
        )

    def _known(self, X: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        X, y = np.asarray(X, np.float32), np.asarray(y)
        known = np.isin(y, self.classes_)
        if not known.any():
            raise ValueError("no validation row has a class that is trained")
        return X[known], np.searchsorted(self.classes_, y[known])


class _Training:
    """One training run, in TensorFlow."""

    def __init__(
        self,
        head: DenseHead,
        rows: np.ndarray,
        codes: np.ndarray,
        held_out: np.ndarray,
        held_out_codes: np.ndarray,
        random: Any,
    ) -> None:
        import keras
        import tensorflow as tf

        initializers: Any = keras.initializers

        self._head, self._random = head, random
        self._n_rows = len(rows)
        batch_size = min(head.batch_size, len(rows))
        n_batches = len(rows) // batch_size  # what is left over changes with every shuffle

        def seed() -> int:
            return int(random.randint(2**31 - 1))

        layers: list[Any] = [keras.layers.Input((rows.shape[1],))]
        for units in head.hidden:
            layers.append(
                keras.layers.Dense(
                    units,
                    use_bias=not head.batch_norm,
                    kernel_initializer=initializers.HeNormal(seed=seed()),
                )
            )
            if head.batch_norm:
                # Few steps make an epoch of a small dataset: the running moments must follow.
                layers.append(keras.layers.BatchNormalization(momentum=0.9))
            layers.append(keras.layers.ReLU())
            if head.dropout:
                layers.append(keras.layers.Dropout(head.dropout, seed=seed()))
        initial = initializers.GlorotUniform(seed=seed())
        layers.append(keras.layers.Dense(len(head.classes_), kernel_initializer=initial))
        self._model = model = keras.Sequential(layers)
        optimizer = keras.optimizers.Adam(head.learning_rate)
        optimizer.build(model.trainable_variables)

        train_x, train_y = tf.constant(rows), tf.constant(codes)
        held_out_x, held_out_y = tf.constant(held_out), tf.constant(held_out_codes)

        def cross_entropy(labels: Any, logits: Any) -> Any:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            return tf.reduce_mean(losses)

        # The loop over batches is in the graph: one call an epoch instead of one a step.
        @tf.function(input_signature=[tf.TensorSpec((len(rows),), tf.int64)])
        def train_epoch(order: Any) -> Any:
            total = tf.constant(0.0)
            for step in tf.range(n_batches):
                batch = order[step * batch_size : (step + 1) * batch_size]
                with tf.GradientTape() as tape:
                    logits = model(tf.gather(train_x, batch), training=True)
                    loss = cross_entropy(tf.gather(train_y, batch), logits)
                gradients = tape.gradient(loss, model.trainable_variables)
                optimizer.apply(gradients, model.trainable_variables)
                total += loss
            return total / n_batches

        @tf.function
        def validate() -> tuple[Any, Any]:
            logits = model(held_out_x, training=False)
            right = tf.equal(tf.argmax(logits, axis=1), tf.cast(held_out_y, tf.int64))
            return cross_entropy(held_out_y, logits), tf.reduce_mean(tf.cast(right, tf.float32))

        self._train_epoch, self._validate = train_epoch, validate

    def run(self, on_epoch: Callable[[Epoch], object]) -> list[Epoch]:
        """Train until the validation loss stops falling; the best weights are kept."""
        import tensorflow as tf

        history: list[Epoch] = []
        best_loss, best_weights, best_epoch = math.inf, self._model.get_weights(), 0
        for number in range(self._head.max_epochs):
            order = tf.constant(self._random.permutation(self._n_rows), tf.int64)
            train_loss = float(self._train_epoch(order))
            loss, accuracy = (float(figure) for figure in self._validate())
            history.append(Epoch(train_loss, loss, accuracy))
            on_epoch(history[-1])
            if loss < best_loss:
                best_loss, best_weights, best_epoch = loss, self._model.get_weights(), number
            elif number - best_epoch >= self._head.patience:
                break
        self._model.set_weights(best_weights)
        return history

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
        return kernels, biases
