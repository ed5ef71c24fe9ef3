"""How much of a machine a server needs: requests per second and memory, by cores.

    python benchmarks/service_sizing.py photos/
    python benchmarks/service_sizing.py photos/ --extractor mobilenet_v2 --cores 1,2 --rounds 5

Each server runs on so many cores (Linux) and is idle while another is measured; their rounds are
interleaved. The load comes from a process on the same machine, on whichever core is free. Memory is
that of all processes of the server, as a container without other programs would count it: what is
their own, and the files (libraries) of the process that has most of them in memory.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from machine import machine
from service_load import load, multipart

import bottlebank as bb

PHOTOGRAPHS = 300


class Running(NamedTuple):
    process: subprocess.Popen[str]
    port: int
    ready_s: float


def main() -> None:
    parser = argparse.ArgumentParser(description="Requests per second and memory, by cores.")
    parser.add_argument("data", help="a folder per class, of JPEG files")
    parser.add_argument("--extractor", default="efficientnet_lite0")
    parser.add_argument("--cores", default="1,2", help="numbers of cores, separated by commas")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0)
    arguments = parser.parse_args()
    numbers = [int(number) for number in arguments.cores.split(",")]
    paths = sorted(Path(arguments.data).rglob("*.jpg"))[:PHOTOGRAPHS]
    bodies = [multipart(path.read_bytes()) for path in paths]
    with tempfile.TemporaryDirectory(prefix="bottlebank-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        head, cache = folder / "head.h5", folder / "cache"
        command = ["-m", "bottlebank", "train", arguments.data, "--extractor", arguments.extractor]
        command += ["--cache", str(cache), "--output", str(head)]
        subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
        print(
            f"{len(paths)} photographs of {sum(map(len, bodies)) / len(bodies) / 1000:.0f} kB, "
            f"{arguments.extractor}, {arguments.connections} connections, {arguments.rounds} "
            f"rounds of {arguments.seconds:g} s; {machine()}",
            flush=True,
        )
        servers = {n: stack.enter_context(server_on(n, head, cache, folder)) for n in numbers}
        idle = {n: memory_mb(server.process.pid) for n, server in servers.items()}
        rates: dict[int, list[float]] = {n: [] for n in numbers}
        p99_ms: dict[int, list[float]] = {n: [] for n in numbers}
        cpu_ms: dict[int, list[float]] = {n: [] for n in numbers}
        for number in range(arguments.rounds + 1):
            for n in numbers[:: -1 if number % 2 else 1]:
                before = cpu_s(servers[n].process.pid)
                result = load("127.0.0.1", servers[n].port, bodies, arguments.connections,
                              arguments.seconds)  # fmt: skip
                if set(result.statuses) != {200}:
                    raise SystemExit(f"{n} cores: answers of status {dict(result.statuses)}")
                if number == 0:
                    continue  # to warm up
                rates[n].append(result.requests / result.seconds)
                p99_ms[n].append(1000 * float(np.percentile(result.latencies_s, 99)))
                used_s = cpu_s(servers[n].process.pid) - before
                cpu_ms[n].append(1000 * used_s / result.requests)
        print("| cores | requests/s | ratio | p99 | CPU per request | ready | idle | loaded |")
        print("|---|---|---|---|---|---|---|---|")
        for n, server in servers.items():
            ratios = [mine / first for mine, first in zip(rates[n], rates[numbers[0]], strict=True)]
            print(
                f"| {n} | {spread(rates[n])} | {statistics.median(ratios):.2f} | "
                f"{spread(p99_ms[n])} ms | {spread(cpu_ms[n])} ms | {server.ready_s:.1f} s | "
                f"{idle[n]:.0f} MB | {memory_mb(server.process.pid):.0f} MB |"
            )


@contextlib.contextmanager
def server_on(n_cores: int, head: Path, cache: Path, folder: Path) -> Iterator[Running]:
    cores = sorted(os.sched_getaffinity(0))[:n_cores]
    command = [sys.executable, "-m", "bottlebank", "serve", "--head", str(head), "--port", "0"]
    started = time.monotonic()
    with (folder / f"log-{n_cores}").open("w") as log:
        process = subprocess.Popen(
            [*command, "--cache", str(cache)],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
    try:
        line = process.stdout.readline() if process.stdout else ""
        found = re.search(r":(\d+)/", line)
        if found is None:
            raise SystemExit(f"the server did not start: {line}")
        ready_s = time.monotonic() - started
        urllib.request.urlopen(f"http://127.0.0.1:{found[1]}/readyz").read()
        yield Running(process, int(found[1]), ready_s)
    finally:
        process.terminate()
        process.wait()


def tree(pid: int) -> list[int]:
    """A process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in tree(int(child)))]


def memory_mb(pid: int) -> float:
    own, files = 0, 0
    for each in tree(pid):
        rollup = Path(f"/proc/{each}/smaps_rollup").read_text()
        kilobytes = dict(re.findall(r"(?m)^(\w+):\s+(\d+) kB", rollup))
        own += int(kilobytes["Anonymous"])
        files = max(files, int(kilobytes["Rss"]) - int(kilobytes["Anonymous"]))
    return (own + files) * 1024 / 1e6


def cpu_s(pid: int) -> float:
    ticks = 0
    for each in tree(pid):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):.0f} [{min(values):.0f}, {max(values):.0f}]"


if __name__ == "__main__":
    print(f"bottlebank {bb.__version__}")
    main()
