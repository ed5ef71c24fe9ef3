"""The baseline: three convolutions on pixels, without any weights of others."""

from __future__ import annotations

import contextlib
import math
import tempfile
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import ImageRejectedError
from ..extraction.prefetch import prefetch, threads
from ..features.images.decoder import MAX_PIXELS, Limits, read
from ..features.images.decoder_pool import DecoderPool
from ..features.images.decoding_shares import Allowed, shares_of
from ..features.images.fit import Preprocessing
from ..fork_safety import claim
from ..native_stderr import silent_stderr
from .known import MAX_EPOCHS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..datasets.splits import Split
    from ..extraction.feature_table import FeatureTable

SIDE_PX = 64
FILTERS = (16, 32, 64)
"""Of each convolution of 3 × 3, with ReLU and the maximum over 2 × 2 behind it."""
LEARNING_RATE = 1e-3
BATCH_SIZE = 32
LEAST_BATCH_SIZE, STEPS = 4, 30
"""Few images are trained on in smaller batches, so that an epoch has about so many steps."""
LEAST_EPOCHS, PATIENCE = 15, 5
"""The first epochs of a network that starts from nothing say little about those after them."""


class Baseline(NamedTuple):
    """What it answers for the rows of a table that it was evaluated on."""

    classes: np.ndarray
    """str, (k,): those that it was trained on."""
    probabilities: np.ndarray
    """float, (n, k)."""
    best_epoch: int
    """Counted from 1."""


def train_baseline(
    table: FeatureTable,
    split: Split,
    evaluated: np.ndarray,
    *,
    seed: int = 0,
    max_epochs: int = MAX_EPOCHS,
    max_pixels: int = MAX_PIXELS,
    allowed: Allowed = Allowed(),  # noqa: B008 (immutable)
    on_epoch: Callable[[int], object] = lambda number: None,
) -> Baseline:
    """Train it on the train split, and predict some rows.

    Parameters
    ----------
    table
        Whose images, labels and weights they are; its transfer values are not looked at.
    split
        The validation split decides which epoch is kept, or the train split where that is empty.
    evaluated
        int, (n,): rows to predict.
    seed
        Of initial weights and order.
    max_epochs
        Training ends earlier when the validation loss has not fallen for `PATIENCE` epochs, but not
        before `LEAST_EPOCHS`.
    max_pixels
        Of the largest picture that is decoded.
    allowed
        What decoding may take.
    on_epoch
        Called before each epoch, with its number from 1.

    Raises
    ------
    ImageRejectedError
        When an image cannot be read any more.
    """
    train, validation = split.rows("train"), split.rows("validation")
    classes = np.unique(table.labels[train])
    validation = validation[np.isin(table.labels[validation], classes)]
    validation = validation if len(validation) else train
    weights = np.ones(len(table)) if table.weights is None else np.asarray(table.weights)
    with _decoding(table, max_pixels, allowed) as pixels_of:
        images, held_out, asked = map(pixels_of, (train, validation, evaluated))
    targets = np.searchsorted(classes, table.labels[train])
    held_out_targets = np.searchsorted(classes, table.labels[validation])

    batch_size = min(max(LEAST_BATCH_SIZE, len(train) // STEPS), BATCH_SIZE)
    claim("TensorFlow")
    random = np.random.default_rng(seed)
    with silent_stderr():
        model = _network(len(classes), random)

        def loss(pixels: np.ndarray, codes: np.ndarray, weights: np.ndarray) -> float:
            own = _probabilities(model, pixels)[np.arange(len(codes)), codes]
            return float(np.average(-np.log(np.maximum(own, 1e-12)), weights=weights))

        best_loss, best_epoch, best_weights = math.inf, 0, model.get_weights()
        for number in range(1, max_epochs + 1):
            on_epoch(number)
            order = random.permutation(len(train))
            for start in range(0, len(order), batch_size):
                some = order[start : start + batch_size]
                own = weights[train[some]].astype(np.float32)
                model.train_on_batch(_scaled(images[some]), targets[some], sample_weight=own)
            now = loss(held_out, held_out_targets, weights[validation])
            if now < best_loss:
                best_loss, best_epoch, best_weights = now, number, model.get_weights()
            elif number - best_epoch >= PATIENCE and number >= LEAST_EPOCHS:
                break
        model.set_weights(best_weights)
        return Baseline(classes, _probabilities(model, asked), best_epoch)


@contextlib.contextmanager
def _decoding(
    table: FeatureTable, max_pixels: int, allowed: Allowed
) -> Iterator[Callable[[np.ndarray], np.ndarray]]:
    """What makes of rows their pixels: uint8, (n, SIDE_PX, SIDE_PX, 3), RGB, in a file.

    Pictures are decoded in processes of their own, which may take as much as in extraction.
    """
    preprocessing = Preprocessing((SIDE_PX, SIDE_PX), "squash", table.recipe.grey16)
    shares = shares_of(allowed, 0)
    with (
        DecoderPool(
            preprocessing,
            shares.n_workers,
            limits=Limits(pixels=max_pixels),
            memory_bytes=shares.worker_bytes,
            large_bytes=shares.large_bytes,
        ) as decoders,
        threads(shares.n_workers) as pool,
    ):

        def decoded(row: int) -> np.ndarray:
            data, _ = read(table.paths[row], shares.largest_file_bytes)
            found = decoders.decode([data])
            if found.reasons[0]:
                raise ImageRejectedError(f"{table.paths[row]}: {found.reasons[0]}")
            return found.pixels

        def pixels(rows: np.ndarray) -> np.ndarray:
            shape = (len(rows), SIDE_PX, SIDE_PX, 3)
            with tempfile.TemporaryFile(prefix="bottlebank-") as file:
                for image in prefetch(pool, decoded, rows.tolist(), 2 * shares.n_workers):
                    file.write(image.tobytes())
                file.flush()
                return np.memmap(file, np.uint8, "r", shape=shape)

        yield pixels


def _scaled(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.float32) / 127.5 - 1


def _network(n_classes: int, random: np.random.Generator) -> Any:
    import keras

    def initial() -> Any:
        return keras.initializers.GlorotUniform(seed=int(random.integers(2**31)))

    layers: list[Any] = [keras.layers.Input((SIDE_PX, SIDE_PX, 3), dtype="float32")]
    convolution = partial(keras.layers.Conv2D, padding="same", activation="relu", dtype="float32")
    for n_filters in FILTERS:
        layers.append(convolution(n_filters, 3, kernel_initializer=initial()))
        layers.append(keras.layers.MaxPooling2D(dtype="float32"))
    layers.append(keras.layers.GlobalAveragePooling2D(dtype="float32"))
    layers.append(
        keras.layers.Dense(
            n_classes, activation="softmax", kernel_initializer=initial(), dtype="float32"
        )
    )
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.Adam(LEARNING_RATE), "sparse_categorical_crossentropy")
    return model


def _probabilities(model: Any, pixels: np.ndarray) -> np.ndarray:
    """float32, (n, k)."""
    parts = [
        np.asarray(model.predict_on_batch(_scaled(pixels[start : start + 256])))
        for start in range(0, len(pixels), 256)
    ]
    return np.concatenate(parts)
