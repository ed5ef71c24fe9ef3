"""Where the members of an archive lie, by name, without a Python object for each."""

from __future__ import annotations

import os
from array import array
from bisect import bisect_left
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray


class Places(Mapping[str, tuple[int, int]]):
    """By name, where the bytes of a member begin and how many they are.

    A member takes its name and some 16 bytes, in large archives up to 28. They are in the order of
    the archive; of several with one name, the last counts.
    """

    def __init__(self, members: Iterable[tuple[str, int, int]] = ()) -> None:
        """Take name, beginning and number of bytes of each member."""
        names, ends = bytearray(), array("Q", [0])
        offsets, sizes, digests = array("Q"), array("Q"), array("I")
        for name, offset, size in members:
            raw = os.fsencode(name)
            names += raw
            ends.append(len(names))
            offsets.append(offset)
            sizes.append(size)
            digests.append(_digest(raw))
        self._names, self._ends = bytes(names), _small(ends)
        self._offsets, self._sizes = _small(offsets), _small(sizes)
        found = np.array(digests, np.uint32)
        order = np.argsort(found, kind="stable")
        self._digests, self._order = found[order], _small(order)
        self._one_by_one = self._digests.data  # which bisect reads faster than an array
        self._replaced = self._earlier_of_one_name()

    def _earlier_of_one_name(self) -> frozenset[int]:
        alike = np.flatnonzero(self._digests[1:] == self._digests[:-1])
        last: dict[bytes, int] = {}
        replaced: set[int] = set()
        for row in sorted({int(self._order[at]) for pair in alike for at in (pair, pair + 1)}):
            name = self._raw(row)
            if name in last:
                replaced.add(last[name])
            last[name] = row
        return frozenset(replaced)

    def _raw(self, row: int) -> bytes:
        return self._names[int(self._ends[row]) : int(self._ends[row + 1])]

    def __len__(self) -> int:
        return len(self._offsets) - len(self._replaced)

    def __iter__(self) -> Iterator[str]:
        return (name for _, name in self.in_rows(0, self.n_rows))

    @property
    def n_rows(self) -> int:
        """How many members there are, with those that a later one of their name replaces."""
        return len(self._offsets)

    def in_rows(self, start: int, stop: int) -> Iterator[tuple[int, str]]:
        """Row and name of the members in some rows that no later one replaces."""
        for row in range(start, stop):
            if row not in self._replaced:
                yield row, os.fsdecode(self._raw(row))

    def __getitem__(self, name: str) -> tuple[int, int]:
        row = self._find(name)
        if row is None:
            raise KeyError(name)
        return int(self._offsets[row]), int(self._sizes[row])

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._find(name) is not None

    def _find(self, name: str) -> int | None:
        raw = os.fsencode(name)
        digest = _digest(raw)
        at = bisect_left(self._one_by_one, digest)
        while at < len(self._digests) and self._one_by_one[at] == digest:
            row = int(self._order[at])
            if row not in self._replaced and self._raw(row) == raw:
                return row
            at += 1
        return None


def _digest(name: bytes) -> int:
    """32 bits that are random to whoever names the members."""
    return hash(name) & 0xFFFFFFFF


def _small(numbers: array[int] | NDArray[np.intp]) -> NDArray[np.unsignedinteger[Any]]:
    """The same in the smallest type that holds them."""
    found = np.asarray(numbers)
    return found.astype(np.min_scalar_type(int(found.max(initial=0))))
