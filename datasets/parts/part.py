"""What a dataset in parts is, and what can be remembered of its parts."""

from __future__ import annotations

import hashlib
import json
import os
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ...untrusted.tar_members import FileStatus, MemberStatus

WHOLE = -1
"""In place of a part's beginning: what is remembered of an archive or table as a whole."""
_VERSION = 2
"""Of what is remembered: what was remembered under another is unknown. To be raised when something
is read in another way, or kept in another form."""


class Place(NamedTuple):
    """A part of an archive or table, as it is now."""

    path: str
    """Of the archive, of a folder in it, or of the table."""
    reading: str
    """Stands for the options by which it is read."""
    start: int
    """How many images, or rows of a table, come before it; or `WHOLE`."""
    status: os.stat_result
    """Of the archive or table."""
    looked_at_ns: int
    """A time not later than that of the status."""

    def at(self, start: int) -> Place:
        """Another part of the same."""
        return self._replace(start=start)


class Remembered(NamedTuple):
    """What was remembered of a place that has not changed since."""

    about: dict[str, Any]
    contents: bytes
    """32 bytes for each image, in order."""


class Memory(Protocol):
    """Remembers places from one run to another; it may forget any time."""

    def recall(self, place: Place) -> Remembered | None:
        """What is remembered of a place as it is; None where nothing is."""
        ...

    def remember(self, place: Place, about: dict[str, Any], contents: bytes = b"") -> None:
        """Remember it, instead of what was remembered before."""


class _NoMemory:
    """Remembers nothing."""

    def recall(self, place: Place) -> Remembered | None:
        """Nothing."""

    def remember(self, place: Place, about: dict[str, Any], contents: bytes = b"") -> None:
        """Forget it."""


NO_MEMORY: Memory = _NoMemory()


class Part(ABC):
    """Some images of a dataset."""

    place: Place | None = None
    """By which it is remembered; None where each of its files has to be looked at."""

    unreadable: Sequence[tuple[str, str]] = ()
    """Folders and archives that were there before, and why they cannot be read now."""

    @abstractmethod
    def files(self) -> Iterator[tuple[str, FileStatus | None]]:
        """Paths of the images, in order; with their status, where it is known."""

    def is_of(self, status: MemberStatus) -> bool:
        """Whether a file in an archive is from `place` as it is."""
        return False

    def name_of(self, path: str) -> str:
        """What is remembered of the path of one of its images."""
        return path

    def path_of(self, name: str) -> str:
        """The path of an image, by what `name_of` said."""
        return name

    def about(self) -> dict[str, Any]:
        """What is remembered of it beside its contents, when `files` has been gone through."""
        return {}

    def holds(self, about: Mapping[str, Any]) -> bool:
        """Whether what `about` said of it then still holds."""
        return True


@dataclass
class Parts(ABC):
    """A dataset that is gone through in parts, any number of times."""

    source: str
    n_images: int = 0
    """As they were counted when it was looked through."""
    ignored_kinds: Mapping[str, int] = field(default_factory=dict)
    """As of a `Dataset`."""
    unreadable: Sequence[tuple[str, str]] = ()
    notes: Sequence[str] = ()
    memory: Memory = NO_MEMORY

    def __len__(self) -> int:
        return self.n_images

    @property
    def ignored(self) -> int:
        """As of a `Dataset`."""
        return sum(self.ignored_kinds.values())

    def recall(self, part: Part) -> Remembered | None:
        """What is remembered of a part; None where it is not, or has changed."""
        found = None if part.place is None else self.memory.recall(part.place)
        return found if found is not None and part.holds(found.about) else None

    @abstractmethod
    def __iter__(self) -> Iterator[Part]:
        """The parts, in order."""


def place_of(path: str, reading: Mapping[str, Any], of: str | None = None) -> Place:
    """An archive or table as a whole, or what is at `path` in the archive `of`, as it is now.

    Raises
    ------
    OSError
        When it is not there.
    """
    text = json.dumps({"version": _VERSION, "reading": {**reading}}, sort_keys=True)
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    now_ns = time.time_ns()
    status = os.stat(path if of is None else of)  # noqa: PTH116 (names may hold surrogate escapes)
    return Place(path, digest, WHOLE, status, now_ns)
