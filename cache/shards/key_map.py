"""Which shard and row hold a key, filled from the index."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import numpy as np

from ..keys import Key, KeyArray
from .key_numbers import KeyNumbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..keys import ContentHash
    from .row_reader import Layout
    from .shard import Contents, Rejection

_ROW_BITS = 32


class KeyMap:
    """The rows and rejected images of some shards; of equal keys the first.

    A place is one number, ``shard << 32 | row``, where `shard` counts from 0. Keys may be looked up
    from several threads.
    """

    def __init__(self) -> None:
        """Without shards; see `add`."""
        self.names: list[str] = []
        self.layouts: list[Layout] = []
        self.rejections: dict[ContentHash, Rejection] = {}
        self._known = KeyNumbers()
        self._new: list[tuple[int, Contents]] = []  # shards whose keys nobody has asked for yet
        self._turn, self._process = threading.Lock(), os.getpid()

    def __len__(self) -> int:
        return len(self._places())

    @property
    def n_stored(self) -> int:
        """Rows in all shards, with those that two shards have; needs no look-up."""
        return sum(layout.n_rows for layout in self.layouts)

    def __contains__(self, key: Key) -> bool:
        return key in self._places()

    def add(self, shard: Contents) -> None:
        """Add what a shard holds."""
        self.names.append(shard.name)
        self.layouts.append(shard.layout)
        self.rejections.update((rejection.content, rejection) for rejection in shard.rejections)
        self._new.append((len(self.names) - 1, shard))

    def keys(self) -> KeyArray:
        """Every key, in the order of the shards."""
        return self._places().keys()

    def find(self, keys: Sequence[Key] | KeyArray) -> NDArray[np.int64]:
        """Place of each key, int64 (n,); -1 where it has no row."""
        return self._places().find(KeyArray.of(keys))

    def _places(self) -> KeyNumbers:
        if self._new:
            if self._process != os.getpid():  # forked, maybe while another thread had its turn
                self._turn, self._process = threading.Lock(), os.getpid()
            with self._turn:
                self._add(self._new[:])
        return self._known

    def _add(self, shards: list[tuple[int, Contents]]) -> None:
        if shards:  # else another thread has just done it
            keys = [shard.key_array() for _, shard in shards]
            places = [
                (number << _ROW_BITS) + np.arange(shard.layout.n_rows, dtype=np.int64)
                for number, shard in shards
            ]
            # What comes later, say from somebody else's cache, replaces no row.
            self._known.add(KeyArray.joined(keys), np.concatenate(places))
            del self._new[: len(shards)]


def shards_and_rows(places: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The number of the shard and of the row of each place."""
    return places >> _ROW_BITS, places & ((1 << _ROW_BITS) - 1)
