"""Many keys, each with a number, in sorted arrays: 60 bytes a key, and no Python object."""

from __future__ import annotations

import os
import struct
from bisect import bisect_left
from typing import TYPE_CHECKING

import numpy as np

from ..keys import HASH_BYTES, Key, KeyArray

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WORDS = HASH_BYTES // 8
_FACTORS = [number | 1 for number in struct.unpack("<9Q", os.urandom(72))]
"""Random: nobody can make up many keys of one digest, which would be compared one by one."""
_WRAP = (1 << 64) - 1


class KeyNumbers:
    """The number of each of many keys; of equal keys, that which was added first.

    Keys lie in runs, each sorted. A run that is as long as half of the one before is merged into
    it, so that all keys together cost no more than n log n, in whatever pieces they come. Keys may
    be looked up from other threads than the one that adds.
    """

    def __init__(self) -> None:
        """Without keys; see `add`."""
        self._runs: list[_Run] = []

    def __len__(self) -> int:
        return sum(map(len, self._runs))

    def __contains__(self, key: Key) -> bool:
        return any(run.has(key) for run in self._runs)

    def add(self, keys: KeyArray, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Add keys with their numbers, int64 (n,), not below 0; bool (n,): which of them are new.

        Of a key that comes twice, the first is new.
        """
        digests = _digests(keys)
        rows = np.flatnonzero(self._find(keys, digests) < 0)
        rows = rows[_is_first(digests[rows], keys, rows)]
        new = np.zeros(len(digests), bool)
        new[rows] = True
        runs = self._runs
        if len(rows):
            kept = keys if new.all() else keys.take(rows)
            runs = [*runs, _Run.of(digests[rows], kept, numbers[rows])]
        while len(runs) > 1 and 2 * len(runs[-1]) >= len(runs[-2]):
            runs = [*runs[:-2], runs[-2].merged(runs[-1])]
        self._runs = runs  # at once, for threads that look keys up meanwhile
        return new

    def find(self, keys: KeyArray) -> NDArray[np.int64]:
        """The number of each key, int64 (n,); -1 where it is not known."""
        return self._find(keys, _digests(keys))

    def _find(self, keys: KeyArray, digests: NDArray[np.uint64]) -> NDArray[np.int64]:
        found = np.full(len(digests), -1, np.int64)
        runs = self._runs
        if runs and len(digests):
            order = np.argsort(digests)  # in order, they are found several times as fast
            for run in runs:
                run.find(keys, digests, order, found)
        return found

    def keys(self) -> KeyArray:
        """All of them, in the order of their numbers."""
        runs = self._runs
        if not runs:
            return KeyArray(np.empty((0, HASH_BYTES), np.uint8), np.empty(0, np.uint32))
        numbers = np.concatenate([run.numbers for run in runs])
        keys = KeyArray.joined([run.keys for run in runs])
        return keys.take(np.argsort(numbers, kind="stable"))


class ContentSet:
    """Contents of many keys, whatever their views."""

    def __init__(self) -> None:
        self._known = KeyNumbers()

    def __contains__(self, content: object) -> bool:
        return isinstance(content, bytes) and Key(content) in self._known

    def add(self, keys: KeyArray) -> None:
        """Add the contents of keys."""
        n = len(keys.views)
        images = KeyArray(keys.contents, np.zeros(n, np.uint32))
        self._known.add(images, np.zeros(n, np.int64))


class _Run:
    """Keys that differ, in any order, and where they are in the order of their digests."""

    def __init__(
        self,
        digests: NDArray[np.uint64],
        order: NDArray[np.intp],
        keys: KeyArray,
        numbers: NDArray[np.int64],
    ) -> None:
        self.digests, self.order, self.keys, self.numbers = digests, order, keys, numbers
        self._one_by_one = digests.data  # which bisect reads faster than an array

    def __len__(self) -> int:
        return len(self.digests)

    @classmethod
    def of(cls, digests: NDArray[np.uint64], keys: KeyArray, numbers: NDArray[np.int64]) -> _Run:
        """The run of some keys, of which there is one at least."""
        order = np.argsort(digests)
        return cls(digests[order], order, keys, numbers)

    def merged(self, other: _Run) -> _Run:
        """Both; they have no key in common."""
        digests = np.concatenate([self.digests, other.digests])
        order = np.argsort(digests, kind="stable")  # of two sorted runs: in linear time
        places = np.concatenate([self.order, other.order + len(self)])
        numbers = np.concatenate([self.numbers, other.numbers])
        return _Run(
            digests[order], places[order], KeyArray.joined([self.keys, other.keys]), numbers
        )

    def has(self, key: Key) -> bool:
        """Whether a key is in it: what `find` says, in a tenth of its time."""
        digest = _digest(key)
        at = bisect_left(self._one_by_one, digest)
        while at < len(self.digests) and self._one_by_one[at] == digest:
            place = self.order[at]
            same = self.keys.contents[place].tobytes() == key.content
            if same and int(self.keys.views[place]) == key.view:
                return True
            at += 1
        return False

    def find(
        self,
        keys: KeyArray,
        digests: NDArray[np.uint64],
        order: NDArray[np.intp],
        found: NDArray[np.int64],
    ) -> None:
        """Put the numbers of keys that it has into `found`, int64 (n,)."""
        at = np.searchsorted(self.digests, digests[order])
        while len(order):
            left = at < len(self.digests)
            order, at = order[left], at[left]
            left = self.digests[at] == digests[order]
            order, at = order[left], at[left]
            places = self.order[at]
            same = _equal(self.keys, places, keys, order)
            found[order[same]] = self.numbers[places[same]]
            order, at = order[~same], at[~same] + 1


def _is_first(
    digests: NDArray[np.uint64], keys: KeyArray, rows: NDArray[np.intp]
) -> NDArray[np.bool_]:
    """bool (n,): which of the keys in these rows, int (n,), equal none before them."""
    is_first = np.ones(len(digests), bool)
    ordered = np.sort(digests)
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    if not len(repeated):  # the common case
        return is_first
    at = np.minimum(np.searchsorted(repeated, digests), len(repeated) - 1)
    alike = np.flatnonzero(repeated[at] == digests)
    some = keys.take(rows[alike])
    words = some.contents.view(np.uint64).reshape(-1, _WORDS)
    order = np.lexsort((some.views, *words.T))  # of equal ones, the first is first
    is_first[alike[order[1:]]] = ~_equal(some, order[1:], some, order[:-1])
    return is_first


def _digests(keys: KeyArray) -> NDArray[np.uint64]:
    """uint64 (n,): equal for equal keys, and hardly ever for others."""
    contents = np.ascontiguousarray(keys.contents)
    digests = keys.views.astype(np.uint64) * np.uint64(_FACTORS[-1])
    words = [*contents.view("<u8").T, *contents.view(">u8").T]
    for word, factor in zip(words, _FACTORS[:-1], strict=True):
        digests += word.astype(np.uint64) * np.uint64(factor)
    return digests


def _digest(key: Key) -> int:
    """As `_digests` has it, of one key."""
    words = struct.unpack("<4Q", key.content) + struct.unpack(">4Q", key.content)
    products = map(int.__mul__, (*words, key.view), _FACTORS)
    return sum(products) & _WRAP


def _equal(
    keys: KeyArray, rows: NDArray[np.intp], others: KeyArray, of: NDArray[np.intp]
) -> NDArray[np.bool_]:
    same = (keys.contents[rows] == others.contents[of]).all(axis=1)
    return same & (keys.views[rows] == others.views[of])
