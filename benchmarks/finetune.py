"""An epoch of fine-tuning on cached maps, beside the same epoch end to end.

    python benchmarks/finetune.py photos/ --extractor efficientnet_lite0 --unfreeze 2

Both train the same blocks in TensorFlow in float32, with the same steps in the same order:

- end to end: images are read and decoded (in as many threads as there are cores, ahead of the
  training), go through the frozen part, and then through what is trained;
- cached: maps are read from the cache, with their checksums, and go through what is trained.

What the frozen part and decoding cost is measured alone, too. No cache can save more than all of
that: the bound of the speed-up is the whole epoch over the steps alone, on maps that are in memory.
Everything runs in each round, in alternating order; ratios are taken within a round.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from machine import machine

import bottlebank as bb
from bottlebank.cache import CacheFolder
from bottlebank.extraction.extract_dataset import extract_recipe
from bottlebank.extraction.prefetch import prefetch, threads
from bottlebank.features import ExtractorSpec, recipe_for
from bottlebank.features.backbones.tuning.tunable import open_tunable
from bottlebank.features.images.fit import decode_and_resize
from bottlebank.features.recipe import described_backbone, recipe_of
from bottlebank.hardware import available_cores
from bottlebank.training.finetuning.frozen_rows import Batch, FrozenMaps, FrozenRows
from bottlebank.training.finetuning.trainer import Trainer


class Epoch:
    """The parts of an epoch, each of which can be run alone."""

    def __init__(
        self, rows: FrozenRows, paths: list[str], tunable: Any, n_blocks: int, trainer: Trainer
    ) -> None:
        self.rows, self.paths, self.trainer = rows, paths, trainer
        self.backbone = tunable.backbone
        whole = tunable._model  # pyright: ignore[reportPrivateUsage]
        frozen = keras.Model(whole.input, whole.get_layer(tunable.last(n_blocks)[0].begins).input)
        scaling = self.backbone.scaling
        shape = (None, self.backbone.input_size_px, self.backbone.input_size_px, 3)

        @tf.function(input_signature=[tf.TensorSpec(shape, tf.uint8)], autograph=False)
        def maps_of(pixels: Any) -> Any:
            values = tf.cast(pixels, tf.float32)
            values = tf.reverse(values, [-1]) if scaling.channels == "BGR" else values
            values = values * tf.constant(scaling.scale) + tf.constant(scaling.offset)
            maps = frozen(values, training=False)
            return tf.reshape(maps, (tf.shape(maps)[0], -1))

        self._maps_of = maps_of

    def order(self) -> np.ndarray:
        return self.rows.shuffled(0, 0)

    def batches(self, size: int) -> Iterator[np.ndarray]:
        order = self.order()
        ends = np.linspace(0, len(order), -(-len(order) // size) + 1).round().astype(int)
        return (order[start:end] for start, end in itertools.pairwise(ends))

    def pixels(self, size: int, recipe: Any) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Batches of rows with their pixels, decoded ahead."""

        def decode(row: int) -> np.ndarray:
            return decode_and_resize(
                Path(self.paths[row]).read_bytes(), recipe.preprocessing
            ).pixels

        with threads(available_cores()) as pool:
            decoded = prefetch(pool, decode, self.order().tolist(), 2 * size)
            for some in self.batches(size):
                yield some, np.stack([next(decoded) for _ in some])

    def train(self, some: np.ndarray, maps: np.ndarray) -> None:
        self.trainer.train(Batch(maps, self.rows.codes[some], self.rows.weights[some]))

    def end_to_end(self, size: int, recipe: Any) -> None:
        for some, pixels in self.pixels(size, recipe):
            self.train(some, self._maps_of(pixels).numpy())

    def decoding(self, size: int, recipe: Any) -> None:
        for _ in self.pixels(size, recipe):
            pass

    def frozen_part(self, pixels: list[np.ndarray]) -> None:
        for some in pixels:
            self._maps_of(some).numpy()

    def cached(self, size: int) -> None:
        for batch in self.rows.batches(self.order(), size):
            self.trainer.train(batch)

    def steps(self, size: int, maps: np.ndarray) -> None:
        for some in self.batches(size):
            self.train(some, maps[some])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("data")
    parser.add_argument("--extractor", default="efficientnet_lite0")
    parser.add_argument("--unfreeze", type=int, default=2)
    parser.add_argument("--images", type=int, default=640)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    print(f"{machine()}; {chosen.extractor}, last {chosen.unfreeze} blocks, {chosen.images} images")
    with tempfile.TemporaryDirectory() as temporary, CacheFolder(temporary, create=True) as folder:
        measure(chosen, folder)


