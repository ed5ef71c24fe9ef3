"""How a cache of millions of rows opens, answers, is pruned and searched, and in how much memory.

    python benchmarks/millions.py                           5,000,000 x 1280 float16: 14 GB of disk
    python benchmarks/millions.py --rows 500000 5000000     the growth from one to the other

The rows are made up and written by the cache's own writer; no network runs. The index remembers a
file for every row: 10,000 are there, the folder of 2,048 others is there without them, so that
`prune` removes their rows, and the folders of all others are gone, so that it keeps theirs. One
shard repeats the rows of another.

Every job runs in a process of its own. The table has its seconds by the clock and of processors,
the greatest memory that the process had (VmHWM) and, of jobs that read all rows, the ratio of the
clock to the time that it takes to read the same bytes from the files (`raw`), which comes first and
finds as much of them in the page cache as there is room for. With two sizes, *growth* is the ratio
of the processors' seconds over that of the rows: 1 is linear. Linux alone.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from machine import machine, memory_and_system

from bottlebank.auditing import audit
from bottlebank.cache import CacheFolder, FeatureCache, Key, Stamp, Variant, content_of_bytes
from bottlebank.extraction import FeatureTable
from bottlebank.extraction.feature_table import Report
from bottlebank.extraction.maintenance import describe, prune
from bottlebank.features import Recipe
from bottlebank.prediction import SimilarSearch, similar
from bottlebank.reports.layouts import lay_out
from bottlebank.training.within_memory import within_memory

WIDTH = 1280
SHARD_ROWS = 2048
THERE, GONE = 10_000, SHARD_ROWS
LOOK_UPS = 10_000
CLASSES = 1000
SAMPLE = 50_000
RANDOM_ROWS, TOGETHER = 200_000, 1024
"""Rows that are read at random, and how many of them at once, as a dense head does."""
AUDITED, AUDITED_CLASSES = 5_000, 10
READ_BYTES = 1 << 20
RECIPE = Recipe(
    extractor="efficientnet_lite0",
    architecture="made up",
    weights="none",
    weights_sha256="0" * 64,
    pooling="avg",
    width=WIDTH,
    input_size_px=224,
    fit="squash",
    resize="pil_antialias",
    pixel_scaling="none",
    decoder_version=1,
)


class Made(NamedTuple):
    """A cache that was made for this."""

    root: Path
    n_rows: int
    store: str

    @property
    def variant(self) -> str:
        return Variant("float32", self.store).name

    def open(self, folder: CacheFolder) -> FeatureCache:
        return folder.open(RECIPE.fingerprint, self.variant)

    def photo(self, row: int) -> str:
        """The path of an image."""
        if row < THERE + GONE:
            kind = "there" if row < THERE else "gone"
            return f"{self.root}/photos/{kind}/{row:08d}.jpg"
        return f"{self.root}/not mounted/train/class {row % CLASSES:04d}/IMG_{row:08d}.jpg"


class Clock:
    """What a job takes, from here on."""

    def __init__(self) -> None:
        self._start = time.perf_counter(), time.process_time()

    def read(self) -> dict[str, Any]:
        seconds, of_processors = time.perf_counter(), time.process_time()
        return {
            "seconds": seconds - self._start[0],
            "of_processors": of_processors - self._start[1],
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[5_000_000])
    parser.add_argument("--store", choices=["float16", "float32"], default="float16")
    parser.add_argument("--folder", type=Path, help="where the caches go for a while")
    parser.add_argument("--only", nargs="*", default=[], choices=list(JOBS))
    parser.add_argument("--keep", action="store_true", help="leave the caches for the next run")
    parser.add_argument("--job", choices=["make", *JOBS], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.job:
        made = Made(arguments.folder, arguments.rows[0], arguments.store)
        jobs: dict[str, Callable[[Made], dict[str, Any]]] = {"make": make, **JOBS}
        print(json.dumps({**jobs[arguments.job](made), "peak": peak_bytes()}))
        return
    print(f"{machine()}; {memory_and_system()}")
    with tempfile.TemporaryDirectory(prefix="millions-", dir=arguments.folder) as scratch:
        folder = arguments.folder if arguments.keep else Path(scratch)
        found = {
            n_rows: measured(folder / f"{n_rows}-{arguments.store}", n_rows, arguments)
            for n_rows in sorted(arguments.rows)
        }
    for line in table_of(found):
        print(line)


def measured(root: Path, n_rows: int, arguments: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """What each job answered, on one cache, which is removed again."""
    here = [sys.executable, __file__, "--store", arguments.store, "--rows", str(n_rows)]
    jobs = [name for name in JOBS if name in arguments.only or not arguments.only]
    if not root.exists():
        jobs.insert(0, "make")
    found: dict[str, dict[str, Any]] = {}
    for job in jobs:
        command = [*here, "--folder", str(root), "--job", job]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            print(f"{job}: ended with {done.returncode}", file=sys.stderr)
            continue
        found[job] = json.loads(done.stdout.splitlines()[-1])
        print(f"{n_rows:,} {job}: {found[job]}", file=sys.stderr, flush=True)
    if not arguments.keep:
        shutil.rmtree(root)
    return found


def table_of(found: dict[int, dict[str, dict[str, Any]]]) -> Iterator[str]:
    """In Markdown."""
    yield "| rows | job | seconds | of processors | peak, MiB | over raw | growth | |"
    yield "|---|---|---|---|---|---|---|---|"
    least = min(found)
    for n_rows, jobs in found.items():
        for job, answer in jobs.items():
            before = found[least].get(job)
            raw = jobs.get("raw", {}).get("seconds")
            over = f"{answer['seconds'] / raw:.1f}" if raw and job in READ_ALL else ""
            growth = ""
            if n_rows > least and before:
                ratio = answer["of_processors"] / max(before["of_processors"], 1e-9)
                growth = f"{ratio * least / n_rows:.2f}"
            yield (
                f"| {n_rows:,} | {job} | {answer['seconds']:.3g} | "
                f"{answer['of_processors']:.3g} | {answer['peak'] >> 20:,} | "
                f"{over} | {growth} | {answer.get('what', '')} |"
            )


def make(made: Made) -> dict[str, Any]:
    """Write the rows, and let the index remember their files."""
    clock = Clock()
    random = np.random.default_rng(0)
    # As transfer values are: many small, few large, none below 0.
    values = (-np.log(1 - (np.arange(256) + 0.5) / 256)).astype(made.store)
    (made.root / "photos" / "there").mkdir(parents=True)
    (made.root / "photos" / "gone").mkdir()
    for row in range(min(THERE, made.n_rows)):
        Path(made.photo(row)).touch()
    with CacheFolder(made.root) as folder:
        with made.open(folder).writer(RECIPE.as_dict(), SHARD_ROWS) as writer:
            for first in range(0, made.n_rows, SHARD_ROWS):
                rows = range(first, min(first + SHARD_ROWS, made.n_rows))
                dice = np.frombuffer(random.bytes(len(rows) * WIDTH), np.uint8)
                features = values[dice].reshape(-1, WIDTH)
                paths = [made.photo(row).encode() for row in rows]
                writer.extend([key_of(row) for row in rows], paths, features)
            writer.commit()
            last = [key_of(row) for row in rows]
            writer.extend(last, paths, features)  # rows that two shards have
        stamp = Stamp(30_000, 1, 1, 1)
        for first in range(0, made.n_rows, 100_000):
            rows = range(first, min(first + 100_000, made.n_rows))
            folder.remember_files([(made.photo(n), stamp, key_of(n).content) for n in rows])
    return {**clock.read()}


def key_of(row: int) -> Key:
    return Key(content_of_bytes(b"%d" % row))


def raw(made: Made) -> dict[str, Any]:
    """Read the bytes of all shards."""
    clock, n_bytes, buffer = Clock(), 0, bytearray(READ_BYTES)
    for path in sorted((made.root / RECIPE.fingerprint / made.variant).glob("*.h5")):
        with path.open("rb", buffering=0) as file:
            while n_read := file.readinto(buffer):
                n_bytes += n_read
    return {**clock.read(), "what": f"{n_bytes / 1e9:.2f} GB"}


def opened(made: Made) -> dict[str, Any]:
    """Open the cache, as a command does, with the one variant that it has."""
    clock = Clock()
    with CacheFolder(made.root) as folder:
        [variant] = folder.variants(RECIPE.fingerprint)
        n_rows = folder.open(RECIPE.fingerprint, variant).n_stored
    return {**clock.read(), "what": f"{n_rows:,} rows stored"}


def info(made: Made) -> dict[str, Any]:
    """What `cache info` says of it."""
    clock = Clock()
    with CacheFolder(made.root) as folder:
        n_rows = describe(folder, made.open(folder))["rows"]
    return {**clock.read(), "what": f"{n_rows:,} rows"}


def look_up(made: Made) -> dict[str, Any]:
    """Of keys of which every other one has a row, which have one; the cache is open."""
    with CacheFolder(made.root) as folder:
        cache = made.open(folder)
        keys = some_keys(made)
        clock = Clock()
        n_present = cache.n_present(keys)
        first, clock = clock.read(), Clock()
        assert cache.n_present(keys) == n_present == LOOK_UPS // 2
        again_s = clock.read()["seconds"]
    return {**first, "what": f"the second time {again_s:.3g} s"}


def read_some(made: Made) -> dict[str, Any]:
    """Read the rows of 5,000 random keys; the cache is open, and its keys are known."""
    with CacheFolder(made.root) as folder:
        cache = made.open(folder)
        keys = some_keys(made)[::2]
        cache.n_present(keys)
        clock = Clock()
        rows = cache.rows(keys)
    return {**clock.read(), "what": f"{len(rows):,} rows"}


def some_keys(made: Made) -> list[Key]:
    rows = kept_rows(made, seed=1)[: LOOK_UPS // 2].tolist()
    return [key_of(n) for row in rows for n in (row, row + made.n_rows)]


def kept_rows(made: Made, seed: int) -> np.ndarray:
    """Those that are there after `prune`, too, in any order."""
    rows = np.random.default_rng(seed).permutation(made.n_rows)
    return rows[(rows < THERE) | (rows >= THERE + GONE)]


def banked(made: Made, n_images: int | None = None) -> FeatureTable:
    """What an extraction returns of images at random, all by default."""
    words = dict.fromkeys(Report.__dataclass_fields__, 0)
    report = {
        **words,
        "extractor": RECIPE.extractor,
        "fingerprint": RECIPE.fingerprint,
        "cache": str(made.root),
        "store": made.store,
        "precision": "float32",
    }
    rows = kept_rows(made, seed=2)[:n_images].tolist()
    return FeatureTable(
        paths=[made.photo(row) for row in rows],
        labels=np.array([f"class {row % CLASSES:04d}" for row in rows]),
        splits=[None] * len(rows),
        keys=[key_of(row) for row in rows],
        rejected=[],
        report=Report(**report),  # pyright: ignore[reportArgumentType]
        recipe=RECIPE,
    )


def table(made: Made) -> dict[str, Any]:
    """Make the table of all images: what the next jobs have before they begin."""
    clock = Clock()
    banked(made)
    return {**clock.read()}


def similar_once(made: Made) -> dict[str, Any]:
    """One answer: the images most similar to one of them, which needs no network."""
    table = banked(made)
    clock = Clock()
    found = similar(b"7", table)
    assert [each.key for each in found.same] == [str(key_of(7))]
    return {**clock.read(), "what": f"{len(found.nearest)} nearest"}


def similar_again(made: Made) -> dict[str, Any]:
    """The second answer of `SimilarSearch`."""
    table = banked(made)
    clock = Clock()
    search = SimilarSearch(table)
    search.similar(b"7")
    first_s, clock = clock.read()["seconds"], Clock()
    search.similar(b"8")
    what = f"made, with the first answer, in {first_s:.3g} s"
    return {**clock.read(), "what": what}


def training_stream(made: Made) -> dict[str, Any]:
    """All rows as training beyond memory reads them: copied, in order, and some at random."""
    table = banked(made)
    clock = Clock()
    with within_memory(table, "2G") as streamed:
        copied_s = clock.read()["seconds"]
        n_read, total = 0, 0.0
        for _, block in streamed.features.blocks():
            n_read += len(block)
            total += float(block[:, 0].sum())
        assert n_read == len(table)
        ordered_s = clock.read()["seconds"] - copied_s
        some = np.random.default_rng(4).permutation(n_read)[:RANDOM_ROWS]
        for start in range(0, len(some), TOGETHER):
            total += float(streamed.features[some[start : start + TOGETHER]][:, 0].sum())
        answer = clock.read()
    random_s = answer["seconds"] - copied_s - ordered_s
    assert np.isfinite(total)
    words = f"copied in {copied_s:.0f} s, read in order in {ordered_s:.0f} s, "
    return {**answer, "what": f"{words}{len(some):,} at random in {random_s:.0f} s"}


def map_of_sample(made: Made) -> dict[str, Any]:
    """Principal components of images at random, as `plot --images` draws them."""
    table = banked(made, SAMPLE)
    clock = Clock()
    embedding = lay_out(table, progress=False, fresh=True)
    return {**clock.read(), "what": embedding.caption.split("; ")[-1]}


def audit_of_sample(made: Made) -> dict[str, Any]:
    """An audit of images at random; their files are gone, so that none is looked at."""
    table = banked(made, AUDITED)
    labels = np.array([f"class {row % AUDITED_CLASSES}" for row in range(AUDITED)])
    clock = Clock()
    audit(table.with_labels(labels), progress=False)
    return clock.read()


def prune_looks(made: Made) -> dict[str, Any]:
    """What `cache prune` says that it would do."""
    return pruned(made, do=False)


def prune_does(made: Made) -> dict[str, Any]:
    """`cache prune --yes`; afterwards there is nothing to prune."""
    return pruned(made, do=True)


def pruned(made: Made, do: bool) -> dict[str, Any]:
    clock = Clock()
    with CacheFolder(made.root) as folder:
        [entry] = prune(folder, None, do=do).recipes
    what = (
        f"{entry['rows_removed']:,} rows removed, {entry['rows_kept']:,} kept unseen, "
        f"{entry['shards_rewritten']:,} shards rewritten"
    )
    return {**clock.read(), "what": what}


def peak_bytes() -> int:
    """The most memory that this process had at a time, with what it has of libraries."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:"))


JOBS: dict[str, Callable[[Made], dict[str, Any]]] = {
    "raw": raw,
    "open": opened,
    "info": info,
    "look up 10,000 keys": look_up,
    "read 5,000 rows": read_some,
    "table of all": table,
    "similar": similar_once,
    "similar, again": similar_again,
    "training stream": training_stream,
    f"map of {SAMPLE:,}": map_of_sample,
    f"audit of {AUDITED:,}": audit_of_sample,
    "prune, looking": prune_looks,
    "prune": prune_does,
}
READ_ALL = ("similar", "similar, again", "prune, looking", "prune")

if __name__ == "__main__":
    main()
