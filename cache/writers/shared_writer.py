"""Adding rows to a cache to which others add rows at the same time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..keys import Key
from ..shards.shard_name import next_number
from .redundancy import remove_redundant
from .writer import Writer

if TYPE_CHECKING:
    from ..keys import ContentHash
    from ..shards.shard import Contents
    from .redundancy import CachedRows

_FIRST_NUMBER = 1000
"""What `remove_redundant` keeps of a shard gets a lower number, and so does what it keeps of that,
and so on, where many commit at once: there must be room below."""


class SharedWriter(Writer):
    """One of many writers; made by `FeatureCache.writer`."""

    _shares = True

    def __init__(self, cache: CachedRows, every_rows: int, every_s: float) -> None:
        """The lock is held, shared with others."""
        super().__init__(
            cache.storage, cache.variant, _FIRST_NUMBER, self._note, every_rows, every_s
        )
        self._cache = cache
        self._written: set[str] = set()

    def commit(self) -> None:
        """As `Writer.commit`, for those rows that nobody else has committed by now."""
        if len(self._rows):
            before = self._refreshed()
            self._rows.keep(
                [key not in self._cache for key in self._rows.keys],
                [self._is_news(entry.content) for entry in self._rows.rejections],
            )
            self._number = max(_FIRST_NUMBER, next_number(before))
            self._written.clear()
            super().commit()
            # Of two that commit, the later one sees both shards; and so it goes on with those that
            # appear in the place of others meanwhile.
            looked_at = set(self._written)
            while looked_at and (new := self._refreshed() - before) - looked_at:
                looked_at |= new
                remove_redundant(self._cache, new)
        super().commit()  # of nothing: the time until the next one begins

    def _refreshed(self) -> set[str]:
        self._cache.refresh()
        return set(self._cache.shard_names())

    def _is_news(self, content: ContentHash) -> bool:
        return self._cache.rejection(content) is None and Key(content) not in self._cache

    def _note(self, shard: Contents) -> None:
        self._written.add(shard.name)
        self._cache.add_shard(shard)
