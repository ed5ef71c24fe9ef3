"""Rows that two writers have committed at the same moment: one of them goes.

Nobody claims anything beforehand: putting a shard is the commit, and shards of two writers have
different names. A writer leaves out what others have committed by then, and looks afterwards what
has been committed meanwhile. That loses no row, because a shard only goes when each of its rows is
in a sound shard with a lower name: of all shards that ever held a row, the one with the lowest name
always stays.
"""

# ruff: noqa: D102 (the methods of `CachedRows` are those of `FeatureCache`)

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from ...errors import CacheError, DamagedShardError
from ..shards.key_map import KeyMap
from ..shards.shard import Shard
from ..shards.shard_name import ShardName
from ..shards.shard_writer import Rows, write_shard
from ..variant import Variant

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from ..keys import ContentHash, Key
    from ..shards.shard import Contents
    from ..storage import Storage


class CachedRows(Protocol):
    """What a writer must know of a `FeatureCache`."""

    storage: Storage
    folder: Path
    variant: str

    @property
    def n_stored(self) -> int: ...
    def __len__(self) -> int: ...
    def __contains__(self, key: Key, /) -> bool: ...
    def refresh(self) -> None: ...
    def reload(self) -> None: ...
    def shard_names(self) -> list[str]: ...
    def holders(self, keys: Sequence[Key]) -> list[str | None]: ...
    def rejection(self, content: ContentHash) -> str | None: ...
    def damaged(self) -> Mapping[str, str]: ...
    def mark_damaged(self, name: str, reason: str) -> None: ...
    def add_shard(self, shard: Contents) -> None: ...


def remove_redundant(cache: CachedRows, names: Collection[str] | None = None) -> None:
    """Remove what shards hold that shards with lower names hold as well.

    A shard that holds other rows besides is replaced by one of these, which gets a lower name
    itself, and so is one of those by which the other one becomes redundant.

    Parameters
    ----------
    cache
        Whose lock is held, shared or not.
    names
        Of shards that were committed at the same time; by default, all are looked at.

    Raises
    ------
    CacheError
        When the cache cannot be written.
    """
    if names is None:
        cache.reload()
        if cache.n_stored == len(cache):
            return
        names = cache.shard_names()
    held = _Held(cache, names)
    sound: dict[str, bool] = {}
    for name in sorted(names, key=_order, reverse=True):
        lower, rejected = held.lower(name)
        for holder in {holder for holder in lower if holder is not None}:
            if holder not in sound:
                sound[holder] = _is_sound(cache, holder)
        redundant = [holder is not None and sound[holder] for holder in lower]
        if any(redundant) or any(rejected):
            try:
                _remove(cache, name, redundant, rejected)
            except OSError as error:
                reason = error.strerror or error
                raise CacheError(f"{cache.folder} cannot be written: {reason}") from error
    cache.refresh()


class _Held:
    """Which shards hold which rows."""

    def __init__(self, cache: CachedRows, names: Collection[str]) -> None:
        self._cache = cache
        self._contents: dict[str, Contents] = {}
        self._first = KeyMap()
        for name in sorted(set(names) - cache.damaged().keys(), key=_order):
            contents = _contents(cache, name)
            if contents is not None:
                self._contents[name] = contents
                self._first.add(contents)

    def lower(self, name: str) -> tuple[list[str | None], list[bool]]:
        """Of each row of a shard, a lower shard that has it; of each rejection, whether one has."""
        contents = self._contents.get(name)
        if contents is None:
            return [], []
        keys = contents.key_array().to_list()
        pairs = zip(self._first.holders(keys), self._cache.holders(keys), strict=True)
        found = [
            next((each for each in pair if each is not None and _order(each) < _order(name)), None)
            for pair in pairs
        ]
        lower = [each for other, each in self._contents.items() if _order(other) < _order(name)]
        rejected = {entry.content for each in lower for entry in each.rejections}
        return found, [entry.content in rejected for entry in contents.rejections]


def _order(name: str) -> ShardName:
    return ShardName.parse(name) or ShardName(-1, "")


def _contents(cache: CachedRows, name: str) -> Contents | None:
    """What a shard holds; None where it has gone meanwhile, or is damaged."""
    try:
        with Shard(cache.storage, name) as shard:
            return shard.contents()
    except (FileNotFoundError, DamagedShardError):
        return None


def _is_sound(cache: CachedRows, name: str) -> bool:
    """Whether a shard is there with all of its checksums; its damage is noted otherwise."""
    try:
        with Shard(cache.storage, name) as shard:
            shard.verify()
    except FileNotFoundError:
        return False
    except DamagedShardError as error:
        cache.mark_damaged(name, str(error))
        return False
    return True


def _remove(
    cache: CachedRows, name: str, redundant: Sequence[bool], rejected: Sequence[bool]
) -> None:
    """Remove a shard, once what of it is not redundant is in another one."""
    rows = Rows(Variant.parse(cache.variant).storage)
    kept = np.flatnonzero(~np.array(redundant, bool))
    try:
        with Shard(cache.storage, name) as shard:
            entries = zip(shard.rejections(), rejected, strict=True)
            rows.rejections = [entry for entry, is_redundant in entries if not is_redundant]
            if len(kept):
                keys, paths = shard.keys().to_list(), shard.paths()
                features = np.empty((len(kept), shard.layout.width), np.float32)
                shard.read(kept, features)
                rows.extend([keys[row] for row in kept], [paths[row] for row in kept], features)
    except (FileNotFoundError, DamagedShardError):
        return  # somebody else has removed it, or whoever reads it computes its rows again
    if len(rows):
        number = _order(name).number - 1
        if number < 0:
            return
        write_shard(cache.storage, number, rows, again=True)
    cache.storage.delete(name)
