"""Map methods against one another: time and trustworthiness, in one run.

    python benchmarks/maps.py                            3,000, 10,000 and 50,000 made-up rows
    python benchmarks/maps.py photos/ --extractor efficientnet_lite0      resampled cached rows
    python benchmarks/maps.py --rows 3000 --rounds 3     a quick look

Of photographs, the cached transfer values are drawn with replacement, each with noise of half a
column's deviation, so that no two rows are equal. Without any, the rows are clusters in 40 hidden
factors, spread over 1,280 columns that are mostly zero and never negative, as transfer values are.

Every job makes two dimensions of the same rows in a process of its own, once: from the rows to the
points, its 50 principal components included, its imports and what is compiled for a first, tiny map
not. A process that takes more than `--limit` seconds of processor time, of all its cores, is ended,
and the job is left out at the sizes above, which the table says. The peers run with their own
defaults but for a start from PCA and a seed:

- `tsne`, `umap`, `pca`: `bottlebank.viz.reduce`. `tsne` is openTSNE on exact neighbours.
- `openTSNE`: its `TSNE`, 750 iterations, approximate neighbours, all cores.
- `scikit-learn`: its `TSNE`, 1,000 iterations, exact neighbours, all cores.
- `umap-learn`: its `UMAP`, which searches neighbours itself.

Seconds are those of the clock, then those of all processors together, which say more where other
programs are at work. The ratio is the job's time over that of `tsne`, taken within each round, of
the clock and of the processors: 2 is half as fast. Trust is that of `viz.neighbourhoods.trust`,
against the rows themselves, and the share of the ten nearest on the map that have the same label:
means of five samples, of 200 to 1,000 images each, whose neighbours are looked for among all; of
several rounds, medians.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import platform
import resource
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
from machine import machine, memory_and_system
from sklearn.decomposition import PCA

from bottlebank.formatting import counted
from bottlebank.viz import reduce
from bottlebank.viz.neighbourhoods.trust import trust

OURS = "tsne"
_N_SAMPLES = 5


class Done(NamedTuple):
    seconds: float
    cpu_s: float
    trustworthiness: float
    hit: float


def main() -> None:
    parser = argparse.ArgumentParser(description="Map methods against one another.")
    parser.add_argument("data", nargs="?", help="photographs whose transfer values are cached")
    parser.add_argument("--extractor", default="efficientnet_lite0")
    parser.add_argument("--cache")
    parser.add_argument("--rows", type=int, nargs="+", default=[3_000, 10_000, 50_000])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument(
        "--limit", type=float, default=600, help="of processor time, in s, for one job"
    )
    parser.add_argument("--jobs", nargs="+", default=[*JOBS], choices=[*JOBS])
    arguments = parser.parse_args()
    print(f"{machine()}; {memory_and_system()}")
    libraries = ("numpy", "scikit-learn", "openTSNE", "umap-learn")
    versions = ", ".join(f"{name} {version(name)}" for name in libraries)
    print(f"Python {platform.python_version()}, {versions}")
    ended: dict[str, int] = {}
    for n_rows in sorted(arguments.rows):
        if arguments.data is None:
            features, labels = made_up(n_rows)
        else:
            features, labels = resampled(arguments, n_rows)
        print(
            f"\n{n_rows:,} x {features.shape[1]:,}, {counted(arguments.rounds, 'round')}, "
            f"load {os.getloadavg()[0]:.1f}",
            flush=True,
        )
        for name, n_before in ended.items():
            print(f"  {name:<13} left out: {n_before:,} rows took too long", flush=True)
        jobs = [name for name in arguments.jobs if name not in ended]
        slow = compare(features, labels, jobs, arguments.rounds, arguments.limit)
        ended |= dict.fromkeys(slow, n_rows)


def made_up(n_rows: int, n_classes: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Rows like transfer values, float32 (n, 1280), and their classes."""
    random = np.random.default_rng(0)
    centres = random.normal(scale=1.2, size=(n_classes, 40))
    mixing = random.standard_normal((40, 1280), dtype=np.float32) / 6
    threshold = random.uniform(0, 1.5, 1280).astype(np.float32)
    codes = random.integers(0, n_classes, n_rows)
    factors = centres[codes] + random.standard_normal((n_rows, 40))
    values = factors.astype(np.float32) @ mixing
    values += 0.5 * random.standard_normal(values.shape, dtype=np.float32)
    return np.maximum(values - threshold, 0), codes.astype(str)


