"""Damaged copies of an export, a shard and a head, and their readers: runs in a child process."""

import re
import shutil
from pathlib import Path

import numpy as np

from bottlebank.cache.export_file import Export
from bottlebank.cache.local_storage import LocalStorage
from bottlebank.cache.shards.shard import Shard, digest_of
from bottlebank.cache.shards.shard_name import ShardName
from bottlebank.classifier import load_head
from bottlebank.errors import BottlebankError

try:
    from .odd_trees import make_odd
except ImportError:  # in the child, where it lies on the path
    from odd_trees import make_odd


def damaged(data: bytes, seed: int) -> bytes:
    """The same damage for the same seed: bits, runs of bytes, holes, or a cut."""
    random = np.random.default_rng(seed)
    harmed = bytearray(data)
    # Half of it where HDF5 keeps what it follows, at the beginning and at the end.
    ends = 2048

    def place() -> int:
        if random.random() < 0.5:
            return int(random.integers(len(harmed)))
        near = int(random.integers(min(ends, len(harmed))))
        return near if random.random() < 0.5 else len(harmed) - 1 - near

    for _ in range(int(random.integers(1, 9))):
        at = place()
        match int(random.integers(6)):
            case 0:
                harmed[at] ^= 1 << int(random.integers(8))
            case 1:
                harmed[at] = int(random.choice([0, 1, 127, 128, 255]))
            case 2:
                harmed[at : at + 8] = random.bytes(8)
            case 3:
                source, length = place(), int(random.integers(1, 300))
                harmed[at : at + length] = harmed[source : source + length]
            case 4:
                harmed[at : at + 8] = int(random.integers(len(harmed))).to_bytes(8, "little")
            case _:
                if random.random() < 0.1:
                    del harmed[max(at, 1) :]
    return bytes(harmed)


def write(kind: str, data: bytes, folder: Path) -> Path:
    """Write a damaged file, under the name that belongs to its bytes."""
    path = folder / f"{kind}.h5"
    path.write_bytes(data)
    if kind != "shard":
        return path
    return path.rename(folder / str(ShardName(0, digest_of([path.read_bytes()]))))


def read(kind: str, path: Path) -> None:
    """Read all of a file in this process."""
    if kind == "export":
        with Export(path) as export:
            export.verify()
    elif kind == "shard":
        with Shard(LocalStorage(path.parent), path.name) as shard:
            shard.verify()
    else:
        load_head(path)


def spoiled(original: Path, folder: Path, seed: int) -> tuple[bytes, list[str]]:
    """Bytes changed, the tree changed, or both; and what was done to the tree."""
    data = original.read_bytes()
    if seed % 2 == 0:
        return damaged(data, seed), ["bytes"]
    copy = Path(shutil.copy(original, folder / "odd.h5"))
    try:
        changes = make_odd(copy, seed // 2) or []
        data = copy.read_bytes()
    finally:
        copy.unlink()
    if not changes or seed % 8 == 7:
        return damaged(data, seed), ["bytes", *changes]
    return data, changes


def read_many(send, kind: str, original: str, folder: str, first: int, end: int) -> None:
    """Read spoiled files one after the other; report each seed, changes, error and memory."""
    for seed in range(first, end):
        data, changes = spoiled(Path(original), Path(folder), seed)
        path = write(kind, data, Path(folder))
        error = ""
        try:
            read(kind, path)
        except BottlebankError as refusal:
            error = str(refusal)
        path.unlink()
        send({"seed": seed, "changes": changes, "error": error, "peak_kb": peak_kb()})


def peak_kb():
    """Memory that this process has had at most, where the system says it, else 0.

    Not `ru_maxrss`, which begins with what the parent had.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1])
