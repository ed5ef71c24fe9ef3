"""What the parent process of an extraction costs per image, beside decoding and the network.

    python benchmarks/parent.py photos/

The network is one that does nothing, so that all that is left in the process is handing images out
and taking them in, looking them up, and committing rows, which are as wide as MobileNetV2's. Each
round extracts into a new cache; the table holds medians, and the lowest and highest of the rounds.
The bound in the same run is as many independent processes as there are cores, which read, hash and
decode the same files and hand nothing over. Starting up is left out on both sides: the network
takes as long to start as workers do, which the report tells apart.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from machine import machine

import bottlebank as bb
from bottlebank.extraction import network
from bottlebank.features import ExtractorSpec, recipe_for
from bottlebank.features.images.fit import Preprocessing, decode_and_resize
from bottlebank.formatting import counted
from bottlebank.hardware import available_cores

STARTUP_S = 2


class Nothing:
    """An extractor without a network."""

    engine, precision = "none", "float32"
    n_calls = available_cores()
    batch_size, batch_sizes = 4, (4, 1)

    def __init__(self, recipe) -> None:
        self.recipe = recipe
        self.input_size_px = recipe.preprocessing.size_px
        self._values = np.zeros((256, recipe.width), np.float32)

    def decode_and_resize(self, data: bytes) -> np.ndarray:
        return decode_and_resize(data, self.recipe.preprocessing).pixels

    def transfer_values(self, images: np.ndarray) -> np.ndarray:
        return self._values[: len(images)]


def starts_as(extractor) -> Callable[..., object]:
    """For `network.open_extractor`: workers start meanwhile, as they do with every network."""

    def open_extractor(*_, **__):
        time.sleep(STARTUP_S)
        return extractor

    return open_extractor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="a folder per class")
    parser.add_argument("--extractor", default="efficientnet_lite0", help="whose input is decoded")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    dataset = bb.load_dataset(arguments.data)
    recipe, _ = recipe_for(ExtractorSpec(arguments.extractor))
    network.open_extractor = starts_as(Nothing(recipe))
    print(f"{len(dataset)} images, {counted(arguments.rounds, 'round')}; {machine()}")
    ours: list[Extraction] = []
    bounds: list[float] = []
    for _ in range(arguments.rounds):
        ours.append(extracted(dataset, arguments.extractor, precision="float32"))
        bounds.append(independent(dataset.paths, recipe.preprocessing))
    rates = [each.images_per_s for each in ours]
    print(f"parent, CPU time per image  {spread([each.process_ms for each in ours], 3)} ms")
    print(f"its main thread alone       {spread([each.thread_ms for each in ours], 3)} ms")
    print(f"bottlebank                  {spread(rates, 0)} images/s")
    print(f"independent processes       {spread(bounds, 0)} images/s")
    ratios = [rate / bound for rate, bound in zip(rates, bounds, strict=True)]
    print(f"bottlebank / independent    {spread(ratios, 2)}")


class Extraction(NamedTuple):
    images_per_s: float
    process_ms: float
    """Processor time of the parent process per image: of all its threads."""
    thread_ms: float
    """That of its main thread."""


def extracted(dataset: bb.Dataset, extractor: str, **options) -> Extraction:
    """Extract into a new cache."""
    with tempfile.TemporaryDirectory(prefix="bottlebank-") as cache:
        start, of_process, of_thread = time.perf_counter(), time.process_time(), time.thread_time()
        report = bb.extract(dataset, extractor, cache=cache, progress=False, **options).report
        of_process, of_thread = time.process_time() - of_process, time.thread_time() - of_thread
        seconds = time.perf_counter() - start - report.startup_seconds
    assert report.extracted + report.duplicates == len(dataset), report
    n = len(dataset)
    return Extraction(n / seconds, 1000 * of_process / n, 1000 * of_thread / n)


def independent(paths: Sequence[str], how: Preprocessing) -> float:
    """Images per second of processes that know nothing of one another, once they have started."""
    n = available_cores()
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(n + 1)
    processes = [
        context.Process(target=read_hash_decode, args=(paths[number::n], how, ready))
        for number in range(n)
    ]
    for process in processes:
        process.start()
    ready.wait()
    start = time.perf_counter()
    for process in processes:
        process.join()
    return len(paths) / (time.perf_counter() - start)


def read_hash_decode(paths: Sequence[str], how: Preprocessing, ready) -> None:
    import cv2

    cv2.setNumThreads(1)
    decode_and_resize(Path(paths[0]).read_bytes(), how)
    ready.wait()
    for path in paths:
        data = Path(path).read_bytes()
        hashlib.sha256(data).digest()
        decode_and_resize(data, how)


def spread(values: Sequence[float], digits: int) -> str:
    low, high = min(values), max(values)
    return f"{statistics.median(values):.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


if __name__ == "__main__":
    main()
