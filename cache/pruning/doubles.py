"""Rows that two shards have: harmless to readers, and removed by whoever holds the lock."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from ...errors import CacheLockedError, DamagedShardError
from ..shards.key_numbers import KeyNumbers
from ..shards.opening import from_shard
from ..shards.shard import Shard
from .prune import Kept, Plan, carry_out

if TYPE_CHECKING:
    from ..store import FeatureCache

logger = logging.getLogger(__name__)


def remove_doubles(cache: FeatureCache) -> int:
    """Remove rows that an earlier shard has, too; how many that were.

    Workers of a cluster can commit a row twice: one that was thought lost and has gone on, and the
    one that was given its images. Every shard that a removal relies on has passed its checksums.
    Where another process writes, nothing is done: it looks itself when it ends.

    Raises
    ------
    CacheError
        When the cache cannot be written.
    """
    cache.refresh()
    if cache.n_stored == len(cache):
        return 0
    names = [name for name in cache.shard_names() if name not in cache.damaged()]
    seen = KeyNumbers()
    doubled: list[Kept] = []
    name = ""
    relied_on: set[str] = set()
    n_removed = 0
    try:
        for number, name in enumerate(names):
            keys, n_rejections = from_shard(
                cache.storage, name, lambda shard: (shard.keys(), len(shard.rejections()))
            )
            is_new = seen.add(keys, np.full(len(keys.views), number))
            if not is_new.all():
                doubled.append(Kept(name, np.flatnonzero(is_new), [*range(n_rejections)], False))
                holders: list[int] = np.unique(
                    seen.find(keys.take(np.flatnonzero(~is_new)))
                ).tolist()
                relied_on.update([name], (names[holder] for holder in holders))
                n_removed += int(np.count_nonzero(~is_new))
        for name in sorted(relied_on):
            from_shard(cache.storage, name, Shard.verify, afresh=True)
    except FileNotFoundError:
        return 0  # another process removes shards
    except DamagedShardError as error:
        cache.mark_damaged(name, str(error))
        return remove_doubles(cache)
    planned = Plan(doubled, [], n_removed, 0, 0, 0, seen, frozenset(names))
    try:
        carry_out(cache, planned)
    except CacheLockedError as error:
        logger.debug("rows that are there twice are left: %s", error)
        return 0
    return n_removed
