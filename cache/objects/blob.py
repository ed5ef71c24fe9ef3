"""An object that is open for reading: pieces of it are fetched as they are read."""

from __future__ import annotations

import io
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

READ_AHEAD_BYTES = 1 << 18
"""HDF5 reads a few bytes at a time; all that it needs of a shard of 2048 rows takes as much."""
_PART_BYTES = 1 << 22
_MOST_AHEAD_BYTES = 1 << 23
"""Where one read follows the other, twice as much is fetched each time, up to this."""
_WINDOW_BYTES = 1 << 24
_WINDOW_RANGES = 16


class ObjectBlob(io.RawIOBase):
    """See `Blob` and `FetchesAhead`; used by one thread at a time.

    Parameters
    ----------
    head
        The first bytes of the object.
    n_bytes
        Its size.
    fetch
        Gives ranges, (offset, number of bytes), of the object.
    whole
        Told how many bytes are about to be read, opens a file on this machine with all of the
        object where that is better; else None.
    """

    def __init__(
        self,
        head: bytes,
        n_bytes: int,
        fetch: Callable[[Sequence[tuple[int, int]]], Sequence[bytes]],
        whole: Callable[[int], io.FileIO | None],
    ) -> None:
        self._pieces = [(0, head)]
        """The head, and what was fetched last."""
        self._n_bytes = n_bytes
        self._fetch, self._whole = fetch, whole
        self._at, self._ahead = 0, READ_AHEAD_BYTES
        self._expected: deque[tuple[int, int]] = deque()
        self._file: io.FileIO | None = None

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """As of every file."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at}.get(whence, self._n_bytes)
        return self._at

    def tell(self) -> int:
        """As of every file."""
        return self._at

    def close(self) -> None:
        """Close it; nothing is kept."""
        if self._file is not None:
            self._file.close()
        self._pieces = []
        super().close()

    def readinto(self, buffer: bytearray | memoryview) -> int:  # pyright: ignore
        """Fill the buffer as far as one piece goes."""
        wanted = memoryview(buffer).cast("B")
        if self._file is not None:
            self._file.seek(self._at)
            n_bytes = self._file.readinto(wanted) or 0
        else:
            found = self._found() or self._fetched(len(wanted))
            n_bytes = min(len(found), len(wanted))
            wanted[:n_bytes] = found[:n_bytes]
        self._at += n_bytes
        return n_bytes

    def expect(self, ranges: Sequence[tuple[int, int]]) -> None:
        """See `FetchesAhead.expect`."""
        if self._file is None:
            self._file = self._whole(sum(n_bytes for _, n_bytes in ranges))
        self._expected = deque(_in_parts(ranges))

    def _found(self) -> memoryview | None:
        """What is there already, from where the next read begins."""
        for start, piece in self._pieces:
            if start <= self._at < start + len(piece):
                return memoryview(piece)[self._at - start :]
        return None

    def _fetched(self, n_bytes: int) -> memoryview:
        """What is fetched now, from where the next read begins; empty at the end."""
        if self._at >= self._n_bytes or not n_bytes:
            return memoryview(b"")
        while self._expected and sum(self._expected[0]) <= self._at:
            self._expected.popleft()  # passed over, or part of the head
        if self._expected and self._expected[0][0] <= self._at:
            ranges = [*self._window()]
        else:
            start, last = self._pieces[-1]
            goes_on = start + len(last) == self._at
            self._ahead = min(2 * self._ahead, _MOST_AHEAD_BYTES) if goes_on else READ_AHEAD_BYTES
            ranges = [(self._at, min(self._n_bytes - self._at, max(n_bytes, self._ahead)))]
        pieces = self._fetch(ranges)
        self._pieces[1:] = [
            (start, piece) for (start, _), piece in zip(ranges, pieces, strict=True)
        ]
        return self._found() or memoryview(b"")

    def _window(self) -> Iterable[tuple[int, int]]:
        """The next ranges that are fetched together."""
        n_bytes = 0
        for _ in range(_WINDOW_RANGES):
            if not self._expected or (n_bytes and n_bytes + self._expected[0][1] > _WINDOW_BYTES):
                return
            n_bytes += self._expected[0][1]
            yield self._expected.popleft()


def _in_parts(ranges: Iterable[tuple[int, int]]) -> Iterable[tuple[int, int]]:
    """The same with no range longer than a part."""
    for offset, n_bytes in ranges:
        for start in range(0, n_bytes, _PART_BYTES):
            yield offset + start, min(_PART_BYTES, n_bytes - start)
