"""How much memory extraction takes, all processes together, in a container and outside of one.

    python benchmarks/memory.py photos/

Photographs, and among them a few pictures of 108 megapixels in several formats, which are made in a
folder that is removed in the end. Each row is a process of its own with an empty cache. What is
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
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from machine import machine
from PIL import Image

GIB = 1 << 30
SIZE_PX = (12_000, 9_000)
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
        data = root / "data"
        n_large = make(data / "all", arguments.data, arguments.images)
        print(f"{arguments.images} photographs and {n_large} pictures of {SIZE_PX[0]}×{SIZE_PX[1]}")
        extract = ["extract", "--extractor", arguments.extractor]
        one = root / "one"
        shutil.copytree(data, one, ignore=lambda _, names: set(names) - {"all", "0000.jpg"})
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


def make(data: Path, photographs: Path, n_images: int) -> int:
    """Fill a folder with photographs and large pictures among them; how many of the latter."""
    data.mkdir(parents=True)
    found = sorted(path for path in photographs.rglob("*") if path.suffix == ".jpg")
    for number, path in enumerate(found[:n_images]):
        shutil.copy(path, data / f"{number:04d}.jpg")
    width, height = SIZE_PX
    noise = np.random.default_rng(0).integers(0, 256, (height // 10, width // 10, 3), np.uint8)
    picture = Image.fromarray(noise).resize(SIZE_PX, Image.Resampling.NEAREST)
    large = {
        "0050 baseline.jpg": {},
        "0100 progressive.jpg": {"progressive": True},
        "0150.png": {"compress_level": 1},
        "0200 transparent.png": {"compress_level": 1},
        "0250.tif": {},
        "0260.bmp": {},
        "0270.ppm": {},
    }
    for name, options in large.items():
        mode = "RGBA" if "transparent" in name else "RGB"
        picture.convert(mode).save(data / name, **options)
    return len(large)


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
