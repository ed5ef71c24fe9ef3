"""`bottlebank predict` on a folder, against what has the same to do.

    python benchmarks/prediction.py photos/ --extractor mobilenet_v2

A new process each time, from its start to its end. Where all images are in the cache, the peer is
`evaluate --split all`, which takes the same rows from there; neither starts a network. Where all
are new, it is `extract` into a new cache, which also commits the rows. They take turns in opposite
orders; the table holds medians and the range, by the clock and in processor time. The last line of
each kind is the median ratio within a round.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from machine import machine

from bottlebank.formatting import counted


class Seconds(NamedTuple):
    clock: float
    processor: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="a folder per class")
    parser.add_argument("--extractor", default="mobilenet_v2")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cache", help="where rows are already; by default a new one")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bottlebank-") as name:
        race(arguments, Path(name))


def race(arguments: argparse.Namespace, folder: Path) -> None:
    head, cache = str(folder / "head.h5"), arguments.cache or str(folder / "cache")
    train = ["train", arguments.data, "--extractor", arguments.extractor, "--output", head]
    run([*train, "--cache", cache])
    # With a converted network, and no rows.
    empty, filled = folder / "empty", folder / "filled"
    for new in (empty, filled):
        shutil.copytree(Path(cache, "networks"), new / "networks")
    options = [arguments.data, "--head", head, "--cache"]
    cached = {
        "predict": ["predict", *options, cache],
        "evaluate --split all": ["evaluate", *options, cache, "--split", "all"],
    }
    new = {
        "predict": ["predict", *options, str(empty)],
        "extract": [
            "extract", arguments.data, "--extractor", arguments.extractor, "--cache", str(filled),
        ],
    }  # fmt: skip
    n_images = len(run(cached["predict"]).splitlines())
    rounds = counted(arguments.rounds, "round")
    print(f"{n_images} images, {arguments.extractor}, {rounds}; {machine()}")
    print("all in the cache")
    compare(cached, arguments.rounds, lambda: None)
    print("all new")
    compare(new, arguments.rounds, lambda: without_rows(filled))


def without_rows(cache: Path) -> None:
    for path in cache.iterdir():
        if path.name != "networks":
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def compare(ways: dict[str, Sequence[str]], n_rounds: int, prepare: Callable[[], object]) -> None:
    seconds: dict[str, list[Seconds]] = {way: [] for way in ways}
    for number in range(n_rounds):
        for way in list(ways)[:: 1 if number % 2 else -1]:
            prepare()
            seconds[way].append(timed(ways[way]))
    peer = list(ways)[1]
    for kind in Seconds._fields:
        for way, measured in seconds.items():
            print(f"  {kind:9} {way:21} {summary([getattr(each, kind) for each in measured])} s")
        ours, theirs = ([getattr(each, kind) for each in seconds[way]] for way in ways)
        ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
        print(f"  {kind:9} {f'predict / {peer.split()[0]}':21} {summary(ratios)}", flush=True)


def run(arguments: Sequence[str]) -> str:
    command = [sys.executable, "-m", "bottlebank", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def timed(arguments: Sequence[str]) -> Seconds:
    start, before = time.perf_counter(), os.times()
    run(arguments)
    after = os.times()
    processor = after.children_user + after.children_system
    processor -= before.children_user + before.children_system
    return Seconds(time.perf_counter() - start, processor)


def summary(values: Sequence[float]) -> str:
    return f"{statistics.median(values):6.2f} [{min(values):.2f}, {max(values):.2f}]"


if __name__ == "__main__":
    main()
