"""Names of shards: a number that says which came first, and a hash of the file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

NUMBERS = 10**12
"""A shard is numbered below this."""

_COUNTED = 10**11  # a commit a second reaches it in 3,000 years
_NAME = re.compile(r"([0-9]{6,20})-([0-9a-f]{16})\.h5")


class ShardName(NamedTuple):
    """``000123-<XXH3 of the file, 16 hexadecimal digits>.h5``."""

    number: int
    digest: str

    @classmethod
    def parse(cls, name: str) -> ShardName | None:
        """Read a file name; None when it is not a shard's."""
        match = _NAME.fullmatch(name)
        return cls(int(match[1]), match[2]) if match else None

    def __str__(self) -> str:
        return f"{self.number:06d}-{self.digest}.h5"


def next_number(names: Iterable[str]) -> int:
    """The number of the shard that is written after these.

    Numbers that nobody reaches by counting are passed over: going on from them, there may be none
    left.
    """
    parsed = [ShardName.parse(name) for name in names]
    numbers = [name.number for name in parsed if name and name.number < _COUNTED]
    return 1 + max(numbers, default=-1)
