"""Making a variant smaller: rows of images that are gone, damaged shards, many small shards."""

from __future__ import annotations

import contextlib
import errno
import itertools
import logging
import os
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...errors import CacheError, DamagedShardError, UnreadableShardError
from ...untrusted.tar_members import archive_of, leads_into_file, may_be_cut_off, status_of
from ..identity import place_of
from ..keys import KeyArray
from ..shards.key_numbers import KeyNumbers
from ..shards.opening import from_shard
from ..shards.shard import Shard
from ..shards.shard_name import next_number
from ..shards.shard_writer import Rows, hash_array, write_shard
from ..store import COMMIT_EVERY_ROWS
from ..variant import Variant, every_variant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ..directory import CacheFolder
    from ..shards.shard import Rejection
    from ..store import FeatureCache

_GONE, _UNKNOWN, _THERE = range(3)
"""What has become of an image; of several places, the greatest says it."""
_FILES_AT_ONCE = 20_000

logger = logging.getLogger(__name__)


class Kept(NamedTuple):
    """What of a shard is kept."""

    name: str
    rows: NDArray[np.intp]
    """Rows whose image is still there, and which no earlier shard has."""
    rejections: list[int]
    is_whole: bool
    """Whether that is everything."""


class Plan(NamedTuple):
    """What pruning a variant would do."""

    rewrite: list[Kept]
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
    keys: KeyNumbers
    """Of the rows that are left."""
    shards: frozenset[str]
    """All that there were: rows that one of them has too are removed from another."""

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
    seen = KeyNumbers()
    every: list[Kept] = []
    damaged: list[str] = []
    n_rows = n_rejections = n_kept = n_rejections_kept = 0
    names = cache.shard_names()
    removed: set[str] = set()
    for name in names:
        try:
            keys, paths, rejections = from_shard(cache.storage, name, _verified, afresh=True)
        except FileNotFoundError:
            removed.add(name)  # by another process
            continue
        except UnreadableShardError as error:
            logger.warning("%s; it is left where it is", error)
            continue
        except DamagedShardError:
            damaged.append(name)
            continue
        fates = images.fates(keys.contents, paths)
        rows = np.flatnonzero(fates != _GONE)
        rows = rows[seen.add(keys.take(rows), rows)]
        n_kept += int(np.count_nonzero(fates[rows] == _UNKNOWN))
        rejected = hash_array([entry.content for entry in rejections])
        fates = images.fates(rejected, [entry.path for entry in rejections])
        still = np.flatnonzero(fates != _GONE).tolist()
        n_rejections_kept += int(np.count_nonzero(fates == _UNKNOWN))
        n_rows += len(paths) - len(rows)
        n_rejections += len(rejections) - len(still)
        is_whole = len(rows) == len(paths) and len(still) == len(rejections)
        every.append(Kept(name, rows, still, is_whole))
    half = COMMIT_EVERY_ROWS // 2
    small = {kept.name for kept in every if len(kept.rows) + len(kept.rejections) < half}
    merged = small if len(small) > 1 else set[str]()
    rewrite = [kept for kept in every if not kept.is_whole or kept.name in merged]
    counts = n_rows, n_rejections, n_kept, n_rejections_kept
    return Plan(rewrite, damaged, *counts, seen, frozenset(names) - removed)


def _verified(shard: Shard) -> tuple[KeyArray, list[bytes], list[Rejection]]:
    """Keys, paths and rejections of a shard of which every byte is checked."""
    shard.verify()
    return shard.keys(), shard.paths(), shard.rejections()


class _Images:
    """Where images have been seen on this machine."""

    def __init__(self, folder: CacheFolder) -> None:
        self._seen_on = folder.index.folders()
        self._is_there: dict[str, bool] = {}
        self._known = KeyNumbers()
        """The number of each content, by which the arrays below are indexed."""
        numbers: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
        fates: list[NDArray[np.uint8]] = [np.empty(0, np.uint8)]
        n_files, files = 0, folder.index.files()
        while some := [*itertools.islice(files, _FILES_AT_ONCE)]:
            keys = _images(hash_array([content for _, _, content in some]))
            self._known.add(keys, np.arange(n_files, n_files + len(some)))
            numbers.append(self._known.find(keys))
            fates.append(np.array([self._fate_at(path) for path, _, _ in some], np.uint8))
            n_files += len(some)
        self._fates = np.full(n_files, _GONE, np.uint8)
        np.maximum.at(self._fates, np.concatenate(numbers), np.concatenate(fates))

    def fates(self, contents: NDArray[np.uint8], paths: list[bytes]) -> NDArray[np.uint8]:
        """Whether each image is at its path, where it was extracted, or where it was seen here."""
        numbers = self._known.find(_images(contents))
        found = np.full(len(numbers), _UNKNOWN, np.uint8)
        found[numbers >= 0] = self._fates[numbers[numbers >= 0]]
        for row in np.flatnonzero(found != _THERE).tolist():
            found[row] = max(found[row], _looked_for(os.fsdecode(paths[row])))
        return found

    def _fate_at(self, path: str) -> int:
        """Of an image, as far as this place says."""
        found = _looked_for(path)
        return found if found != _GONE or self._folder_is_there(path) else _UNKNOWN

    def _folder_is_there(self, path: str) -> bool:
        """Whether a folder, a file's or its archive's, is the only one seen under its path."""
        path = archive_of(path) or path
        folder = os.path.dirname(path)  # noqa: PTH120 (names may hold surrogate escapes)
        is_there = self._is_there.get(folder)
        if is_there is None:
            is_there = {place_of(folder)} == self._seen_on.get(folder)
            self._is_there[folder] = is_there
        return is_there


