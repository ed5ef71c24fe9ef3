"""Which of many hashes have been there before, in 8 bytes each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NEW_AT_ONCE = 10_000


class SeenHashes:
    """A set of numbers of 64 bits that come from a good hash.

    Of a million different ones, two are taken for one with a probability of 3 in 100 million.
    """

    def __init__(self) -> None:
        self._sorted: NDArray[np.uint64] = np.empty(0, np.uint64)
        self._new: set[int] = set()

    def __len__(self) -> int:
        return len(self._sorted) + len(self._new)

    def add(self, digest: bytes) -> bool:
        """Add the first 8 bytes of a digest; whether they are new."""
        number = int.from_bytes(digest[:8], "little")
        if number in self._new or self._is_sorted_in(number):
            return False
        self._new.add(number)
        if len(self._new) >= _NEW_AT_ONCE:
            self._sorted = np.union1d(self._sorted, np.fromiter(self._new, np.uint64))
            self._new.clear()
        return True

    def _is_sorted_in(self, number: int) -> bool:
        if not len(self._sorted):
            return False
        at = int(np.searchsorted(self._sorted, np.uint64(number)))
        return at < len(self._sorted) and int(self._sorted[at]) == number
