"""Shards of an object store that are kept as files on this machine, up to a number of bytes."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
import uuid
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import xxhash

from ...arguments import require_size
from ...atomic_file import TEMPORARY_PREFIX, make_folder, remove_whole
from ...fork_safety import not_while_forking
from ...untrusted.files import open_regular
from ..shards.shard_name import ShardName

if TYPE_CHECKING:
    from collections.abc import Iterable
    from io import FileIO
    from pathlib import Path

VARIABLE = "BOTTLEBANK_LOCAL_COPIES"
"""How many bytes they may take, as ``20G``; 0 for none."""
_SHARE_OF_DISK = 0.25
_IN_USE_S = 60.0
"""What was opened so recently is kept: another process may have its path and not the file yet."""
_ABANDONED_S = 3600.0
_COUNTED_EVERY_S = 10.0
"""How long it may take until what other processes have copied and removed is seen."""


class _Copy(NamedTuple):
    used_s: float
    n_bytes: int
    path: Path


class Copies:
    """Files below one folder, the least recently used of which make room. Safe to use from threads.

    Where those that may go do not make room enough, nothing more is copied.

    Raises
    ------
    UsageError
        When `BOTTLEBANK_LOCAL_COPIES` is not a size.
    """

    def __init__(self, folder: Path) -> None:
        """Nothing is created before something is kept."""
        self._folder = folder
        given = os.environ.get(VARIABLE, "").strip()
        self._limit = (0 if given == "0" else require_size(VARIABLE, given)) if given else None
        self._read: dict[str, int] = {}
        self._used = 0
        """How many bytes all copies take, with those that are being written."""
        self._being_written = 0
        self._oldest: deque[_Copy] = deque()
        """Of those that were there when they were counted, the ones that may go first."""
        self._counted_s: float | None = None

    def path(self, name: str) -> Path | None:
        """Where a shard's copy is, which counts as used; `name` is its path in the cache."""
        path = self._folder / name
        try:
            os.utime(path)
        except OSError:
            return None
        return path

    def open(self, name: str) -> FileIO | None:
        """A shard's copy, which counts as used."""
        path = self.path(name)
        with contextlib.suppress(OSError):
            return None if path is None else open_regular(path)
        return None

    def drop(self, name: str) -> bool:
        """Remove the copy of a shard, or those of a folder; whether there was one."""
        path = self._folder / name
        was_there = os.path.lexists(path)
        with contextlib.suppress(OSError):
            remove_whole(path)
        self._counted_s = None
        return was_there

    def is_worth(self, name: str, n_bytes: int, of_bytes: int) -> bool:
        """Whether a shard of `of_bytes` is better copied whole than read by ranges once more.

        It is where there is room, from when half of it has been asked for: then no order of
        reading makes the two together cost more than twice what the better one does.
        """
        with not_while_forking:
            self._read[name] = self._read.get(name, 0) + n_bytes
            if 2 * self._read[name] < of_bytes:
                return False
            return self._make_room(of_bytes)

    def keep(self, name: str, parts: Iterable[bytes]) -> bool:
        """Copy a shard; whether there was room, and the bytes are those that its name promises."""
        path = self._folder / name
        parsed = ShardName.parse(path.name)
        digest = xxhash.xxh3_64()
        temporary = path.with_name(f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}.h5")
        is_whole = False
        n_bytes = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("xb") as file:
                for part in parts:
                    if not self._take(len(part)):
                        return False
                    n_bytes += len(part)
                    digest.update(part)
                    file.write(part)
            is_whole = parsed is not None and digest.hexdigest() == parsed.digest
            if is_whole:
                temporary.replace(path)
        finally:
            if not is_whole:
                with contextlib.suppress(OSError):
                    temporary.unlink(missing_ok=True)
            with not_while_forking:
                self._being_written -= n_bytes
                if not is_whole:
                    self._used -= n_bytes
                self._read.pop(name, None)
        return is_whole

    def _take(self, n_bytes: int) -> bool:
        """Let a copy grow by so much; whether there is room for it."""
        with not_while_forking:
            if not self._make_room(n_bytes):
                return False
            self._used += n_bytes
            self._being_written += n_bytes
            return True

    def _room(self) -> int:
        """How many bytes all copies may take together."""
        if self._limit is not None:
            return self._limit
        with contextlib.suppress(OSError):
            make_folder(self._folder.absolute())
            return int(_SHARE_OF_DISK * (self._used + shutil.disk_usage(self._folder).free))
        return 0

    def _make_room(self, n_bytes: int) -> bool:
        """Remove what was used longest ago until so much more fits; whether it does.

        Called while `not_while_forking` is held.
        """
        is_new = self._counted_s is None or time.monotonic() - self._counted_s > _COUNTED_EVERY_S
        if is_new:
            self._count()
        room = self._room()
        if n_bytes > room:
            return False
        before_s = time.time() - _IN_USE_S
        while self._used + n_bytes > room and self._oldest:
            if self._oldest[0].used_s > before_s:
                break
            self._remove(self._oldest.popleft())
        return self._used + n_bytes <= room

    def _remove(self, copy: _Copy) -> None:
        """Remove a copy, unless it has been used since it was counted."""
        with contextlib.suppress(OSError):
            if copy.path.stat().st_mtime == copy.used_s:
                copy.path.unlink()
                self._used -= copy.n_bytes

    def _count(self) -> None:
        copies = sorted(self._all())
        self._used = sum(copy.n_bytes for copy in copies) + self._being_written
        self._oldest = deque(copies)
        self._counted_s = time.monotonic()

    def _all(self) -> list[_Copy]:
        """Every copy; what a killed process left half written is removed."""
        found: list[_Copy] = []
        for path in self._folder.rglob("*.h5"):
            with contextlib.suppress(OSError):
                status = path.stat()
                if not path.name.startswith(TEMPORARY_PREFIX):
                    found.append(_Copy(status.st_mtime, status.st_size, path))
                elif time.time() - status.st_mtime > _ABANDONED_S:
                    path.unlink()
        return found
