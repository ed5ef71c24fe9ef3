"""How much memory extraction takes, all processes together, in a container and outside of one.

    python benchmarks/memory.py photos/

Photographs, and among them pictures of 24 and 108 megapixels in several formats, which are made in
a folder that is removed in the end. Each row is a process of its own with an empty cache. What is
measured is the sum of the proportional set sizes (PSS) of it and its children, in which memory that
several share counts once, every 20 ms; so a shorter peak can be missed.

- machine: as installed, with all cores and all memory.
- unbounded: the same with --memory 1T, so that each process may take 4 GiB.
- container: what a control group with one processor and 1 GiB says is put in the place of what the
  machine says. Nobody is killed beyond it; the peak is to stay below.

The network is converted before, since TensorFlow takes more than 1 GiB. Linux alone.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from machine import machine
from PIL import Image

GIB = 1 << 30
LARGE_PX = (6_000, 4_000)
HUGE_PX = (12_000, 9_000)
FORMATS: dict[str, dict[str, Any]] = {
    "baseline.jpg": {},
    "progressive.jpg": {"progressive": True},
    "opaque.png": {"compress_level": 1},
    "transparent.png": {"compress_level": 1},
    "large.tif": {},
    "large.bmp": {},
    "large.ppm": {},
}
"""By name, what Pillow is to save them with."""
EVERY_S = 0.02
IN_CONTAINER = """
import sys
from pathlib import Path
from bottlebank import hardware
from bottlebank.__main__ import run
folder = Path(sys.argv.pop(1))
hardware._GROUPS, hardware._GROUPS_AT = folder / "cgroup", folder
sys.exit(run())
"""


class Measured(NamedTuple):
    """What a run has taken, in bytes, and what it has answered."""

    peak: int
    of_main: int
    n_processes: int
    seconds: float
    answer: dict[str, int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="a folder with photographs, at any depth")
    parser.add_argument("--extractor", default="efficientnet_lite0")
    parser.add_argument("--images", type=int, default=300)
    arguments = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        found = arguments.data.rglob("*")
        photographs = sorted(path for path in found if path.suffix in (".jpg", ".png"))
        one, data = root / "one", root / "data"
        make(one / "all", photographs[:1], {})
        make(data / "all", photographs[: arguments.images], FORMATS)
        print(f"{arguments.images} photographs, and pictures of 24 and 108 megapixels")
        extract = ["extract", "--extractor", arguments.extractor]
        convert = [*extract, str(one), "--cache", str(root / "converted")]
        subprocess.run([sys.executable, "-m", "bottlebank", *convert], check=True)
        print("| | peak, MiB | of the main process | processes | extracted | rejected | seconds |")
        print("|---|---|---|---|---|---|---|")
        ways = {
            "machine": [],
            "unbounded": ["--memory", "1T"],
            "container": [],
        }
        for name, options in ways.items():
            found = measured(root, [*extract, str(data), *options], name == "container")
            print(
                f"| {name} | {found.peak >> 20} | {found.of_main >> 20} | {found.n_processes} | "
                f"{found.answer['extracted']} | {found.answer['rejected']} | {found.seconds:.1f} |",
                flush=True,
            )


def make(folder: Path, photographs: Sequence[Path], formats: Mapping[str, dict[str, Any]]) -> None:
    """Fill a folder with photographs, and a picture of each large size and format among them."""
    folder.mkdir(parents=True)
    for number, path in enumerate(photographs):
        shutil.copy(path, folder / f"{number:04d}{path.suffix}")
    for size_px in (LARGE_PX, HUGE_PX) if formats else ():
        squares = picture(size_px)
        for number, (name, options) in enumerate(formats.items()):
            mode = "RGBA" if name == "transparent.png" else "RGB"
            squares.convert(mode).save(folder / f"{number * 40:04d} {size_px[0]} {name}", **options)


def picture(size_px: tuple[int, int]) -> Image.Image:
    """Coloured squares of 10×10 pixels."""
    width, height = (side // 10 for side in size_px)
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(noise).resize(size_px, Image.Resampling.NEAREST)


def measured(root: Path, command: list[str], in_container: bool) -> Measured:
    """Run a command of bottlebank with an empty cache, and look at what it takes."""
    cache = root / "cache"
    shutil.copytree(root / "converted" / "networks", cache / "networks")
    start = ["-m", "bottlebank"]
    if in_container:
        start = ["-c", IN_CONTAINER, str(container(root / "groups"))]
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *start, *command, "--cache", str(cache), "--json"],
        stdout=subprocess.PIPE,
    )
    peak = of_main = n_processes = 0
    while process.poll() is None:
        sizes = [pss_of(pid) for pid in tree_of(process.pid)]
        peak, of_main = max(peak, sum(sizes)), max(of_main, *sizes[:1], 0)
        n_processes = max(n_processes, len(sizes))
        time.sleep(EVERY_S)
    seconds = time.perf_counter() - began
    assert process.stdout is not None
    answer = json.load(process.stdout)
    process.stdout.close()
    shutil.rmtree(cache)
    return Measured(peak, of_main, n_processes, seconds, answer)


def container(folder: Path) -> Path:
    """The files of a control group, as a container with one processor and 1 GiB sees them."""
    folder.mkdir(exist_ok=True)
    texts = {
        "cgroup": "0::/\n",
        "cpu.max": "100000 100000\n",
        "memory.max": f"{GIB}\n",
        "memory.high": "max\n",
        "memory.current": f"{70 << 20}\n",  # as Python takes with the libraries of a command
        "memory.stat": "inactive_file 0\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    return folder


def tree_of(pid: int) -> Iterator[int]:
    """A process and those that it has started."""
    yield pid
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from tree_of(int(child))
    except OSError:  # it has ended meanwhile
        return


def pss_of(pid: int) -> int:
    """Proportional set size in bytes; 0 where the process has ended."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) << 10
    except OSError:
        pass
    return 0


if __name__ == "__main__":
    main()
