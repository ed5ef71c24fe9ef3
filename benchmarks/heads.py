"""Training the heads against scikit-learn and Keras, in the same process and the same minute.

    python benchmarks/heads.py                  78,619 x 2048 float32; needs about 4 GB of memory
    python benchmarks/heads.py --rows 5000      a quick look

The rows are made up: two overlapping classes in 64 hidden factors, spread over columns that are
mostly zero and never negative, as transfer values are. 5,000 more decide when to stop, and 10,000
more are for the accuracies; with so many, accuracies that differ by less than 0.004 are the same.

Each round does every job once, ours and its peer one after the other, and the next round in the
opposite order. Medians, and the lowest and highest of the rounds; the ratio is the peer's time
over ours, taken within each round: 2 is twice as fast as the peer.

Logistic: one fit from raw rows to a head. `LogisticHead` with one strength, against scikit-learn's
`make_pipeline(StandardScaler(), LogisticRegression(C=...))` with the same. After the rounds, one
`LogisticHead()` that chooses its strength by cross-validation.

Dense: seconds an epoch, validation included, without the first one, in which both build their
graph. `DenseHead` with 1,024 hidden units in float32 and in bfloat16, against what a Keras user
writes: `Sequential([Dense(1024), BatchNormalization(), ReLU(), Dropout(0.5), Dense(2, softmax)])`,
compiled with Adam, `fit(batch_size=64)`, stopping early. All train for as many epochs and keep
the best by the loss on the validation rows.
"""

from __future__ import annotations

import argparse
import itertools
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import sklearn
from machine import machine, memory_and_system
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bottlebank.classifier import DenseHead, LogisticHead
from bottlebank.formatting import counted
from bottlebank.native_stderr import silent_stderr

STRENGTH = 1e-3
HIDDEN = 1024
N_VALIDATION, N_TEST = 5_000, 10_000


class Part(NamedTuple):
    rows: np.ndarray  # float32, (n, d)
    codes: np.ndarray  # int, (n,)


def main() -> None:
    parser = argparse.ArgumentParser(description="The heads against scikit-learn and Keras.")
    parser.add_argument("--rows", type=int, default=78_619)
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2, help="of each network, at least 2")
    arguments = parser.parse_args()
    with silent_stderr():
        import keras
        import tensorflow as tf
    print(f"{machine()}; {memory_and_system()}")
    print(f"Python {platform.python_version()}, NumPy {np.__version__}", end=", ")
    print(f"scikit-learn {sklearn.__version__}, TensorFlow {tf.__version__}", end=", ")
    print(f"Keras {keras.__version__}")
    everything = made_up(arguments.rows + N_VALIDATION + N_TEST, arguments.width)
    ends = np.cumsum([0, arguments.rows, N_VALIDATION, N_TEST])
    train, validation, test = (
        Part(everything.rows[start:end], everything.codes[start:end])
        for start, end in itertools.pairwise(ends)
    )
    print(
        f"{arguments.rows:,} x {arguments.width:,} float32; {counted(arguments.rounds, 'round')}\n"
    )
    compare_logistic(train, test, arguments.rounds)
    compare_dense(train, validation, test, arguments.rounds, arguments.epochs)


def made_up(n_rows: int, width: int) -> Part:
    """Rows like transfer values, and their class, 0 or 1."""
    random = np.random.default_rng(0)
    n_factors = 64
    direction = random.standard_normal(n_factors)
    direction *= 1.7 / np.linalg.norm(direction)  # two of these apart: 0.955 can be told apart
    mixing = random.standard_normal((n_factors, width), dtype=np.float32) / 8
    threshold = random.uniform(-0.3, 1.5, width).astype(np.float32)
    scale = random.lognormal(-1.5, 0.5, width).astype(np.float32)
    codes = random.integers(0, 2, n_rows)
    rows = np.empty((n_rows, width), np.float32)
    for start in range(0, n_rows, 4096):
        part = slice(start, start + 4096)
        n = len(codes[part])
        factors = random.standard_normal((n, n_factors)) + np.outer(2 * codes[part] - 1, direction)
        values = factors.astype(np.float32) @ mixing  # (n, width)
        values += 0.5 * random.standard_normal((n, width), dtype=np.float32)
        rows[part] = np.maximum(values - threshold, 0) * scale
    return Part(rows, codes)


