"""What many images would cost, by a model whose constants are measured here, and checked.

    python benchmarks/scale_model.py photos/

Two extractions of different size on a Ray cluster of this machine give the constants: what starting
costs, and what each further image. A third, larger one is predicted before it runs, and the ratios
are printed. Then the model is asked for 10⁷, 10⁸ and 10⁹ images, and for what is first in the way.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from cluster import _tree, loopback_cluster, run
from machine import machine

ROWS_IN_A_SHARD = 2048
KEY_BYTES = 60
"""Of memory, for each row that the driver looks up; docs/scale.md."""
PRICE_OF_PUTS = 0.005 / 1000
PRICE_OF_GETS = 0.0004 / 1000
"""US dollars, as Amazon S3 lists them for its standard class in us-east-1."""
DAY_S = 86_400


class Measured(NamedTuple):
    """One extraction."""

    images: int
    seconds: float
    """Without what starting took."""
    cpu_s: float
    driver_cpu_s: float
    cache_bytes: int
    index_bytes: int


class Model(NamedTuple):
    """What starting costs, and each further image."""

    start_cpu_s: float
    cpu_s: float
    driver_s: float
    row_bytes: float
    index_bytes: float
    wall_s: float

    @classmethod
    def of(cls, few: Measured, many: Measured) -> Model:
        """The line through two measurements."""
        n = many.images - few.images
        cpu_s = (many.cpu_s - few.cpu_s) / n
        return cls(
            start_cpu_s=few.cpu_s - cpu_s * few.images,
            cpu_s=cpu_s,
            driver_s=(many.driver_cpu_s - few.driver_cpu_s) / n,
            row_bytes=(many.cache_bytes - few.cache_bytes) / n,
            index_bytes=(many.index_bytes - few.index_bytes) / n,
            wall_s=(many.seconds - few.seconds) / n,
        )


def different(folder: Path, n: int, copies: Path) -> list[str]:
    """So many photographs, in any order; where there are fewer, with copies that end otherwise."""
    own = sorted(folder.rglob("*.jpg"))
    own = [own[i] for i in np.random.default_rng(0).permutation(len(own))]
    copies.mkdir()
    for number in range(n):
        data = own[number % len(own)].read_bytes()
        (copies / f"{number:06d}.jpg").write_bytes(data + number.to_bytes(4, "big"))
    return sorted(map(str, copies.iterdir()))


def measure(paths: list[str], work: Path, daemons: list[int], address: str) -> Measured:
    cache = work / str(len(paths))
    told = run(paths, str(cache), daemons, address, 2)
    shards = [path.stat().st_size for path in cache.glob("*/*/*.h5")]
    index = [path.stat().st_size for path in cache.glob("index*")]
    return Measured(
        len(paths),
        len(paths) / told["images_per_second"],
        told["cpu_s"],
        told["driver_cpu_s"],
        sum(shards),
        sum(index),
    )


def predictions(model: Model) -> None:
    print(
        "\n| images | days of 16 cores | cores for one day | driver, days | rows | index | keys in "
        "memory | shards | puts, dollars |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for n in (10**7, 10**8, 10**9):
        core_days = n * model.cpu_s / DAY_S
        shards = -(-n // ROWS_IN_A_SHARD)
        print(
            f"| {n:,} | {core_days / 16:,.1f} | {core_days:,.0f} "
            f"| {n * model.driver_s / DAY_S:.2f} | {n * model.row_bytes / 1e9:,.0f} GB "
            f"| {n * model.index_bytes / 1e9:,.1f} GB "
            f"| {n * KEY_BYTES / 1e9:,.1f} GB | {shards:,} | {shards * 4 * PRICE_OF_PUTS:,.2f} |"
        )
    print(
        f"\none driver keeps {model.cpu_s / model.driver_s:,.0f} cores busy, at "
        f"{1 / model.driver_s:,.0f} images/s; reading every row once from an object store takes "
        f"{PRICE_OF_GETS * 1e9 / ROWS_IN_A_SHARD:,.2f} dollars of requests for 10⁹ rows"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--images", type=int, nargs=3, default=[2000, 5000, 10_000])
    options = parser.parse_args()
    print(machine())
    work = Path(tempfile.mkdtemp(prefix="bottlebank-model-"))
    try:
        every = different(Path(options.folder), max(options.images), work / "photos")
        with loopback_cluster(3) as cluster:
            daemons = [pid for pid in _tree(os.getpid()) if pid != os.getpid()]
            found = []
            for n in options.images:
                found.append(measure(every[:n], work, daemons, cluster.address))
                print(json.dumps(found[-1]._asdict()), flush=True)
    finally:
        shutil.rmtree(work)
    few, many, check = found
    model = Model.of(few, many)
    print(json.dumps(model._asdict()))
    n = check.images
    for what, predicted, measured in (
        ("seconds", many.seconds + model.wall_s * (n - many.images), check.seconds),
        ("CPU time", model.start_cpu_s + model.cpu_s * n, check.cpu_s),
        (
            "bytes of shards",
            many.cache_bytes + model.row_bytes * (n - many.images),
            check.cache_bytes,
        ),
        (
            "bytes of the index",
            many.index_bytes + model.index_bytes * (n - many.images),
            check.index_bytes,
        ),
    ):
        ratio = predicted / measured
        print(
            f"{what} for {n:,} images: {predicted:,.1f} predicted, {measured:,.1f} measured, "
            f"ratio {ratio:.2f}"
        )
    predictions(model)


if __name__ == "__main__":
    sys.exit(main())
