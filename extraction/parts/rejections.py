"""What was rejected, any number of images: the first are held, the others are in a file."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import weakref
from typing import IO, TYPE_CHECKING

from ...errors import TemporaryFileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_HELD = 1000


class Rejections:
    """Paths and reasons, in order.

    Raises
    ------
    TemporaryFileError
        When they are added or gone through, and the file cannot be made or the disk is full.
    """

    def __init__(self, first: Iterable[tuple[str, str]] = ()) -> None:
        self._held: list[tuple[str, str]] = []
        self._file: IO[str] | None = None
        self._n = 0
        self.extend(first)

    def extend(self, more: Iterable[tuple[str, str]]) -> None:
        """Add some."""
        for path, reason in more:
            if self._n < _HELD:
                self._held.append((path, reason))
            else:
                try:
                    self._write(json.dumps([path, reason]) + "\n")
                except OSError as error:
                    raise _failure(error) from error
            self._n += 1

    def _write(self, line: str) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile("w+", encoding="ascii", dir=_folder())  # noqa: SIM115
            weakref.finalize(self, _close, self._file)
        self._file.write(line)

    def __contains__(self, rejected: object) -> bool:
        return any(rejected == each for each in self)

    def __len__(self) -> int:
        return self._n

    def __iter__(self) -> Iterator[tuple[str, str]]:
        yield from self._held
        if self._file is None:
            return
        try:
            self._file.seek(0)  # which writes what is left to be written
        except OSError as error:
            raise _failure(error) from error
        for line in self._file:
            path, reason = json.loads(line)
            yield path, reason


def _folder() -> str:
    return os.environ.get("TMPDIR") or tempfile.gettempdir()


def _close(file: IO[str]) -> None:
    with contextlib.suppress(OSError):  # of a full disk, where nobody asks for them any more
        file.close()


def _failure(error: OSError) -> TemporaryFileError:
    return TemporaryFileError(
        f"the paths of images that are rejected do not fit into a temporary file in {_folder()}: "
        f"{error.strerror or error}; make room there, or set TMPDIR to another folder"
    )
