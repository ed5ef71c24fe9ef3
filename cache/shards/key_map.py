"""Which shard and row hold a key: a dictionary in memory, filled from the index."""

from __future__ import annotations

import itertools
from collections import deque
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ..keys import HASH_BYTES, ContentHash, Key, content_of, view_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from .row_reader import Layout
    from .shard import Contents, Rejection

_ROW_BITS = 32

# Images themselves, nearly all keys, are known by their content, which takes half the memory.
_Known: TypeAlias = ContentHash | Key


class KeyMap:
    """The rows and rejected images of some shards, about 150 bytes a row; of equal keys the first.

    A place is one number, ``shard << 32 | row``, where `shard` counts from 0.
    """

    def __init__(self) -> None:
        """Without shards; see `add`."""
        self.names: list[str] = []
        self.layouts: list[Layout] = []
        self.rejections: dict[ContentHash, Rejection] = {}
        self._known: dict[_Known, int] = {}
        self._new: list[tuple[int, Contents]] = []  # shards whose keys nobody has asked for yet

    def __len__(self) -> int:
        return len(self._places())

    @property
    def n_stored(self) -> int:
        """Rows in all shards, with those that two shards have; needs no dictionary."""
        return sum(layout.n_rows for layout in self.layouts)

    def __contains__(self, key: Key) -> bool:
        return (key if key.view else key.content) in self._places()

    def add(self, shard: Contents) -> None:
        """Add what a shard holds."""
        self._new.append((len(self.names), shard))
        self.names.append(shard.name)
        self.layouts.append(shard.layout)
        self.rejections.update((rejection.content, rejection) for rejection in shard.rejections)

    def keys(self) -> list[Key]:
        """Every key, in the order of the shards."""
        return [known if isinstance(known, Key) else Key(known) for known in self._places()]

    def find(self, keys: Sequence[Key]) -> NDArray[np.int64]:
        """Place of each key, int64 (n,); -1 where it has no row."""
        known: Iterable[_Known] = map(content_of, keys)
        if any(map(view_of, keys)):
            known = (key if key.view else key.content for key in keys)
        found = map(self._places().get, known, itertools.repeat(-1))
        return np.fromiter(found, np.int64, len(keys))

    def _places(self) -> dict[_Known, int]:
        for number, shard in self._new:
            first = number << _ROW_BITS
            known: list[_Known]
            if len(shard.keys) == HASH_BYTES * shard.layout.n_rows:
                known = np.frombuffer(shard.keys, "V32").tolist()
            else:
                keys = shard.key_array().to_list()
                known = [key if key.view else key.content for key in keys]
            # What comes later, say from somebody else's cache, replaces no row.
            deque(map(self._known.setdefault, known, itertools.count(first)), maxlen=0)
        self._new.clear()
        return self._known


def shards_and_rows(places: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The number of the shard and of the row of each place."""
    return places >> _ROW_BITS, places & ((1 << _ROW_BITS) - 1)