def resampled(arguments: argparse.Namespace, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of photographs, float32 (n, d), with noise, and their classes."""
    import bottlebank as bb

    table = bb.extract(arguments.data, arguments.extractor, cache=arguments.cache)
    random = np.random.default_rng(0)
    rows = random.integers(0, len(table), n_rows)
    features = table.features[rows]
    noise = random.standard_normal(features.shape, dtype=np.float32)
    return features + 0.5 * table.features.std(axis=0) * noise, table.labels[rows].astype(str)


def ours(method: str) -> Callable[[np.ndarray], np.ndarray]:
    return lambda features: reduce(features, method, progress=False).points


def components_of(features: np.ndarray) -> np.ndarray:
    values = PCA(min(50, len(features) - 1), random_state=0).fit_transform(features)
    return values / values[:, 0].std()


def open_tsne(features: np.ndarray) -> np.ndarray:
    from openTSNE import TSNE

    return np.asarray(TSNE(random_state=0, n_jobs=-1).fit(components_of(features)))


def scikit_learn(features: np.ndarray) -> np.ndarray:
    from sklearn.manifold import TSNE

    tsne = TSNE(perplexity=min(30, len(features) / 4), init="pca", random_state=0)
    return tsne.fit_transform(components_of(features))


def umap_learn(features: np.ndarray) -> np.ndarray:
    from umap import UMAP

    return UMAP(random_state=0, n_jobs=1, init="pca").fit_transform(components_of(features))


JOBS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "pca": ours("pca"),
    OURS: ours("tsne"),
    "openTSNE": open_tsne,
    "scikit-learn": scikit_learn,
    "umap": ours("umap"),
    "umap-learn": umap_learn,
}


def compare(
    features: np.ndarray, labels: np.ndarray, jobs: list[str], n_rounds: int, limit_s: float
) -> list[str]:
    """Print a table of the jobs, seconds, trust, and the ratio of the times; name those ended."""
    slow = []
    done: dict[str, list[Done | None]] = {name: [] for name in jobs}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "rows.npy")
        np.save(file, features)
        for number in range(n_rounds):
            for name in jobs[:: -1 if number % 2 else 1]:
                found = apart(name, file, labels, limit_s)
                print(f"    {name}: {found or 'ended'}", file=sys.stderr, flush=True)
                done[name].append(found)
    for name in jobs:
        results = [each for each in done[name] if each is not None]
        if len(results) < n_rounds:
            slow.append(name)
            print(f"  {name:<13} more than {limit_s:.0f} s of processor time", flush=True)
            continue
        pairs = [*zip(results, filter(None, done.get(OURS, ())), strict=False)]
        ratio = ""
        if pairs and name != OURS:
            by_clock = spread([mine.seconds / first.seconds for mine, first in pairs])
            ratio = f"   ratio {by_clock}, {spread([a.cpu_s / b.cpu_s for a, b in pairs])}"
        worth = statistics.median(each.trustworthiness for each in results)
        hit = statistics.median(each.hit for each in results)
        seconds = spread([each.seconds for each in results])
        cpu_s = spread([each.cpu_s for each in results])
        print(
            f"  {name:<13} {seconds} s, {cpu_s} s   trustworthiness {worth:.3f}   "
            f"same label {hit:.3f}{ratio}",
            flush=True,
        )
    return slow


def apart(name: str, file: Path, labels: np.ndarray, limit_s: float) -> Done | None:
    """One job in a process of its own; None where it takes too long."""
    output = file.with_name("points.npy")
    output.unlink(missing_ok=True)
    spawn = multiprocessing.get_context("spawn")
    process = spawn.Process(target=work, args=(name, file, output, math.ceil(limit_s)))
    process.start()
    process.join()
    if process.exitcode in (-signal.SIGXCPU, -signal.SIGKILL):
        return None
    points = np.load(output)
    seconds, cpu_s = np.load(output.with_name("seconds.npy")).tolist()
    features = np.load(file)
    worth, hits = [], []
    for sample in range(_N_SAMPLES):
        measured = trust(features, points, labels, sample)
        if measured is None or measured.neighbourhood_hit is None:
            raise SystemExit(f"{name} made no map")
        worth.append(measured.trustworthiness)
        hits.append(measured.neighbourhood_hit)
    return Done(seconds, cpu_s, statistics.mean(worth), statistics.mean(hits))


def work(name: str, file: Path, output: Path, limit_s: int) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (limit_s, limit_s))
    features = np.load(file)
    JOBS[name](features[:200])  # imports, and what is compiled
    start, cpu_s = time.perf_counter(), time.process_time()
    points = JOBS[name](features)
    seconds = (time.perf_counter() - start, time.process_time() - cpu_s)
    np.save(output.with_name("seconds.npy"), seconds)
    np.save(output, points.astype(np.float32))


def spread(values: list[float]) -> str:
    if len(values) == 1:
        return f"{values[0]:.2f}"
    return f"{statistics.median(values):.2f} [{min(values):.2f}, {max(values):.2f}]"


if __name__ == "__main__":
    main()
