"""The feature cache against plain NumPy files, in the same process and the same minute.

    python benchmarks/cache.py                     78,619 x 2048 float32; needs about 2 GB of disk
    python benchmarks/cache.py --rows 5000         a quick look

Each round does every job once, the cache and its peer one after the other, and the next round in
the opposite order. The table holds medians, and the lowest and highest of the rounds. The ratio is
the peer's time over the cache's, taken within each round: 1 is as fast as the peer, 0.5 takes
twice as long.

Reading starts from a closed cache (index and shards are opened) and from a warm page cache, with
every checksum on; it is `numpy.load` of the same array that is the peer, and for random order
`numpy.load` and taking the rows. Writing ends when all is on the disk: shards are committed every
2,048 rows with their fsyncs; the peer is one `numpy.save`, fsync of the file and of its folder.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import h5py
import numpy as np
from machine import machine, memory_and_system

from bottlebank.atomic_file import sync
from bottlebank.cache import CacheFolder, Key, content_of_bytes
from bottlebank.formatting import counted

FINGERPRINT = "b" * 64
VARIANT = "float32"
BATCH_SIZE = 16  # rows that an extraction adds at a time


def main() -> None:
    parser = argparse.ArgumentParser(description="The cache against numpy.load and numpy.save.")
    parser.add_argument("--rows", type=int, default=78_619)
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--index-rows", type=int, default=1_000_000, help="0 leaves it out")
    parser.add_argument("--look-ups", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, help="where the files go for a while")
    arguments = parser.parse_args()
    if arguments.folder is not None:
        arguments.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bottlebank-", dir=arguments.folder) as name:
        print(head_line(Path(name)))
        rows_and_files(Path(name), arguments.rows, arguments.width, arguments.rounds)
        if arguments.index_rows:
            index(Path(name), arguments.index_rows, arguments.look_ups, arguments.rounds)


def rows_and_files(folder: Path, n_rows: int, width: int, n_rounds: int) -> None:
    """Writing and reading whole arrays."""
    random = np.random.default_rng(0)
    features = random.standard_normal((n_rows, width), dtype=np.float32)
    keys = [Key(content_of_bytes(b"%d" % row)) for row in range(n_rows)]
    shuffle = random.permutation(n_rows)
    shuffled = [keys[row] for row in shuffle]
    file, root = folder / "features.npy", folder / "cache"
    n_bytes = features.nbytes
    print(f"\n{n_rows:,} x {width:,} float32, {n_bytes / 1e9:.2f} GB; {counted(n_rounds, 'round')}")

    def save() -> None:
        with file.open("wb") as handle:
            np.save(handle, features)
            handle.flush()
            os.fsync(handle.fileno())
        sync(folder)

    def remove() -> None:
        file.unlink(missing_ok=True)
        shutil.rmtree(root, ignore_errors=True)

    compare(
        "write, all fsyncs",
        lambda: write(root, keys, features),
        save,
        n_rounds,
        before=remove,
        n_bytes=n_bytes,
    )
    # Both are read once: the rounds start with a warm page cache.
    assert np.array_equal(read(root, keys), np.load(file)), "the cache returned other numbers"
    assert np.array_equal(read(root, shuffled), features[shuffle]), "rows in a wrong order"
    compare(
        "read, dataset order",
        lambda: read(root, keys),
        lambda: np.load(file),
        n_rounds,
        n_bytes=n_bytes,
    )
    compare(
        "read, random order",
        lambda: read(root, shuffled),
        lambda: np.load(file)[shuffle],
        n_rounds,
        n_bytes=n_bytes,
    )
    remove()


def index(folder: Path, n_rows: int, n_look_ups: int, n_rounds: int) -> None:
    """Starting with, and asking, an index of many rows; the shards are one number wide."""
    root = folder / "many"
    keys = [Key(content_of_bytes(b"%d" % row)) for row in range(n_rows)]
    write(root, keys, np.zeros((n_rows, 1), np.float32))
    random = np.random.default_rng(0)
    asked = [keys[row] for row in random.choice(n_rows, min(n_look_ups, n_rows), replace=False)]
    absent = [Key(content_of_bytes(b"absent %d" % number)) for number in range(len(asked))]
    del keys

    def start() -> None:
        with CacheFolder(root) as cache_folder:
            cache_folder.open(FINGERPRINT, VARIANT)

    def look_up(wanted: Sequence[Key]) -> Callable[[], int]:
        def ask() -> int:
            with CacheFolder(root) as cache_folder:
                cache = cache_folder.open(FINGERPRINT, VARIANT)
                return sum(key in cache for key in wanted)

        return ask

    assert look_up(asked)() == len(asked)
    assert look_up(absent)() == 0
    size_mb = (root / "index.sqlite").stat().st_size / 1e6
    print(f"\nindex of {n_rows:,} rows, {size_mb:.0f} MB; {counted(n_rounds, 'round')}")
    alone("start: open and compare with the folder", start, n_rounds)
    alone(f"find {len(asked):,} keys", look_up(asked), n_rounds)
    alone(f"find {len(absent):,} keys that are not there", look_up(absent), n_rounds)
    (root / "index.sqlite").unlink()
    alone("build it again from the shards", start, 1)
    shutil.rmtree(root)


def write(root: Path, keys: Sequence[Key], features: np.ndarray) -> None:
    with CacheFolder(root, create=True) as folder:
        cache = folder.open(FINGERPRINT, VARIANT)
        with cache.writer({"benchmark": "cache"}) as writer:
            for start in range(0, len(keys), BATCH_SIZE):
                part = slice(start, start + BATCH_SIZE)
                writer.extend(keys[part], [b""] * len(keys[part]), features[part])


def read(root: Path, keys: Sequence[Key]) -> np.ndarray:
    with CacheFolder(root) as folder:
        return folder.open(FINGERPRINT, VARIANT).rows(keys)


def compare(
    name: str,
    ours: Callable[[], object],
    peer: Callable[[], object],
    n_rounds: int,
    n_bytes: int,
    before: Callable[[], object] = lambda: None,
) -> None:
    """Time both in turn and print a row of the table."""
    ours_s, peer_s = [], []
    for number in range(n_rounds):
        before()
        for job, seconds in [(ours, ours_s), (peer, peer_s)][:: -1 if number % 2 else 1]:
            seconds.append(timed(job))
    ratios = [theirs / mine for mine, theirs in zip(ours_s, peer_s, strict=True)]
    print(
        f"  {name:<22} cache {spread(ours_s)} s ({n_bytes / 1e9 / statistics.median(ours_s):.2f} "
        f"GB/s)   NumPy {spread(peer_s)} s   ratio {spread(ratios, 2)}",
        flush=True,
    )


def alone(name: str, job: Callable[[], object], n_rounds: int) -> None:
    print(f"  {name:<42} {spread([timed(job) for _ in range(n_rounds)])} s", flush=True)


def timed(job: Callable[[], object]) -> float:
    start = time.perf_counter()
    answer = job()
    seconds = time.perf_counter() - start
    del answer  # giving the memory back is not part of the job
    return seconds


def spread(values: Sequence[float], digits: int = 3) -> str:
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"{middle:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def head_line(folder: Path) -> str:
    free_gb = shutil.disk_usage(folder).free / 1e9
    return (
        f"{machine()}; {memory_and_system()}; files in {folder} ({free_gb:.0f} GB free)\n"
        f"Python {platform.python_version()}, NumPy {np.__version__}, "
        f"h5py {h5py.__version__} with HDF5 {h5py.version.hdf5_version}"
    )


if __name__ == "__main__":
    main()
