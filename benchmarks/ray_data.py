"""What Ray Data would make of it: the same images through a pipeline of datasets.

    python benchmarks/ray_data.py photos/ --images 1000

Tasks decode, one actor has the network; both are bottlebank's own, and only what lies between is
Ray Data's. Against it extraction with `--ray` on one worker with as many cores, in the same run.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow  # noqa: F401 (which Ray Data needs)
from cluster import CpuTime, _tree
from machine import machine

import bottlebank as bb
from bottlebank.cache import content_of_bytes
from bottlebank.extraction.cluster.ray_connection import connected
from bottlebank.extraction.cluster.settings import Cluster
from bottlebank.features import ExtractorSpec, open_extractor, recipe_for
from bottlebank.features.images.fit import decode_and_resize

EXTRACTOR = "efficientnet_lite0"


def decoded(batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    preprocessing = recipe_for(ExtractorSpec(EXTRACTOR))[0].preprocessing
    files = [Path(path).read_bytes() for path in batch["path"]]
    pictures = [decode_and_resize(file, preprocessing) for file in files]
    return {
        "key": np.array([content_of_bytes(file).hex() for file in files]),
        "pixels": np.stack([np.asarray(getattr(each, "pixels", each)) for each in pictures]),
    }


class Network:
    def __init__(self, networks: str) -> None:
        recipe, weights = recipe_for(ExtractorSpec(EXTRACTOR))
        self._extractor = open_extractor(
            recipe, lambda: weights, precisions=["float32"], networks=Path(networks), many=True
        )

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        pixels = np.ascontiguousarray(batch["pixels"], np.uint8)
        step = self._extractor.batch_size
        parts = [
            self._extractor.transfer_values(pixels[start : start + step])
            for start in range(0, len(pixels), step)
        ]
        return {"key": batch["key"], "features": np.concatenate(parts)}


def with_ray_data(ray, paths: list[str], networks: str) -> int:
    ray.data.DataContext.get_current().enable_progress_bars = False
    found = (
        ray.data.from_items(
            [{"path": path} for path in paths], override_num_blocks=len(paths) // 64
        )
        .map_batches(decoded, batch_size=32, num_cpus=0.5)
        .map_batches(
            Network,
            batch_size=32,
            compute=ray.data.ActorPoolStrategy(size=1),
            num_cpus=1,
            fn_constructor_args=(networks,),
        )
    )
    return sum(len(batch["key"]) for batch in found.iter_batches(batch_size=256))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--images", type=int, default=1000)
    options = parser.parse_args()
    print(machine())
    every = sorted(str(path) for path in Path(options.folder).rglob("*.jpg"))
    every = [every[i] for i in np.random.default_rng(0).permutation(len(every))]
    few, many = every[: options.images // 4], every[: options.images]
    with tempfile.TemporaryDirectory() as work, connected(None) as ray:
        networks = f"{work}/networks"
        with_ray_data(ray, few[:64], networks)  # the network is converted

        def extract(paths: list[str]) -> None:
            cache = f"{work}/{len(paths)}"
            cluster = Cluster(workers=1, cores=2)
            bb.extract(
                paths, EXTRACTOR, cache=cache, precision="float32", progress=False, cluster=cluster
            )

        costs = {}
        for name, run in (
            ("Ray Data", lambda paths: with_ray_data(ray, paths, networks)),
            ("--ray", extract),
        ):
            for paths in (few, many):
                start = time.perf_counter()
                with CpuTime(*_tree(os.getpid())) as cpu:
                    run(paths)
                    wall_s = time.perf_counter() - start
                    time.sleep(1)
                costs[name, len(paths)] = wall_s, cpu.seconds
                print(f"{name}, {len(paths):,} images: {wall_s:.1f} s, CPU {cpu.seconds:.1f} s")
    n = len(many) - len(few)
    each = {
        name: [
            (b - a) / n for a, b in zip(costs[name, len(few)], costs[name, len(many)], strict=True)
        ]
        for name in ("Ray Data", "--ray")
    }
    for name, (wall_s, cpu_s) in each.items():
        print(f"{name}: {1e3 * wall_s:.2f} ms, CPU {1e3 * cpu_s:.2f} ms for each further image")
    print(f"ratio of CPU times: {each['Ray Data'][1] / each['--ray'][1]:.2f}")


if __name__ == "__main__":
    main()
