"""Which shard and row hold a key: a dictionary in memory, filled from the index."""

from __future__ import annotations

import itertools
from collections import deque
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .keys import Key
    from .row_reader import Layout
    from .shard import Contents, Rejection

_ROW_BITS = 32


class KeyMap:
    """The rows and rejected images of some shards, about 150 bytes a row; of equal keys the first.

    A place is one number, ``shard << 32 | row``, where `shard` counts from 0.
    """

    def __init__(self) -> None:
        """Without shards; see `add`."""
        self.names: list[str] = []
        self.layouts: list[Layout] = []
        self.rejections: dict[Key, Rejection] = {}
        self._known: dict[Key, int] = {}
        self._new: list[tuple[int, bytes]] = []  # shards whose keys nobody has asked for yet

    def __len__(self) -> int:
        return len(self._places())

    def __contains__(self, key: object) -> bool:
        return key in self._places()

    def add(self, shard: Contents) -> None:
        """Add what a shard holds."""
        self._new.append((len(self.names), shard.keys))
        self.names.append(shard.name)
        self.layouts.append(shard.layout)
        self.rejections.update((rejection.key, rejection) for rejection in shard.rejections)

    def keys(self) -> list[Key]:
        """Every key, in the order of the shards."""
        return list(self._places())

    def find(self, keys: Sequence[Key]) -> NDArray[np.int64]:
        """Place of each key, int64 (n,); -1 where it has no row."""
        found = map(self._places().get, keys, itertools.repeat(-1))
        return np.fromiter(found, np.int64, len(keys))

    def _places(self) -> dict[Key, int]:
        for shard, joined in self._new:
            first = shard << _ROW_BITS
            keys: list[Key] = np.frombuffer(joined, "V32").tolist()
            # What comes later, say from somebody else's cache, replaces no row.
            deque(map(self._known.setdefault, keys, itertools.count(first)), maxlen=0)
        self._new.clear()
        return self._known


def shards_and_rows(places: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Take places apart."""
    return places >> _ROW_BITS, places & ((1 << _ROW_BITS) - 1)
