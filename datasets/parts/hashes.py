"""Which of many hashes have been there before, in 8 bytes each."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NEW_AT_ONCE = 10_000


class SeenHashes:
    """A set of numbers of 64 bits that come from a good hash.

    Of a million different ones, two are taken for one with a probability of 3 in 100 million.

    Numbers lie in sorted runs. A run that is as long as half of the one before is merged into it,
    so that all together cost no more than n log n.
    """

    def __init__(self) -> None:
        self._runs: list[NDArray[np.uint64]] = []
        self._new: set[int] = set()

    def __len__(self) -> int:
        return sum(map(len, self._runs)) + len(self._new)

    def add(self, digest: bytes) -> bool:
        """Add the first 8 bytes of a digest; whether they are new."""
        number = int.from_bytes(digest[:8], "little")
        if number in self._new or any(_is_in(run, number) for run in self._runs):
            return False
        self._new.add(number)
        if len(self._new) >= _NEW_AT_ONCE:
            self._runs.append(np.sort(np.fromiter(self._new, np.uint64, len(self._new))))
            self._new.clear()
            while len(self._runs) > 1 and 2 * len(self._runs[-1]) >= len(self._runs[-2]):
                last = self._runs.pop()
                self._runs[-1] = _merged(self._runs[-1], last)
        return True


def _merged(run: NDArray[np.uint64], other: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Both; they have no number in common."""
    numbers = np.concatenate([run, other])
    numbers.sort(kind="stable")  # of two sorted runs: in linear time
    return numbers


def _is_in(run: NDArray[np.uint64], number: int) -> bool:
    one_by_one = run.data  # which bisect reads faster than an array
    at = bisect_left(one_by_one, number)
    return at < len(one_by_one) and one_by_one[at] == number