def compare_logistic(train: Part, test: Part, n_rounds: int) -> None:
    head = LogisticHead(strengths=(STRENGTH,))
    peer = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH))
    print(f"logistic, one fit with C = {STRENGTH}")
    compare(
        {
            "ours": lambda: (timed(lambda: head.fit(*train)), head.score(*test)),
            "scikit-learn": lambda: (timed(lambda: peer.fit(*train)), peer.score(*test)),
        },
        n_rounds,
    )
    head = LogisticHead()
    seconds = timed(lambda: head.fit(*train))
    print(
        f"  ours, choosing C: {seconds:.2f} s   accuracy {head.score(*test):.4f} "
        f"with C = {head.strength_:.2g}\n",
        flush=True,
    )


def compare_dense(train: Part, validation: Part, test: Part, n_rounds: int, n_epochs: int) -> None:
    print(f"dense, {HIDDEN:,} hidden units: an epoch, and the accuracy after {n_epochs}")
    compare(
        {
            "float32": lambda: train_ours(train, validation, test, n_epochs, "float32"),
            "bfloat16": lambda: train_ours(train, validation, test, n_epochs, "bfloat16"),
            "Keras": lambda: train_keras(train, validation, test, n_epochs),
        },
        n_rounds,
    )


def train_ours(
    train: Part, validation: Part, test: Part, n_epochs: int, precision: str
) -> tuple[float, float]:
    """Median seconds of an epoch, and the accuracy on the test rows."""
    ends: list[float] = []
    head = DenseHead(hidden=(HIDDEN,), precision=precision, max_epochs=n_epochs)
    head.fit(*train, validation=validation, on_epoch=lambda epoch: ends.append(time.perf_counter()))
    return statistics.median(np.diff(ends)), head.score(*test)


def train_keras(train: Part, validation: Part, test: Part, n_epochs: int) -> tuple[float, float]:
    """The same of the usual way with Keras."""
    import keras

    model = keras.Sequential(
        [
            keras.layers.Dense(HIDDEN),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    ends: list[float] = []
    model.fit(
        *train,
        batch_size=64,
        epochs=n_epochs,
        validation_data=tuple(validation),
        verbose=0,
        callbacks=[
            keras.callbacks.EarlyStopping(patience=8, restore_best_weights=True),
            keras.callbacks.LambdaCallback(
                on_epoch_end=lambda epoch, logs: ends.append(time.perf_counter())
            ),
        ],
    )
    probabilities = model.predict(test.rows, batch_size=1024, verbose=0)
    accuracy = float((probabilities.argmax(axis=1) == test.codes).mean())
    return statistics.median(np.diff(ends)), accuracy


def compare(jobs: dict[str, Callable[[], tuple[float, float]]], n_rounds: int) -> None:
    """Print a table of the jobs' seconds and accuracies; the last job is the peer."""
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    accuracies: dict[str, list[float]] = {name: [] for name in jobs}
    for number in range(n_rounds):
        for name, job in list(jobs.items())[:: -1 if number % 2 else 1]:
            job_s, accuracy = job()
            seconds[name].append(job_s)
            accuracies[name].append(accuracy)
    *ours, peer = jobs
    for name in [*ours, peer]:
        ratios = [theirs / mine for mine, theirs in zip(seconds[name], seconds[peer], strict=True)]
        ratio = "" if name == peer else f"   ratio {spread(ratios)}"
        accuracy = statistics.median(accuracies[name])
        print(
            f"  {name:<12} {spread(seconds[name])} s   accuracy {accuracy:.4f}{ratio}", flush=True
        )


def timed(job: Callable[[], object]) -> float:
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.2f} [{min(values):.2f}, {max(values):.2f}]"


if __name__ == "__main__":
    main()
