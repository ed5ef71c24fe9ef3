"""Faults on purpose: a stand-in for `os` in `bottlebank.atomic_file`, and a run to use it on.

As a script, ``faults.py FOLDER`` does the three-shard run once whole and once for every call that
it makes to the file system, killed there by SIGKILL, each in ``FOLDER/<call's number>``.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bottlebank import atomic_file as atomic
from bottlebank.cache import (
    CacheFolder,
    FeatureCache,
    Key,
    content_of_bytes,
)
from bottlebank.cache.local_storage import LocalStorage

PRINT = "f" * 64
RECIPE = {"extractor": "fake"}
N_ROWS = 12
ROWS_PER_SHARD = 4
SHORT_WRITE = 2048
CALLS = ("open", "write", "fsync", "replace", "link")


class Call(NamedTuple):
    """One call that changes the disk, in the order in which they were made."""

    name: str
    path: Path
    data: bytes = b""
    target: Path | None = None


class FaultyOs:
    """The `os` of `bottlebank.atomic_file`: logs its calls, and calls `fault` at the one named.

    `fault` raises, kills, or returns to let the call happen. A write passes on at most
    `short_write` bytes, as the kernel may.
    """

    def __init__(
        self,
        names: tuple[str, ...] = CALLS,
        at: int | None = None,
        fault: Callable[[FaultyOs, Call], object] = lambda shim, call: None,
        short_write: int = SHORT_WRITE,
    ) -> None:
        self.names, self.at, self.fault, self.short_write = names, at, fault, short_write
        self.n = 0
        self.log: list[Call] = []
        self._paths: dict[int, Path] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def open(self, path: Path, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_CREAT:
            self._step(Call("open", path))
        handle = os.open(path, flags, mode)
        self._paths[handle] = path
        return handle

    def writev(self, handle: int, parts: list[memoryview]) -> int:
        data = b"".join(parts)[: self.short_write]
        self._step(Call("write", self._paths[handle], data))
        return os.write(handle, data)

    def fsync(self, handle: int) -> None:
        self._step(Call("fsync", self._paths[handle]))
        os.fsync(handle)

    def replace(self, source: Path, target: Path) -> None:
        self._step(Call("replace", source, target=target))
        os.replace(source, target)

    def link(self, source: Path, target: Path) -> None:
        self._step(Call("link", source, target=target))
        os.link(source, target)

    def _step(self, call: Call) -> None:
        if call.name in self.names:
            self.n += 1
            if self.n - 1 == self.at:
                self.fault(self, call)
        self.log.append(call)


def raising(number: int) -> Callable[[FaultyOs, Call], object]:
    """A fault: the call fails with this `errno`, and so does every later one of its kind."""

    def fail(shim: FaultyOs, call: Call) -> None:
        shim.at = shim.n
        raise OSError(number, os.strerror(number))

    return fail


def killed(shim: FaultyOs, call: Call) -> None:
    """A fault: SIGKILL, in the middle of the call where it is a write."""
    if call.name == "write":
        handle = next(handle for handle, path in shim._paths.items() if path == call.path)
        os.write(handle, call.data[: len(call.data) // 2])
    os.kill(os.getpid(), signal.SIGKILL)


def shard_paths(cache: FeatureCache) -> list[Path]:
    """The files of the committed shards, in the order of their numbers."""
    return [cache.folder / name for name in cache.shard_names()]


def key(number: int) -> Key:
    return Key(content_of_bytes(b"%d" % number))


def row(number: int, width: int = 64) -> np.ndarray:
    return np.random.default_rng(number).normal(size=width).astype(np.float32)


def rows(numbers) -> np.ndarray:
    return np.array([row(number) for number in numbers])


def fill(
    root: Path,
    numbers=range(N_ROWS),
    every: int = ROWS_PER_SHARD,
    acknowledge: Callable[[int], object] = lambda number: None,
) -> None:
    """What an extraction does: add what is missing; `acknowledge` each row whose commit is done."""
    with CacheFolder(root, create=True) as folder:
        cache = folder.open(PRINT, "float32")
        with cache.writer(RECIPE, commit_every_rows=every) as writer:
            added = []
            for number in numbers:
                if key(number) in cache:
                    continue
                writer.add(key(number), b"photos/%d.jpg" % number, row(number))
                added.append(number)
                if len(added) % every == 0:
                    for one in added[-every:]:
                        acknowledge(one)


def assert_complete(root: Path, numbers=range(N_ROWS)) -> None:
    """Every row is there once and is what was added; every shard is whole; nothing else is."""
    with CacheFolder(root) as folder:
        cache = folder.open(PRINT, "float32")
        assert_sound(folder, cache)
        found = cache.rows([key(number) for number in numbers])
        assert np.array_equal(found, rows(numbers)), "rows are not what was added"
        assert rows_in_shards(cache) == len(cache) == len(numbers), "rows are there twice"
        left = list(cache.folder.glob(f"{atomic.TEMPORARY_PREFIX}*"))
        assert left == [], "temporary files are left"


def assert_sound(folder: CacheFolder, cache: FeatureCache) -> None:
    """Every file with a shard's name is a whole shard."""
    assert cache.damaged() == {}, "damaged on opening"
    assert [found for found in folder.verify() if found is not None] == [], "damaged"


def rows_in_shards(cache: FeatureCache) -> int:
    from bottlebank.cache.shards.shard import Shard

    n = 0
    for path in shard_paths(cache):
        with Shard(LocalStorage(path.parent), path.name) as shard:
            n += shard.layout.n_rows
    return n


def _run_killed_everywhere(base: Path) -> None:
    at = 0
    while True:
        root = base / str(at)
        root.mkdir()
        process = os.fork()
        if process == 0:
            with (root.parent / f"{at}.acknowledged").open("w", buffering=1) as said:
                atomic.os = FaultyOs(at=at, fault=killed)
                fill(root, acknowledge=lambda number: said.write(f"{number}\n"))
            os._exit(0)
        _, status = os.waitpid(process, 0)
        if status == 0:
            return
        assert os.WTERMSIG(status) == signal.SIGKILL, f"ended by {status} at call {at}"
        at += 1


if __name__ == "__main__":
    _run_killed_everywhere(Path(sys.argv[1]))
