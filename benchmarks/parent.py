"""What the parent process of an extraction costs per image, beside decoding and the network.

    python benchmarks/parent.py photos/

The network is one that does nothing, so that all that is left in the process is handing images out
and taking them in, looking them up, and committing rows, which are as wide as MobileNetV2's. Each
round extracts into a new cache; the table holds medians, and the lowest and highest of the rounds.
The bound in the same run is as many independent processes as there are cores, which read, hash and
decode the same files and hand nothing over.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import bottlebank as bb
from bottlebank.extraction import network
from bottlebank.features import ExtractorSpec, recipe_for
from bottlebank.features.images.fit import Preprocessing, decode_and_resize
from bottlebank.hardware import available_cores


class Nothing:
    """An extractor without a network."""

    engine, precision = "none", "float32"
    n_calls = available_cores()
    batch_size, batch_sizes = 4, (4, 1)

    def __init__(self, recipe) -> None:
        self.recipe = recipe
        self.input_size_px = recipe.preprocessing.size_px

    def decode_and_resize(self, data: bytes) -> np.ndarray:
        return decode_and_resize(data, self.recipe.preprocessing).pixels

    def transfer_values(self, images: np.ndarray) -> np.ndarray:
        return np.zeros((len(images), self.recipe.width), np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="a folder per class")
    parser.add_argument("--extractor", default="efficientnet_lite0", help="whose input is decoded")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    dataset = bb.load_dataset(arguments.data)
    recipe, _ = recipe_for(ExtractorSpec(arguments.extractor))
    network.open_extractor = lambda recipe, *_, **__: Nothing(recipe)
    print(f"{len(dataset)} images, {available_cores()} cores, load {os.getloadavg()[0]:.1f}")
    ours: list[tuple[float, float]] = []
    bounds: list[float] = []
    for _ in range(arguments.rounds):
        ours.append(extracted(dataset, arguments.extractor))
        bounds.append(independent(dataset.paths, recipe.preprocessing))
    costs, rates = zip(*ours, strict=True)
    print(f"parent, CPU time per image  {spread([1000 * cost for cost in costs], 3)} ms")
    print(f"bottlebank                  {spread(rates, 0)} images/s")
    print(f"independent processes       {spread(bounds, 0)} images/s")
    ratios = [rate / bound for rate, bound in zip(rates, bounds, strict=True)]
    print(f"bottlebank / independent    {spread(ratios, 2)}")


def extracted(dataset, extractor: str) -> tuple[float, float]:
    """Seconds of the parent's processor time per image, and images per second."""
    with tempfile.TemporaryDirectory(prefix="bottlebank-") as cache:
        start, begun = time.perf_counter(), time.process_time()
        table = bb.extract(dataset, extractor, cache=cache, precision="float32", progress=False)
        processor_s = time.process_time() - begun
        seconds = time.perf_counter() - start - table.report.startup_seconds
    assert table.report.extracted + table.report.duplicates == len(dataset), table.report
    return processor_s / len(dataset), len(dataset) / seconds


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
