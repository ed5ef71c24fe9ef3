"""How extraction gets faster with the cores, from one to all, and on a GPU where there is one.

    python benchmarks/scaling.py photos/
    python benchmarks/scaling.py photos/ --streams

As many different photographs as it takes are made of a few hundred, by appending 8 bytes to each,
in a folder that is removed in the end. Each measurement is a process of its own that may run on
that many cores only; threads of one core are taken together. The rounds go up and down through all
numbers of cores. The table holds medians, and ratios within a round:

- independent processes: as many as there are cores, which read, hash and decode and hand nothing
  over. It is the bound of everything behind it.
- PyTorch DataLoader: as many workers, which read and decode with Pillow, and no network: the most
  that a network behind it can get. Where torch is installed.
- nothing: `bb.extract` with a network that does nothing.
- OpenVINO and ONNX Runtime: `bb.extract` on the CPU; on the GPU, where these libraries find one.

The bound is, with no network, the independent processes. On the CPU it is what cores can do that
decode and compute in turn: 1 / (1 / independent + 1 / network alone). On a GPU it is the lower of
the two. Linearity is the speed over that of 2 cores times half as many. The processor time is that
of the parent process and of its main thread; the former contains a network on the CPU.

With --streams, OpenVINO on all cores, with fewer streams of more threads and fewer decoders.

Every measurement is printed on stderr as soon as it is there, and the table also when the run is
stopped, or when --minutes are over.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from machine import gpu, machine

import bottlebank as bb
from bottlebank.formatting import counted
from bottlebank.hardware import available_cores

RUN = Path(__file__).with_name("scaling_run.py")
IMAGES_PER_CORE = 2000
SOURCES = 400
TIMEOUT_S = 300
HAS_AFFINITY = hasattr(os, "sched_setaffinity")
"""Elsewhere only all cores are measured."""


class Way(NamedTuple):
    """What is measured, in how many of the photographs, with which settings of `scaling_run`."""

    name: str
    share: float
    settings: dict[str, Any]

    @property
    def on_gpu(self) -> bool:
        return self.settings.get("on_gpu", False)


BOUND = Way("independent processes", 1, {"way": "independent"})
WAYS = [
    Way("PyTorch DataLoader", 0.25, {"way": "loader"}),
    BOUND,
    Way("nothing", 1, {"way": "nothing"}),
    Way("OpenVINO", 0.5, {"way": "network", "engine": "openvino"}),
    Way(
        "ONNX Runtime",
        0.125,
        {"way": "network", "engine": "onnxruntime", "precision": "float32"},
    ),
]
GPU_WAYS = [
    Way(
        f"{title} on the GPU, {precision}",
        1,
        {"way": "network", "engine": engine, "precision": precision, "on_gpu": True},
    )
    for title, engine, precision in (
        ("ONNX Runtime", "onnxruntime", "float16"),
        ("ONNX Runtime", "onnxruntime", "float32"),
        ("TensorFlow", "tensorflow", "bfloat16"),
    )
]
COLUMNS = (
    "",
    "cores",
    "images/s",
    "of the bound",
    "linearity",
    "network alone",
    "parent, ms",
    "its main thread, ms",
)
Found = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="a folder per class")
    parser.add_argument("--extractor", default="efficientnet_lite0")
    parser.add_argument("--cores", type=int, nargs="+", help="by default 1, 2, 4, … and all")
    parser.add_argument("--copies", type=int, help="different photographs, where all cores work")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=6, help="nothing is begun after these")
    names = [way.name for way in (*WAYS, *GPU_WAYS)]
    parser.add_argument("--only", nargs="+", choices=names, help="and independent processes")
    parser.add_argument("--streams", action="store_true", help="ways to divide the cores")
    arguments = parser.parse_args()
    cores = sorted(arguments.cores or doubled(available_cores()))
    if cores[0] < 1 or cores[-1] > available_cores():
        parser.error(f"--cores {cores}: there are {available_cores()}")
    if arguments.streams or not HAS_AFFINITY:
        cores = cores[-1:]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    with tempfile.TemporaryDirectory(prefix="bottlebank-") as name:
        series = Series(arguments, cores, Path(name))
        try:
            series.run()
        finally:
            series.print_table()


class Series:
    """All measurements of a run."""

    def __init__(self, arguments: argparse.Namespace, cores: Sequence[int], folder: Path) -> None:
        self._arguments, self._cores = arguments, cores
        self._photos, self._networks = folder / "photos", folder / "networks"
        self._copies = arguments.copies or IMAGES_PER_CORE * cores[-1]
        self._end = time.monotonic() + 60 * arguments.minutes
        self._ways = streams(cores[-1]) if arguments.streams else WAYS
        if gpu() and not arguments.streams:
            self._ways = [*WAYS, *GPU_WAYS]
        if arguments.only:
            self._ways = [way for way in self._ways if way.name in (BOUND.name, *arguments.only)]
        self._found: dict[tuple[str, int], dict[int, Found]] = {}
        self._took: dict[tuple[str, int], float] = {}
        self._left_out: dict[str, str] = {}

    def run(self) -> None:
        """Up and down through all of them, all cores first."""
        copy_photographs(self._arguments.data, self._photos, self._copies)
        self._networks.mkdir()
        print(
            f"{self._copies} photographs, {self._arguments.extractor}, "
            f"{counted(self._arguments.rounds, 'round')}; {machine()}",
            flush=True,
        )
        every = [(way, n_cores) for n_cores in reversed(self._cores) for way in self._ways]
        for number in range(self._arguments.rounds):
            for way, n_cores in every[:: -1 if number % 2 else 1]:
                if way.name not in self._left_out:
                    self._measure(number, way, n_cores)

    def _measure(self, number: int, way: Way, n_cores: int) -> None:
        key = way.name, n_cores
        start = time.monotonic()
        if start + self._took.get(key, 0) > self._end:
            return
        task = {
            "folder": str(self._photos),
            "n_images": round(self._copies * way.share * n_cores / self._cores[-1]),
            "extractor": self._arguments.extractor,
            "networks": str(self._networks),
            **way.settings,
        }
        where = f"round {number + 1}, {n_cores} cores, {way.name}"
        try:
            found = measured(task, n_cores)
        except RuntimeError as error:
            self._left_out[way.name] = str(error)
            print(f"{where}: {error}", file=sys.stderr, flush=True)
            return
        self._took[key] = time.monotonic() - start
        self._found.setdefault(key, {})[number] = found
        told = ", ".join(
            f"{name} {value:.3f}" if isinstance(value, float) else f"{name} {value}"
            for name, value in found.items()
        )
        print(f"{where}: {told}", file=sys.stderr, flush=True)

    def print_table(self) -> None:
        """Medians, and ratios within a round."""
        print(f"\n| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
        for way in self._ways:
            for n_cores in self._cores:
                if rounds := self._found.get((way.name, n_cores)):
                    print(self._row(way, n_cores, rounds))
        for name, reason in self._left_out.items():
            print(f"({name} is left out: {reason})")

    def _row(self, way: Way, n_cores: int, rounds: dict[int, Found]) -> str:
        bounds = self._found.get((BOUND.name, n_cores), {})
        pairs = self._found.get((way.name, 2), {})
        of_bound = [
            found["images_per_s"] / bound(found, bounds[number]["images_per_s"], way)
            for number, found in rounds.items()
            if way is not BOUND and number in bounds
        ]
        linear = [
            found["images_per_s"] / (pairs[number]["images_per_s"] * n_cores / 2)
            for number, found in rounds.items()
            if n_cores != 2 and number in pairs
        ]
        precisions = {found.get("precision") for found in rounds.values()} - {None}
        name = f"{way.name}, {precisions.pop()}" if precisions and not way.on_gpu else way.name

        def of(key: str) -> list[float]:
            return [found[key] for found in rounds.values() if key in found]

        cells = [
            name,
            str(n_cores),
            spread(of("images_per_s"), 0),
            spread(of_bound, 2),
            spread(linear, 2),
            spread(of("network_per_s"), 0),
            spread(of("process_ms"), 3),
            spread(of("thread_ms"), 3),
        ]
        return f"| {' | '.join(cells)} |"


def bound(found: Found, decoding: float, way: Way) -> float:
    if "network_per_s" not in found:
        return decoding
    if way.on_gpu:
        return min(decoding, found["network_per_s"])
    return 1 / (1 / decoding + 1 / found["network_per_s"])


def measured(task: dict[str, Any], n_cores: int) -> Found:
    """What `scaling_run` finds on `n_cores` cores; RuntimeError with the last line that it says."""
    with only_on(n_cores):
        process = subprocess.Popen(
            [sys.executable, str(RUN), json.dumps(task)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
    try:
        told, said = process.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"no end after {TIMEOUT_S} s") from error
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # also what it has started
        process.wait()
    if process.returncode:
        raise RuntimeError((said.strip().splitlines() or ["no reason is given"])[-1])
    return json.loads(told.splitlines()[-1])


@contextlib.contextmanager
def only_on(n_cores: int) -> Iterator[None]:
    """What is started in the block may run on `n_cores` cores only."""
    if not HAS_AFFINITY:
        yield
        return
    every = os.sched_getaffinity(0)
    os.sched_setaffinity(0, in_order(every)[:n_cores])
    try:
        yield
    finally:
        os.sched_setaffinity(0, every)


def in_order(cpus: Iterable[int]) -> list[int]:
    """The threads of one core beside one another, so that two cores and all are comparable."""

    def siblings(cpu: int) -> str:
        path = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        return path.read_text().strip() if path.exists() else str(cpu)

    groups: dict[str, list[int]] = {}
    for cpu in sorted(cpus):
        groups.setdefault(siblings(cpu), []).append(cpu)
    return [cpu for group in groups.values() for cpu in group]


def streams(n_cores: int) -> list[Way]:
    """Ways to divide the cores: as many or fewer streams of OpenVINO, and decoders."""
    fewer = [n for n in reversed(doubled(n_cores)) if n * 8 >= n_cores]
    return [
        BOUND,
        *(
            Way(
                f"OpenVINO, {n_streams} streams of {n_cores} threads in all, {decoders} decoders",
                0.25,
                {
                    "way": "network",
                    "engine": "openvino",
                    "streams": n_streams,
                    "decoders": decoders,
                },
            )
            for n_streams in fewer
            for decoders in fewer[:3]
        ),
    ]


def copy_photographs(source: str, target: Path, n_copies: int) -> None:
    """Different files of the same pictures, evenly of all classes."""
    paths = bb.load_dataset(source).paths
    paths = paths[:: max(1, len(paths) // SOURCES)]
    contents = [Path(path).read_bytes() for path in paths]
    target.mkdir()
    for number in range(n_copies):
        file = target / f"{number:06d}{Path(paths[number % len(paths)]).suffix}"
        file.write_bytes(contents[number % len(contents)] + number.to_bytes(8, "big"))
    os.sync()


def doubled(n_cores: int) -> list[int]:
    """1, 2, 4, … and all cores."""
    powers = [1 << exponent for exponent in range(n_cores.bit_length())]
    return sorted({*powers, n_cores})


def spread(values: Sequence[float], digits: int) -> str:
    if not values:
        return ""
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"{middle:,.{digits}f} [{low:,.{digits}f}, {high:,.{digits}f}]"


if __name__ == "__main__":
    main()
