"""Training beyond memory: heads on rows in a temporary file against the same fits in memory.

    python benchmarks/streaming.py              78,619 x 2,048 to train on; needs 3 GB of disk
    python benchmarks/streaming.py --rows 5000  a quick look

The rows are those of heads.py: two overlapping classes, of which 0.955 can be told apart. They are
written to a cache in a folder that is removed in the end: those to train on, 5,000 to validate and
10,000 to test. Each fit is `train_head` as a whole, with near-duplicates, calibration, the rule for
`unknown` and the figures of each split, in a process of its own; in memory first, then with
`memory="1G"`, and so on for each round.

- accuracy: on the test rows. The bound is 0.002 from that in memory.
- peak: the most resident memory of the process (VmHWM), libraries included. The bound is 1 GB.
- seconds: of `train_head` alone; medians, and the ratio within each round.
- version: of the head, a hash of all that it answers by. Equal versions are equal heads.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine, memory_and_system

import bottlebank as bb
from bottlebank.cache import CacheFolder, Key
from bottlebank.extraction.feature_table import FeatureTable, Report
from bottlebank.features import Recipe

N_VALIDATION, N_TEST = 5_000, 10_000
WAYS = {"in memory": "1T", "streamed": "1G"}
LARGEST_DIFFERENCE, MOST_MIB = 0.002, 1e9 / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description="Heads that are trained beyond memory.")
    parser.add_argument("--rows", type=int, default=78_619)
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--heads", nargs="+", default=["logistic", "dense"])
    parser.add_argument("--memory", default=WAYS["streamed"], help="of the streamed fits")
    parser.add_argument("--job", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.job:
        run(arguments, *arguments.job)
        return
    print(f"{machine()}; {memory_and_system()}")
    ways = {**WAYS, "streamed": arguments.memory}
    print(f"{arguments.rows:,} x {arguments.width:,} float32 to train on, memory={ways}\n")
    with tempfile.TemporaryDirectory() as folder:
        child(arguments, "make", folder, "", "")
        for head in arguments.heads:
            found: dict[str, list[dict[str, Any]]] = {way: [] for way in ways}
            for _ in range(arguments.rounds):
                for way, memory in ways.items():
                    found[way].append(child(arguments, "train", folder, head, memory))
            tell(head, found)


def child(arguments: argparse.Namespace, *job: str) -> dict[str, Any]:
    sizes = ["--rows", str(arguments.rows), "--width", str(arguments.width)]
    command = [sys.executable, __file__, *sizes, "--job", *job]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def tell(head: str, found: dict[str, list[dict[str, Any]]]) -> None:
    print(head)
    for way, runs in found.items():
        peak = max(run["peak_mib"] for run in runs)
        seconds = spread([run["seconds"] for run in runs])
        versions = ", ".join(sorted({run["version"] for run in runs}))
        print(
            f"  {way:<10} accuracy {runs[0]['accuracy']:.4f}   peak {peak:,.0f} MiB   "
            f"{seconds} s   version {versions}"
        )
    mine, its = found["streamed"], found["in memory"]
    differences = [a["accuracy"] - b["accuracy"] for a, b in zip(mine, its, strict=True)]
    times = spread([a["seconds"] / b["seconds"] for a, b in zip(mine, its, strict=True)])
    peaks = spread([a["peak_mib"] / b["peak_mib"] for a, b in zip(mine, its, strict=True)])
    worst = max(differences, key=abs)
    holds = abs(worst) <= LARGEST_DIFFERENCE and max(run["peak_mib"] for run in mine) < MOST_MIB
    print(
        f"  ratio      accuracy {worst:+.4f}   peak {peaks}   time {times}   "
        f"{'within' if holds else 'NOT WITHIN'} the bounds\n",
        flush=True,
    )


def run(arguments: argparse.Namespace, job: str, folder: str, head: str, memory: str) -> None:
    n_rows = arguments.rows + N_VALIDATION + N_TEST
    if job == "make":
        make(Path(folder), n_rows, arguments.width)
        print("{}")
        return
    splits = ["train"] * arguments.rows + ["validation"] * N_VALIDATION + ["test"] * N_TEST
    table = table_of(Path(folder), splits, arguments.width)
    start = time.perf_counter()
    trained = bb.train_head(table, head, memory=memory, progress=False)
    seconds = time.perf_counter() - start
    test = trained.evaluations["test"]
    assert test is not None
    answer = {"accuracy": test.accuracy, "seconds": seconds, "peak_mib": peak_mib()}
    print(json.dumps({**answer, "version": trained.head.version}))


def make(folder: Path, n_rows: int, width: int) -> None:
    """Write rows and their labels."""
    from heads import made_up  # and scikit-learn with it, which a logistic head does without

    made = made_up(n_rows, width)
    np.save(folder / "codes.npy", made.codes)
    keys = keys_of(n_rows)
    with CacheFolder(folder / "cache", create=True) as cache:
        recipe = recipe_of(width)
        opened = cache.open(recipe.fingerprint, "float32")
        with opened.writer(recipe.as_dict()) as writer:
            for start in range(0, n_rows, 2048):
                part = slice(start, start + 2048)
                paths = [b"%d.jpg" % row for row in range(start, start + len(keys[part]))]
                writer.extend(keys[part], paths, made.rows[part])


def table_of(folder: Path, splits: list[str], width: int) -> FeatureTable:
    """The table of what `make` has written."""
    recipe = recipe_of(width)
    words = {
        "extractor": recipe.extractor,
        "fingerprint": recipe.fingerprint,
        "cache": str(folder / "cache"),
        "store": "float32",
        "precision": "float32",
    }
    report: dict[str, Any] = {**dict.fromkeys(Report.__dataclass_fields__, 0), **words}
    labels = np.where(np.load(folder / "codes.npy") == 1, "beach", "coast")
    paths = [str(folder / f"{row}.jpg") for row in range(len(splits))]
    keys = keys_of(len(splits))
    return FeatureTable(paths, labels, splits, keys, [], Report(**report), recipe)


def keys_of(n_rows: int) -> list[Key]:
    return [Key(hashlib.sha256(b"%d" % row).digest()) for row in range(n_rows)]  # pyright: ignore[reportArgumentType]


def recipe_of(width: int) -> Recipe:
    return Recipe(
        extractor="made up",
        architecture="made up",
        weights="seed",
        weights_sha256="0" * 64,
        pooling="avg",
        width=width,
        input_size_px=224,
        fit="crop",
        resize="pil_antialias",
        pixel_scaling="none",
        decoder_version=1,
    )


def peak_mib() -> float:
    """The most resident memory that this process has had."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = [line.split() for line in status.read_text().splitlines()]
        return next(int(line[1]) / 1024 for line in lines if line[0] == "VmHWM:")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # bytes on macOS


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} [{min(values):.2f}, {max(values):.2f}]"


if __name__ == "__main__":
    main()
