"""Exports of a head, beside `predict`: how large, how fast, how near.

    python benchmarks/export.py photos/ --extractor mobilenet_v2

A head is trained and exported to every format, and with 8 bits where a format has them; each
export is compared with `predict` on validation images. Then all are opened in this process, with
what each runtime uses without being told (LiteRT: one thread), and take turns on the same images,
one at a time, with `predict`'s network and head in float32 as the peer. The table holds medians of
an image in ms, by the clock and in processor time of all threads, which other programs disturb
less, and the median ratio, within a round, of the peer's to it, above 1 where the export is faster.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine

import bottlebank as bb
from bottlebank.errors import BottlebankError
from bottlebank.export import Exported
from bottlebank.export.registry import EXPORTERS
from bottlebank.formatting import counted

PEER = "predict"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="a folder per class, or train and validation of those")
    parser.add_argument("--extractor", default="mobilenet_v2")
    parser.add_argument("--format", action="append", choices=[*EXPORTERS], help="only these")
    parser.add_argument("--images", type=int, default=20, help="in a round")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bottlebank-") as name:
        measure(arguments, Path(name))


def measure(arguments: argparse.Namespace, folder: Path) -> None:
    head = folder / "head.h5"
    table = bb.extract(arguments.data, arguments.extractor, precision="float32")
    bb.save_head(bb.train_head(table), head)
    predictor = bb.load_predictor(head, precision="float32")
    exports: dict[str, Exported] = {}
    runs: dict[str, Callable[[np.ndarray], np.ndarray]] = {PEER: predictor.probabilities}
    for format in arguments.format or EXPORTERS:
        for quantize in (False, True)[: 1 if EXPORTERS[format].quantizes_with is None else 2]:
            name = f"{format}, 8 bits" if quantize else format
            output, data = folder / name, arguments.data
            try:
                exports[name] = bb.export_head(
                    head, output, format, data=data, quantize=quantize, progress=False
                )
            except BottlebankError as error:
                print(f"{name}: {error}")
                continue
            module: Any = import_module(EXPORTERS[format].module, "bottlebank.export")
            runs[name] = module.opened(output)
    paths = table.paths[:: max(1, len(table) // arguments.images)][: arguments.images]
    images = [predictor.decode_and_resize(Path(path).read_bytes())[np.newaxis] for path in paths]
    seconds = take_turns(runs, images, arguments.rounds)
    rounds = counted(arguments.rounds, "round")
    print(f"{arguments.extractor}, {counted(len(images), 'image')} in {rounds}; {machine()}")
    columns = (
        "format", "MB", "ms an image", "ms of processor time", "predict's time to it",
        "predict's processor time to it", "same class", "greatest difference",
        "other sizes: same class, difference", "accuracy in 8 bits, lost, won",
    )  # fmt: skip
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    for name, each in seconds.items():
        figures = [f"{1000 * statistics.median(kind):.1f}" for kind in zip(*each, strict=True)]
        for kind in (0, 1):
            pairs = zip(seconds[PEER], each, strict=True)
            figures.append(summary([peer[kind] / own[kind] for peer, own in pairs]))
        size, agreement = ("", [""] * 4) if name == PEER else described(exports[name])
        print(f"| {' | '.join([name, size, *figures, *agreement])} |")


def take_turns(
    runs: dict[str, Callable[[np.ndarray], np.ndarray]], images: list[np.ndarray], n_rounds: int
) -> dict[str, list[tuple[float, float]]]:
    """Seconds an image of each, by the clock and of the processor, by round.

    The first round, in which they warm up, is left out.
    """
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for number in range(n_rounds + 1):
        for name in list(runs)[:: 1 if number % 2 else -1]:
            start, before = time.perf_counter(), time.process_time()
            for image in images:
                runs[name](image)
            if number:
                clock, processor = time.perf_counter() - start, time.process_time() - before
                seconds[name].append((clock / len(images), processor / len(images)))
    return seconds


def described(exported: Exported) -> tuple[str, list[str]]:
    """Megabytes, and how it compares."""
    n_bytes = sum((exported.output / file.name).stat().st_size for file in exported.files)
    found = exported.agreement
    words = [f"{found.n_same} of {found.n_images}", f"{found.difference:.1e}", "", ""]
    if found.n_other_sizes:
        words[2] = f"{found.n_same_other_sizes} of {found.n_other_sizes}, "
        words[2] += f"{found.difference_other_sizes:.1e}"
    if exported.cost is not None:
        cost = exported.cost.paired
        words[3] = f"{cost.after:.1%}, float32 {cost.before:.1%} of {cost.images}, "
        words[3] = f"{words[3].replace('%', ' %')}{cost.lost}, {cost.gained}"
    return f"{n_bytes / 1e6:.1f}", words


def summary(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} [{min(values):.2f}, {max(values):.2f}]"


if __name__ == "__main__":
    main()
