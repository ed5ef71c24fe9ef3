"""The epochs of a run: train, validate, keep the best, write the checkpoint."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...classifier.dense_training import Epoch
from ...classifier.layers import softmax
from ...classifier.temperature import fit_temperature
from ...errors import BottlebankError, UsageError
from ...progress import Progress
from .checkpoint import Standing

if TYPE_CHECKING:
    from collections.abc import Callable

    from .checkpoint import Checkpoint
    from .frozen_rows import FrozenRows
    from .trainer import Trainer


class Settings(NamedTuple):
    """How a run trains."""

    unfreeze: int
    epochs: int
    learning_rate: float
    batch_size: int
    seed: int


class Start(NamedTuple):
    """The figures of the validation split before the first epoch; loss in nats."""

    validation_loss: float
    validation_accuracy: float


class Epochs(NamedTuple):
    """What a run did."""

    start: Start
    history: list[Epoch]
    n_resumed: int
    """Epochs that an earlier run had done."""
    seconds: list[float]
    """Of each epoch of this run."""

    @property
    def best(self) -> int:
        """The epoch with the lowest validation loss, counted from 1."""
        return 1 + min(range(len(self.history)), key=lambda n: self.history[n].validation_loss)


def run_epochs(
    trainer: Trainer,
    train: FrozenRows,
    held_out: FrozenRows,
    settings: Settings,
    checkpoint: Checkpoint,
    what: str,
    on_epoch: Callable[[int, Epoch], object],
    progress: bool | None,
) -> Epochs:
    """Train, from the checkpoint on if there is one; the trainer is left with the best weights.

    Raises
    ------
    UsageError
        When the checkpoint is of another run.
    BottlebankError
        When a loss is not finite, or the checkpoint cannot be written.
    """
    start = _validate(trainer, held_out, settings)
    best, history = trainer.weights(), []
    found = checkpoint.load(len(trainer.state()), len(best))
    if found is not None:
        history, best = found.history, found.best
        if len(history) > settings.epochs:
            raise UsageError(
                f"{checkpoint.path} is of a run that has done {len(history)} epochs; expected at "
                f"least as many, received {settings.epochs}"
            )
        trainer.set_state(found.state)
    n_resumed, seconds = len(history), []
    n_all = settings.epochs * len(train)
    with Progress(what, n_all, initial=n_resumed * len(train), show=progress) as bar:
        for number in range(n_resumed, settings.epochs):
            began = time.perf_counter()
            bar.note(f"epoch {number + 1} of {settings.epochs}")
            train_loss = _train(trainer, train, settings, number, bar)
            history.append(Epoch(train_loss, *_validate(trainer, held_out, settings)))
            seconds.append(time.perf_counter() - began)
            if Epochs(start, history, n_resumed, seconds).best == len(history):
                best = trainer.weights()
            checkpoint.save(Standing(history, trainer.state(), best))
            on_epoch(number + 1, history[-1])
    trainer.set_weights(best)
    return Epochs(start, history, n_resumed, seconds)


def _train(
    trainer: Trainer, rows: FrozenRows, settings: Settings, number: int, bar: Progress
) -> float:
    total = 0.0
    for batch in rows.batches(rows.shuffled(settings.seed, number), settings.batch_size):
        total += _finite(trainer.train(batch), settings) * len(batch.codes)
        bar.update(len(batch.codes))
    return total / len(rows)


def _validate(trainer: Trainer, rows: FrozenRows, settings: Settings) -> Start:
    """The loss is that of calibrated probabilities, as the head will give them.

    A network grows too sure of itself before it grows worse.
    """
    batches = rows.batches(np.arange(len(rows)), settings.batch_size)
    logits = np.concatenate([trainer.logits(batch) for batch in batches]).astype(np.float64)
    _finite(float(logits.sum()), settings)
    probabilities = softmax(logits / fit_temperature(logits, rows.codes, rows.weights))
    of_class = probabilities[np.arange(len(rows)), rows.codes]
    losses = -np.log(np.maximum(of_class, np.finfo(np.float64).tiny))
    right = logits.argmax(axis=1) == rows.codes
    return Start(float(np.average(losses, weights=rows.weights)), float(right.mean()))


def _finite(loss: float, settings: Settings) -> float:
    if not math.isfinite(loss):
        raise BottlebankError(
            f"training diverges: the loss is {loss}; expected a lower --learning-rate than "
            f"{settings.learning_rate:g}"
        )
    return loss
