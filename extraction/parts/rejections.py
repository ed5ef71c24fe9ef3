"""What was rejected, any number of images: the first are held, the others are in a file."""

from __future__ import annotations

import json
import tempfile
import weakref
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_HELD = 1000


class Rejections:
    """Paths and reasons, in order."""

    def __init__(self, first: Iterable[tuple[str, str]] = ()) -> None:
        self._held: list[tuple[str, str]] = []
        self._file: IO[str] | None = None
        self._n = 0
        self.extend(first)

    def extend(self, more: Iterable[tuple[str, str]]) -> None:
        """Add some."""
        for path, reason in more:
            self._n += 1
            if self._n <= _HELD:
                self._held.append((path, reason))
                continue
            if self._file is None:
                self._file = tempfile.TemporaryFile("w+", encoding="ascii")  # noqa: SIM115
                weakref.finalize(self, self._file.close)
            self._file.write(json.dumps([path, reason]) + "\n")

    def __contains__(self, rejected: object) -> bool:
        return any(rejected == each for each in self)

    def __len__(self) -> int:
        return self._n

    def __iter__(self) -> Iterator[tuple[str, str]]:
        yield from self._held
        if self._file is None:
            return
        self._file.seek(0)
        for line in self._file:
            path, reason = json.loads(line)
            yield path, reason