def _images(contents: NDArray[np.uint8]) -> KeyArray:
    """The keys of images themselves, of hashes (n, 32)."""
    return KeyArray(contents, np.zeros(len(contents), np.uint32))


def _looked_for(path: str) -> int:
    """Whether an image is at a path; unknown where the system, or its archive, does not say."""
    try:
        os.lstat(path)
    except OSError as error:
        if error.errno == errno.ENOENT:
            return _GONE
        if not leads_into_file(error):
            return _UNKNOWN
    except ValueError:
        return _GONE  # a name that no file has
    else:
        return _THERE
    archive = archive_of(path)
    if archive is None:
        return _GONE
    try:
        status_of(path)
    except FileNotFoundError:
        is_cut = os.path.lexists(archive) and may_be_cut_off(archive)
        return _UNKNOWN if is_cut else _GONE
    except (OSError, ValueError):
        return _UNKNOWN
    return _THERE


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
        if not planned.shards <= before:
            raise CacheError(
                f"another process has removed shards of {cache.folder} meanwhile: run the command "
                f"again. Nothing has been removed"
            )
        written: list[str] = []
        try:
            _write_anew(cache, planned.rewrite, written)
        except BaseException as error:
            for name in {*cache.shard_names()} - before:
                if name in written or _has_only(cache, name, planned.rewrite):
                    cache.storage.delete(name)  # rows that are there twice
            if not isinstance(error, OSError) or isinstance(error, DamagedShardError):
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


def _write_anew(cache: FeatureCache, rewrite: list[Kept], written: list[str]) -> None:
    """Write shards and read them back; `written` gets the name of each, and of no other."""
    before = set(cache.shard_names())
    number, n_found = next_number(before), 0
    for rows in _merged(cache, rewrite):
        written.append(write_shard(cache.storage, number, rows).name)
        number += 1
    for name in set(written) & {*cache.shard_names()} - before:
        with Shard(cache.storage, name) as shard:
            shard.verify()
            n_found += shard.layout.n_rows + len(shard.rejections())
    n_kept = sum(len(kept.rows) + len(kept.rejections) for kept in rewrite)
    if n_found != n_kept:
        raise CacheError(f"{n_found} of {n_kept} rows are found again")


def _has_only(cache: FeatureCache, name: str, contents: list[Kept]) -> bool:
    """Whether all that a shard has is in others: it was written from them, whoever did it."""
    known, rejected = KeyNumbers(), set[bytes]()
    try:
        for kept in contents:
            with Shard(cache.storage, kept.name) as shard:
                keys = shard.keys()
                rejected.update(entry.content for entry in shard.rejections())
            known.add(keys, np.zeros(len(keys.views), np.int64))
        with Shard(cache.storage, name) as shard:
            is_known = known.find(shard.keys()) >= 0
            return bool(is_known.all()) and {e.content for e in shard.rejections()} <= rejected
    except OSError:  # it stays; what has gone wrong before is told
        return False


def _merged(cache: FeatureCache, contents: list[Kept]) -> Iterator[Rows]:
    """The kept rows of several shards, as many at a time as one shard takes."""
    rows = Rows(Variant.parse(cache.variant).storage)
    for kept in contents:
        with Shard(cache.storage, kept.name) as shard:
            keys, paths = shard.keys().to_list(), shard.paths()
            rejections = shard.rejections()
            features = np.empty((len(kept.rows), shard.layout.width), np.float32)
            shard.read(kept.rows, features)
        left: list[int] = kept.rows.tolist()
        rows.extend([keys[row] for row in left], [paths[row] for row in left], features)
        rows.rejections += [rejections[number] for number in kept.rejections]
        if len(rows) >= COMMIT_EVERY_ROWS:
            yield rows
            rows.clear()
    if len(rows):
        yield rows
