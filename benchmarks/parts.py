"""How much memory extraction takes of many images, and what is read again after a kill.

    python benchmarks/parts.py --extractor mobilenet_v2 --size 96

It makes 40 tar archives of small JPEGs, each with its class in a file .cls, and a Parquet list of
the same images; once with 1,000 images and once with 100,000. Of each it prints the peak of the
resident memory of the main process (VmHWM). The extraction of the many is killed (SIGKILL) when a
random share of them has rows, and resumed: what the second run opens is counted by strace, where
that is installed. In the end the cache must have each row once. Linux alone.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
from machine import machine
from PIL import Image

from bottlebank.cache import CacheFolder, Key

N_ARCHIVES = 40
SIDE_PX = 96
EVERY_S = 0.05


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--few", type=int, default=1_000)
    parser.add_argument("--extractor", default="efficientnet_lite0")
    parser.add_argument("--size", type=int)
    parser.add_argument("--only", choices=["tars", "list"])
    parser.add_argument("--folder", type=Path, help="where the archives are made, and kept")
    parser.add_argument("--seed", type=int, help="of the moments of the kills")
    arguments = parser.parse_args()
    print(machine(), flush=True)
    moments = random.Random(arguments.seed)
    options = ["--extractor", arguments.extractor]
    options += [] if arguments.size is None else ["--size", str(arguments.size)]
    with tempfile.TemporaryDirectory() as temporary:
        root = arguments.folder or Path(temporary)
        few, many = root / f"{arguments.few}", root / f"{arguments.images}"
        contents = make(many, arguments.images)
        make(few, arguments.few)
        caches = Path(temporary)
        Extraction(few / "tars", caches / "first", options).finish()  # converts the network
        for form in ["tars", "list"] if arguments.only is None else [arguments.only]:
            name = "tars" if form == "tars" else "list.parquet"
            of_few = Extraction(few / name, prepared(caches, f"{form}-few"), options)
            of_few.finish()
            cache = prepared(caches, f"{form}-many")
            killed = Extraction(many / name, cache, options)
            killed.kill_when(moments.uniform(0.2, 0.8), arguments.images)
            rows = rows_in(cache)
            finished = {
                archive
                for archive, hashes in contents.items()
                if all(Key(bytes.fromhex(each)) in rows for each in hashes)
            }
            print(
                f"{form}: killed after {killed.seconds:.0f} s with {len(rows):,} rows; all images "
                f"of {len(finished)} archives have theirs"
            )
            opened = resumed_under_strace(many / name, cache, options)
            resumed = opened.extraction
            again = {name: n for name, n in opened.archives.items() if name in finished}
            rows = rows_in(cache)
            peak = max(killed.peak, resumed.peak)
            print(
                f"{form}: resumed in {resumed.seconds:.0f} s; {resumed.answer['extracted']:,} "
                f"extracted, {resumed.answer['cached']:,} cached; opened "
                f"{sum(opened.archives.values()):,} times: {len(opened.archives)} archives, of the "
                f"finished ones {len(again)}"
            )
            print(f"{form}: {rows.n_stored:,} rows stored, {len(rows):,} different")
            third = Extraction(many / name, cache, options)
            third.finish()
            print(
                f"{form}: a run with nothing to do takes {third.seconds:.1f} s, "
                f"{third.peak >> 20} MiB"
            )
            print(
                f"{form}: peak {of_few.peak / (1 << 20):.1f} MiB for {arguments.few:,} images, "
                f"{peak / (1 << 20):.1f} MiB for {arguments.images:,}: "
                f"{peak / of_few.peak:.3f} times as much",
                flush=True,
            )


def make(folder: Path, n_images: int) -> dict[str, list[str]]:
    """Archives and their list, unless they are there; the hashes of the images in each archive."""
    known = folder / "contents.json"
    if known.exists():
        return json.loads(known.read_text())
    (folder / "tars").mkdir(parents=True)
    drawn = np.random.default_rng(n_images)
    contents: dict[str, list[str]] = {}
    paths: list[str] = []
    for number in range(N_ARCHIVES):
        name = f"photos-{number:04d}.tar"
        hashes = contents.setdefault(name, [])
        with tarfile.open(folder / "tars" / name, "w") as archive:
            for image in range(
                number * n_images // N_ARCHIVES, (number + 1) * n_images // N_ARCHIVES
            ):
                data = picture(drawn)
                hashes.append(hashlib.sha256(data).hexdigest())
                paths.append(f"tars/{name}/{image:07d}.jpg")
                add(archive, f"{image:07d}.cls", str(image % 10).encode())
                add(archive, f"{image:07d}.jpg", data)
    labels = [str(image % 10) for image in range(n_images)]
    table = pyarrow.table({"path": paths, "label": labels})
    pyarrow.parquet.write_table(table, folder / "list.parquet")
    known.write_text(json.dumps(contents))
    return contents


def picture(drawn: np.random.Generator) -> bytes:
    """A JPEG of coloured patches."""
    patches = Image.fromarray(drawn.integers(0, 256, (8, 8, 3), np.uint8))
    buffer = io.BytesIO()
    patches.resize((SIDE_PX, SIDE_PX), Image.Resampling.BILINEAR).save(buffer, "JPEG")
    return buffer.getvalue()


def add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))


def prepared(caches: Path, name: str) -> Path:
    """An empty cache with the converted network."""
    shutil.copytree(caches / "first" / "networks", caches / name / "networks")
    return caches / name


def rows_in(cache: Path):
    with CacheFolder(cache) as folder:
        [fingerprint] = folder.fingerprints()
        [variant] = folder.variants(fingerprint)
        return folder.open(fingerprint, variant)


class Extraction:
    """A process that extracts."""

    def __init__(
        self, data: Path, cache: Path, options: Sequence[str], under: Sequence[str] = ()
    ) -> None:
        self._cache = cache
        self._began, self.seconds, self.peak = time.perf_counter(), 0.0, 0
        command = ["-m", "bottlebank", "extract", str(data), "--cache", str(cache), "--json"]
        self._process = subprocess.Popen(
            [*under, sys.executable, *command, *options], stdout=subprocess.PIPE
        )
        self._is_traced = bool(under)

    def finish(self) -> None:
        """Wait for it, and look at what it takes."""
        while self._process.poll() is None:
            self._look()
            time.sleep(EVERY_S)
        self.seconds = time.perf_counter() - self._began
        assert self._process.stdout is not None
        self.answer = json.load(self._process.stdout)
        self._process.stdout.close()

    def kill_when(self, share: float, n_images: int) -> None:
        """Kill it when that share of the images has rows."""
        rows = 0
        while self._process.poll() is None and rows < share * n_images:
            self._look()
            time.sleep(EVERY_S)
            shards = [*self._cache.glob("*/*/*.h5")]
            rows = 2048 * len(shards)
        time.sleep(random.uniform(0, 2))
        self._look()
        self._process.send_signal(signal.SIGKILL)
        self._process.communicate()
        self.seconds = time.perf_counter() - self._began

    def _look(self) -> None:
        pid = self._process.pid
        try:
            if self._is_traced:
                pid = int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    self.peak = max(self.peak, int(line.split()[1]) << 10)
        except (OSError, IndexError):
            return


class Opened:
    """What a run has opened."""

    def __init__(self, extraction: Extraction, archives: Counter[str]) -> None:
        self.extraction, self.archives = extraction, archives


def resumed_under_strace(data: Path, cache: Path, options: Sequence[str]) -> Opened:
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "opened"
        under = []
        if shutil.which("strace"):
            under = [
                "strace",
                "-f",
                "-qq",
                "--seccomp-bpf",
                "-e",
                "trace=openat,open",
                "-o",
                str(log),
            ]
        extraction = Extraction(data, cache, options, under)
        extraction.finish()
        archives: Counter[str] = Counter()
        if log.exists():
            for line in log.read_text(errors="replace").splitlines():
                if '.tar"' in line:
                    archives[Path(line.split('"')[1]).name] += 1
        return Opened(extraction, archives)


if __name__ == "__main__":
    main()
