"""Extraction on a Ray cluster of this machine against one process: rows, CPU time, chunks.

    python benchmarks/cluster.py photos/ --images 1000 3400 --workers 2

With `--s3` both keep their rows on an S3 server in this process, whose time does not count.

The cluster has `--nodes` nodes, each with processes of its own, on the loopback interface. CPU time
is that of all processes, Ray's included; by two numbers of images, start-up is told from what an
image costs. Each process that runs is looked at five times a second, so that those of less than
that are missed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(TESTS / "extraction" / "cluster"), str(TESTS / "cache" / "objects")]

from loopback_cluster import loopback_cluster  # noqa: E402
from machine import machine  # noqa: E402

_TICKS = os.sysconf("SC_CLK_TCK")


class CpuTime:
    """Seconds of CPU time of all processes that begin in a block, by their own children, too."""

    def __init__(self, *roots: int) -> None:
        self._roots, self._seen = set(roots), {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> CpuTime:
        self._look()
        self._before = dict(self._seen)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stopped.set()
        self._thread.join()
        self._look()
        self.seconds = (
            sum(ticks - self._before.get(process, 0) for process, ticks in self._seen.items())
            / _TICKS
        )

    def add(self, root: int) -> None:
        self._roots.add(root)

    def _watch(self) -> None:
        while not self._stopped.wait(0.2):
            self._look()

    def _look(self) -> None:
        parents, found = {}, {}
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                pid, fields = int(path.parent.name), path.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[pid] = int(fields[1])
            found[pid] = (int(fields[19]), int(fields[11]) + int(fields[12]))
        for pid, (begun, ticks) in found.items():
            above = pid
            while above > 1 and above not in self._roots:
                above = parents.get(above, 0)
            if above in self._roots:
                self._seen[pid, begun] = ticks


def child(arguments: dict) -> None:
    """One extraction; its report on stdout."""
    import bottlebank as bb
    from bottlebank.extraction.cluster import chunks
    from bottlebank.extraction.cluster.settings import Cluster

    cluster = None
    if arguments["workers"]:
        cluster = Cluster(arguments["address"], workers=arguments["workers"], cores=1)
    if arguments["chunk"]:
        chunks._FIRST = chunks._LEAST = chunks._MOST = arguments["chunk"]
    start = time.perf_counter()
    table = bb.extract(
        arguments["paths"],
        "efficientnet_lite0",
        cache=arguments["cache"],
        precision="float32",
        cluster=cluster,
        progress=False,
    )
    report = table.report
    print(
        json.dumps(
            {
                "wall_s": time.perf_counter() - start,
                "images_per_second": report.images_per_second,
                "startup_s": report.startup_seconds,
                "extracted": report.extracted,
                "driver_cpu_s": time.process_time(),
                "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
            }
        )
    )


def run(
    paths: list[str], cache: str, roots: list[int], address: str, workers: int, chunk: int = 0
) -> dict:
    """One extraction in a process of its own, with the CPU time of all that worked on it."""
    arguments = {
        "paths": paths,
        "cache": cache,
        "address": address,
        "workers": workers,
        "chunk": chunk,
    }
    with CpuTime(*roots) as cpu:
        process = subprocess.Popen(
            [sys.executable, __file__, "--child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        cpu.add(process.pid)
        out, _ = process.communicate(json.dumps(arguments))
        if process.returncode:
            raise SystemExit("an extraction failed")
        time.sleep(1)  # workers of the cluster end
    return {**json.loads(out.splitlines()[-1]), "cpu_s": cpu.seconds}


def rows_of(cache: str) -> dict[bytes, np.ndarray]:
    from bottlebank.cache import CacheFolder

    with CacheFolder(cache) as folder:
        [rows] = folder.all()
        keys = rows.keys()
        assert rows.n_stored == len(keys), "rows are there twice"
        return dict(zip((key.content for key in keys), rows.rows(keys), strict=True))


def on_s3(work: Path) -> str:
    """Start a server, and set all processes up for it; where caches go."""
    import s3fs
    from s3_server import BUCKET, S3Server

    os.environ |= {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": S3Server().url,
        "AWS_EC2_METADATA_DISABLED": "true",
        "XDG_CACHE_HOME": str(work / "platform"),
    }
    s3fs.S3FileSystem(skip_instance_cache=True).mkdir(BUCKET)
    return f"s3://{BUCKET}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--images", type=int, nargs=2, default=[1000, 3400])
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--more-workers", type=int, nargs="*", default=[1, 4])
    parser.add_argument("--s3", action="store_true")
    parser.add_argument("--child", action="store_true")
    options = parser.parse_args()
    if options.child:
        child(json.load(sys.stdin))
        return
    print(machine())
    every = sorted(str(path) for path in Path(options.folder).rglob("*.jpg"))
    every = [every[i] for i in np.random.default_rng(0).permutation(len(every))]
    work = Path(tempfile.mkdtemp(prefix="bottlebank-cluster-"))
    root = on_s3(work) if options.s3 else str(work)
    try:
        with loopback_cluster(options.nodes) as cluster:
            daemons = [pid for pid in _tree(os.getpid()) if pid != os.getpid()]
            costs = {}
            for kind, workers in (("one process", 0), ("cluster", options.workers)):
                for n in options.images:
                    cache = f"{root}/{workers}-{n}"
                    roots = daemons if workers else []
                    told = run(every[:n], cache, roots, cluster.address, workers)
                    costs[kind, n] = told
                    print(f"{kind}, {n:,} images: {json.dumps(told)}", flush=True)
            for workers in options.more_workers:
                told = run(
                    every[: options.images[1]], f"{root}/w{workers}", daemons,
                    cluster.address, workers,
                )  # fmt: skip
                print(f"{workers} workers: {json.dumps(told)}", flush=True)
            chunks = {}
            for size in (32, 512):
                n = options.images[0]
                told = run(every[:n], f"{root}/c{size}", daemons, cluster.address, 1, size)
                chunks[size] = told, -(-n // size)
                print(f"one worker, chunks of {size}: {json.dumps(told)}", flush=True)
        few, many = options.images
        per_image = {
            kind: (costs[kind, many]["cpu_s"] - costs[kind, few]["cpu_s"]) / (many - few)
            for kind in ("one process", "cluster")
        }
        ratio = per_image["cluster"] / per_image["one process"]
        print(
            f"CPU time for each further image: {1e3 * per_image['one process']:.2f} ms in one "
            f"process, {1e3 * per_image['cluster']:.2f} ms on the cluster, ratio {ratio:.3f}"
        )
        seconds = {
            size: n / told["images_per_second"] for size, (told, _) in chunks.items() for n in [few]
        }
        more = chunks[32][1] - chunks[512][1]
        print(f"a chunk costs {1e3 * (seconds[32] - seconds[512]) / more:.0f} ms")
        one, other = (rows_of(f"{root}/{w}-{many}") for w in (0, options.workers))
        assert one.keys() == other.keys()
        off = [float(np.abs(one[key] - other[key]).max()) for key in one]
        n_same = sum(np.array_equal(one[key], other[key]) for key in one)
        print(
            f"{n_same:,} of {len(one):,} rows are equal to the last bit; {max(off):.2g} at most off"
        )
    finally:
        shutil.rmtree(work)


def _tree(root: int) -> list[int]:
    found = [root]
    for pid in found:
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            found += [int(child) for child in task.read_text().split()]
    return found


if __name__ == "__main__":
    main()
