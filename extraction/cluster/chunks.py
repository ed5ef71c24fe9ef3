"""How files are shared out to workers: in chunks, each until all of it is settled."""

from __future__ import annotations

import itertools
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import EngineError
from ...formatting import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..image_files import ImageFile

_FIRST = 256
_LEAST, _MOST = 32, 1 << 16
_SECONDS = 30.0
"""What a chunk takes a worker, about: at its end the worker waits for a moment."""
_MOST_LOSSES = 8
"""Of a chunk that is as small as they get: no chance any more, but something in it."""


@dataclass(eq=False)
class Chunk:
    """Files that one worker is given at a time."""

    files: Sequence[ImageFile]
    n_lost: int = 0
    """How often it was lost with its worker since it got as small as chunks get."""


class Chunks:
    """Files that have to be read, in the order in which they come."""

    def __init__(self, files: Iterator[ImageFile], n_files: int) -> None:
        """`files` are drawn from as they are needed; there are `n_files`."""
        self._files, self._n_left = files, n_files
        self._again: deque[Chunk] = deque()

    @property
    def n_left(self) -> int:
        """Files that no worker has."""
        return self._n_left + sum(len(chunk.files) for chunk in self._again)

    def take(self, files_per_s: float | None, n_workers: int) -> Chunk | None:
        """The next chunk for a worker, None where none is left.

        Parameters
        ----------
        files_per_s
            What that worker does; None where it has done nothing yet.
        n_workers
            All that there are: at the end each gets a share, so that they end together.
        """
        if self._again:
            return self._again.popleft()
        n = _FIRST if files_per_s is None else round(files_per_s * _SECONDS)
        share = -(-self._n_left // (2 * max(1, n_workers)))
        files = list(itertools.islice(self._files, max(_LEAST, min(n, share, _MOST))))
        self._n_left = max(0, self._n_left - len(files)) if files else 0
        return Chunk(files) if files else None

    def skip(self, n_files: int) -> None:
        """So many files fewer will come than was said."""
        self._n_left = max(0, self._n_left - n_files)

    def put_back(self, chunk: Chunk, left: Sequence[ImageFile], reason: str) -> None:
        """Have files of a lost chunk extracted again, in two halves: something may be in one.

        Raises
        ------
        EngineError
            When a few files were lost too often.
        """
        if len(left) > _LEAST:
            half = len(left) // 2
            self._again += [Chunk(left[:half]), Chunk(left[half:])]
            return
        if left and chunk.n_lost + 1 >= _MOST_LOSSES:
            some = ", ".join(file.path for file in left[:3])
            raise EngineError(
                f"{counted(_MOST_LOSSES, 'worker')} ended while extracting {some}"
                f"{' …' if len(left) > 3 else ''}: {reason}. What is committed is kept"
            )
        if left:
            self._again.append(Chunk(left, chunk.n_lost + 1))
