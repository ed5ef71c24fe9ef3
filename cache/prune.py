"""Making a variant smaller: rows of images that are gone, damaged shards, many small shards."""

from __future__ import annotations

import contextlib
import enum
import itertools
import logging
import os
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import CacheError, DamagedShardError, UnreadableShardError
from ..untrusted.tar_members import archive_of, status_of
from .identity import place_of
from .shards.shard import Shard
from .shards.shard_name import next_number
from .shards.shard_writer import Rows, write_shard
from .store import COMMIT_EVERY_ROWS
from .variant import Variant, every_variant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .directory import CacheFolder
    from .keys import ContentHash, Key
    from .store import FeatureCache


logger = logging.getLogger(__name__)


class _Kept(NamedTuple):
    """What of a shard is kept."""

    name: str
    rows: list[int]
    """Rows whose image is still there, and which no earlier shard has."""
    rejections: list[int]
    is_whole: bool
    """Whether that is everything."""


class Plan(NamedTuple):
    """What pruning a variant would do."""

    rewrite: list[_Kept]
    """Shards whose kept rows go into new ones."""
    damaged: list[str]
    """Shards that are removed. Those that the system does not let read are kept."""
    rows_removed: int
    """Rows of images that are gone, and rows that another shard has too."""
    rejections_removed: int
    rows_kept: int
    """Rows whose image is not found, and may still be elsewhere: it was never seen here, or what it
    was seen on is not there now."""
    rejections_kept: int
    keys: frozenset[Key]
    """Of the rows that are left."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.rewrite and not self.damaged


def plan(folder: CacheFolder, cache: FeatureCache) -> Plan:
    """Look for what can go; nothing is changed.

    A row goes when its image was seen here, by an extraction with this index, and is gone from
    every such place, while the very folder is still there. So a row stays whose image is on another
    machine, on a disk that is not mounted, or in a folder that another one has replaced.
    Shards are merged where two or more are less than half full.
    """
    images = _Images(folder)
    seen: set[Key] = set()
    every: list[_Kept] = []
    damaged: list[str] = []
    n_rows = n_rejections = n_kept = n_rejections_kept = 0
    for name in cache.shard_names():
        try:
            with Shard(cache.storage, name) as shard:
                shard.verify()
                keys = shard.keys().to_list()
                paths, rejections = shard.paths(), shard.rejections()
        except FileNotFoundError:
            continue  # removed by another process
        except UnreadableShardError as error:
            logger.warning("%s; it is left where it is", error)
            continue
        except DamagedShardError:
            damaged.append(name)
            continue
        rows: list[int] = []
        for row, (key, place) in enumerate(zip(keys, paths, strict=True)):
            fate = _Fate.GONE if key in seen else images.fate(key.content, place)
            if fate is not _Fate.GONE:
                rows.append(row)
                seen.add(key)
                n_kept += fate is _Fate.UNKNOWN
        still: list[int] = []
        for number, entry in enumerate(rejections):
            fate = images.fate(entry.content, entry.path)
            if fate is not _Fate.GONE:
                still.append(number)
                n_rejections_kept += fate is _Fate.UNKNOWN
        n_rows += len(keys) - len(rows)
        n_rejections += len(rejections) - len(still)
        is_whole = len(rows) == len(keys) and len(still) == len(rejections)
        every.append(_Kept(name, rows, still, is_whole))
    half = COMMIT_EVERY_ROWS // 2
    small = [kept for kept in every if len(kept.rows) + len(kept.rejections) < half]
    rewrite = [kept for kept in every if not kept.is_whole or (len(small) > 1 and kept in small)]
    left = frozenset(seen)
    return Plan(rewrite, damaged, n_rows, n_rejections, n_kept, n_rejections_kept, left)


class _Fate(enum.Enum):
    """What has become of an image."""

    THERE = enum.auto()
    GONE = enum.auto()
    UNKNOWN = enum.auto()


class _Images:
    """Where images have been seen on this machine."""

    def __init__(self, folder: CacheFolder) -> None:
        self._places: dict[ContentHash, list[str]] = {}
        for path, _, content in folder.index.files():
            self._places.setdefault(content, []).append(path)
        # By path, so that each archive is gone through once.
        self._there = set(filter(_is_there, sorted(itertools.chain(*self._places.values()))))
        self._seen_on = folder.index.folders()
        self._is_there: dict[str, bool] = {}

    def fate(self, content: ContentHash, path: bytes) -> _Fate:
        """Whether an image is at `path`, where it was extracted, or where it was seen here."""
        seen = self._places.get(content, [])
        if not self._there.isdisjoint(seen) or _is_there(os.fsdecode(path)):
            return _Fate.THERE
        return _Fate.GONE if seen and all(map(self._folder_is_there, seen)) else _Fate.UNKNOWN

    def _folder_is_there(self, path: str) -> bool:
        """Whether a folder, a file's or its archive's, is the only one seen under its path."""
        path = archive_of(path) or path
        folder = os.path.dirname(path)  # noqa: PTH120 (names may hold surrogate escapes)
        is_there = self._is_there.get(folder)
        if is_there is None:
            is_there = {place_of(folder)} == self._seen_on.get(folder)
            self._is_there[folder] = is_there
        return is_there


def _is_there(path: str) -> bool:
    if os.path.lexists(path):
        return True
    try:
        status_of(path)
    except (OSError, ValueError):
        return False
    return True


def carry_out(cache: FeatureCache, planned: Plan) -> None:
    """Do what `plan` said, under the lock.

    Old shards are removed once new ones are committed and have been read back: a kill or a full
    disk in between leaves rows twice, never none.

    Raises
    ------
    CacheLockedError
        When another process writes to this variant.
    CacheError
        When the folder cannot be written, or another process has removed a shard; no shard has
        been removed then.
    """
    with cache.storage.writing():
        before = set(cache.shard_names())
        try:
            _write_anew(cache, planned.rewrite)
        except OSError as error:
            for name in {*cache.shard_names()} - before:  # rows that are there twice
                cache.storage.delete(name)
            if isinstance(error, DamagedShardError):
                raise
            raise CacheError(
                f"shards of {cache.folder} cannot be rewritten: {error.strerror or error}. "
                f"Nothing has been removed"
            ) from error
        for name in [*(kept.name for kept in planned.rewrite), *planned.damaged]:
            cache.storage.delete(name)
    cache.refresh()


def remove_recipe(folder: CacheFolder, fingerprint: str) -> None:
    """Remove a recipe with its rows, what is kept beside them, and its converted network.

    The locks of all variants that it can have are held, whether they have rows or not: no writer
    is at work, and none begins before everything is gone.

    Raises
    ------
    CacheLockedError
        When another process writes to one of them; nothing has been removed then.
    CacheError
        When something cannot be removed.
    """
    caches = [folder.open(fingerprint, variant.name) for variant in every_variant()]
    with contextlib.ExitStack() as locks:
        for cache in caches:
            locks.enter_context(cache.storage.writing())
        try:
            # Shards first: what a kill leaves is still a recipe, which can be removed again.
            for cache in caches:
                for name in cache.shard_names():
                    cache.storage.delete(name)
            folder.remove_local_files(fingerprint)
            folder.storage.delete(fingerprint)
        except OSError as error:
            raise CacheError(
                f"{fingerprint} cannot be removed from {folder.storage.where}: "
                f"{error.strerror or error}"
            ) from error
    for cache in caches:
        cache.refresh()


def _write_anew(cache: FeatureCache, rewrite: list[_Kept]) -> None:
    before = set(cache.shard_names())
    number, n_found = next_number(before), 0
    for rows in _merged(cache, rewrite):
        write_shard(cache.storage, number, rows)
        number += 1
    for name in cache.shard_names():
        if name not in before:
            with Shard(cache.storage, name) as shard:
                shard.verify()
                n_found += shard.layout.n_rows + len(shard.rejections())
    n_kept = sum(len(kept.rows) + len(kept.rejections) for kept in rewrite)
    if n_found != n_kept:
        raise CacheError(f"{n_found} of {n_kept} rows are found again")


def _merged(cache: FeatureCache, contents: list[_Kept]) -> Iterator[Rows]:
    """The kept rows of several shards, as many at a time as one shard takes."""
    rows = Rows(Variant.parse(cache.variant).storage)
    for kept in contents:
        with Shard(cache.storage, kept.name) as shard:
            keys, paths = shard.keys().to_list(), shard.paths()
            rejections = shard.rejections()
            features = np.empty((len(kept.rows), shard.layout.width), np.float32)
            shard.read(np.array(kept.rows, np.intp), features)
        rows.extend([keys[row] for row in kept.rows], [paths[row] for row in kept.rows], features)
        rows.rejections += [rejections[number] for number in kept.rejections]
        if len(rows) >= COMMIT_EVERY_ROWS:
            yield rows
            rows.clear()
    if len(rows):
        yield rows