def measure(chosen: argparse.Namespace, folder: CacheFolder) -> None:
    found = bb.load_dataset(chosen.data)
    some = np.random.default_rng(0).permutation(len(found))[: chosen.images]
    paths = [found.paths[number] for number in some.tolist()]
    dataset = bb.extract(paths, chosen.extractor, cache=folder.root, precision="float32")
    recipe, weights = recipe_for(ExtractorSpec(chosen.extractor))
    tunable = open_tunable(described_backbone(recipe), weights)
    frozen = recipe_of(
        tunable.frozen_part(chosen.unfreeze), recipe.weights, recipe.weights_sha256, recipe.spec
    )
    maps = FrozenMaps(folder, frozen, "float32")
    listed = bb.datasets.as_dataset(dataset.paths)
    extract = partial(extract_recipe, folder=folder, precision="float32", explain=False)
    maps.extract(listed, dataset, np.arange(len(dataset)), lambda: weights, extract)
    labels = np.array([found.labels[number] for number in some.tolist()])
    estimator = bb.LogisticHead(strengths=0.003).fit(dataset.features, labels)
    codes = np.searchsorted(estimator.classes_, labels).astype(np.int64)
    rows = FrozenRows(maps.read, maps.width, dataset.keys, codes, np.ones(len(codes), np.float32))
    trainer = Trainer(tunable.upper_part(chosen.unfreeze), estimator.layers_, 1e-5)
    epoch = Epoch(rows, list(dataset.paths), tunable, chosen.unfreeze, trainer)
    size = chosen.batch_size
    held = maps.read(dataset.keys)
    pixels = [each for _, each in epoch.pixels(size, recipe)]
    parts: dict[str, Callable[[], None]] = {
        "end to end": lambda: epoch.end_to_end(size, recipe),
        "decoding alone": lambda: epoch.decoding(size, recipe),
        "frozen part alone": lambda: epoch.frozen_part(pixels),
        "cached": lambda: epoch.cached(size),
        "steps alone": lambda: epoch.steps(size, held),
    }
    for part in parts.values():
        part()  # traces the graphs, and reads the files once
    seconds: dict[str, list[float]] = {name: [] for name in parts}
    for number in range(chosen.rounds):
        for name in list(parts) if number % 2 == 0 else list(reversed(parts)):
            start = time.perf_counter()
            parts[name]()
            seconds[name].append(time.perf_counter() - start)
    print("\n| | ms per image |\n|---|---|")
    for name, each in seconds.items():
        print(f"| {name} | {spread([1000 * one / len(codes) for one in each], 2)} |")
    whole, cached, steps = (seconds[name] for name in ("end to end", "cached", "steps alone"))
    speed_up = [one / other for one, other in zip(whole, cached, strict=True)]
    bound = [one / other for one, other in zip(whole, steps, strict=True)]
    share = [one / other for one, other in zip(speed_up, bound, strict=True)]
    print(f"\nspeed-up {spread(speed_up, 2)}, bound {spread(bound, 2)}: {spread(share, 2)} of it")


def spread(values: list[float], n_digits: int) -> str:
    median, low, high = statistics.median(values), min(values), max(values)
    return f"{median:.{n_digits}f} [{low:.{n_digits}f}, {high:.{n_digits}f}]"


if __name__ == "__main__":
    main()
