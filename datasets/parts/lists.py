"""Tables and lists of paths in parts: blocks of rows, read one after another."""

from __future__ import annotations

import hashlib
import itertools
import os
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...untrusted.tar_members import archive_of
from ..listed import Table
from ..path_list import PathLines
from .hashes import SeenHashes
from .part import Part, Parts, Place, place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from ...untrusted.tar_members import FileStatus, MemberStatus
    from .part import Memory

ROWS_AT_ONCE = 4096
"""Rows that make one part."""

_SETTLED_NS = 2_000_000_000

_Stamp = list[int]


class _Rows(ABC):
    """A table or list, opened anew."""

    ignored_kinds: Mapping[str, int] = {}
    """What has been passed over."""

    @abstractmethod
    def rows(self) -> Iterator[tuple[int, Any]]:
        """What is in its lines."""

    @abstractmethod
    def images(self, line: int, row: Any) -> list[str]:
        """The images that a line leads to."""

    @abstractmethod
    def notes(self) -> list[str]:
        """What should be known, when all of it has been read."""

    @abstractmethod
    def can_be_remembered(self) -> bool:
        """Whether the same lines lead to the same images while nothing changes."""


class _TableRows(_Rows):
    """Rows of a table."""

    def __init__(self, path: Path, options: Mapping[str, Any]) -> None:
        self._table = Table(path, **options)

    def rows(self) -> Iterator[tuple[int, Any]]:
        return self._table.rows()

    def images(self, line: int, row: Any) -> list[str]:
        return self._table.take(line, row).images

    def notes(self) -> list[str]:
        return self._table.notes()

    def can_be_remembered(self) -> bool:
        return not self._table.files.notes  # no folder was looked for that has them


class _ListRows(_Rows):
    """Lines of a list of paths, each image once."""

    def __init__(self, path: Path, options: Mapping[str, Any]) -> None:
        self._lines = PathLines(path, options["image_root"], options["encoding"])
        self._seen = SeenHashes()

    def rows(self) -> Iterator[tuple[int, Any]]:
        return self._lines.rows()

    def images(self, line: int, row: Any) -> list[str]:
        return [image for image in self._lines.take(line, row) if self._is_new(image)]

    def notes(self) -> list[str]:
        self.ignored_kinds = dict(self._lines.passed_over.most_common())
        return self._lines.notes()

    def can_be_remembered(self) -> bool:
        return False  # which images have been named before depends on all lines

    def _is_new(self, image: str) -> bool:
        name = os.fsencode(os.path.normpath(image))
        return self._seen.add(hashlib.blake2b(name, digest_size=8).digest())


class _Archives:
    """The archives that images lie in, as they are now."""

    def __init__(self) -> None:
        self._stamps: dict[str, _Stamp | None] = {}

    def stamp_of(self, archive: str) -> _Stamp | None:
        """What tells that it has not changed; None where it is not there, or is as new as that it
        may change once more at what its file system calls the same time."""
        if archive not in self._stamps:
            now_ns = time.time_ns()
            try:
                status = os.stat(archive)  # noqa: PTH116 (names may hold surrogate escapes)
            except OSError:
                self._stamps[archive] = None
            else:
                times = status.st_mtime_ns, status.st_ctime_ns
                is_settled = now_ns - status.st_ctime_ns >= _SETTLED_NS
                stamp = [status.st_size, *times, status.st_ino]
                self._stamps[archive] = stamp if is_settled else None
        return self._stamps[archive]

    def are_as(self, stamps: Any) -> bool:
        """Whether all have not changed."""
        return isinstance(stamps, dict) and all(
            stamp is not None and self.stamp_of(archive) == stamp
            for archive, stamp in stamps.items()
        )


@dataclass
class ListParts(Parts):
    """A table or list in parts."""

    opened: Callable[[], _Rows] | None = None
    place: Place | None = None
    """None where it cannot be remembered."""

    def __iter__(self) -> Iterator[Part]:
        assert self.opened is not None
        rows = self.opened()
        lines, archives = rows.rows(), _Archives()
        for start in itertools.count(0, ROWS_AT_ONCE):
            block = [*itertools.islice(lines, ROWS_AT_ONCE)]
            if not block:
                return
            place = None if self.place is None else self.place.at(start)
            yield RowsPart(block, rows, archives, place)


class RowsPart(Part):
    """Some rows; remembered where all of their images lie in archives."""

    def __init__(
        self,
        block: Sequence[tuple[int, Any]],
        rows: _Rows,
        archives: _Archives,
        place: Place | None,
    ) -> None:
        self.place = place
        self._block, self._rows, self._archives = block, rows, archives
        self._within: dict[str, _Stamp | None] = {}

    def files(self) -> Iterator[tuple[str, FileStatus | None]]:
        """In the order of the rows."""
        self._within = {}
        for line, row in self._block:
            for path in self._rows.images(line, row):
                self._note_archive(path)
                yield path, None

    def _note_archive(self, path: str) -> None:
        if self.place is None:
            return
        archive = archive_of(path)
        if archive is None:
            self.place = None
            return
        self._within[archive] = self._archives.stamp_of(archive)

    def is_of(self, status: MemberStatus) -> bool:
        """Whether a member lies in one of the archives, as they were."""
        stamp = self._within.get(status.archive)
        return stamp is not None and [*status[1:4]] == stamp[1:]

    def about(self) -> dict[str, Any]:
        """The archives, as they were."""
        return {"archives": self._within}

    def holds(self, about: Mapping[str, Any]) -> bool:
        """Whether these have not changed."""
        return self._archives.are_as(about.get("archives"))


def survey(path: Path, options: Mapping[str, Any], memory: Memory, *, is_table: bool) -> ListParts:
    """Look through a table or list; see `load_dataset`."""

    def opened() -> _Rows:
        return (_TableRows if is_table else _ListRows)(path, options)

    place = place_of(str(path), {name: _plain(value) for name, value in options.items()})
    remembered = memory.recall(place) if is_table else None
    archives = _Archives()
    about = {} if remembered is None else remembered.about
    if _is_summary(about) and archives.are_as(about["archives"]):
        return ListParts(
            str(path), about["n_images"], notes=about["notes"], opened=opened, place=place
        )
    rows = opened()
    n_images, within, is_sealed = 0, {}, rows.can_be_remembered()
    for line, row in rows.rows():
        images = rows.images(line, row)
        n_images += len(images)
        for image in images if is_sealed else ():
            archive = archive_of(image)
            is_sealed = is_sealed and archive is not None
            if archive is not None:
                within[archive] = archives.stamp_of(archive)
    notes = rows.notes()
    if is_sealed:
        memory.remember(place, {"n_images": n_images, "notes": notes, "archives": within})
    return ListParts(
        str(path),
        n_images,
        rows.ignored_kinds,
        notes=notes,
        opened=opened,
        place=place if is_sealed else None,
    )


def _is_summary(found: Mapping[str, Any]) -> bool:
    """Whether something is what `survey` remembers."""
    notes = found.get("notes")
    is_typed = isinstance(notes, list) and {*map(type, notes)} <= {str}
    return is_typed and type(found.get("n_images")) is int and "archives" in found


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, str) else os.fsdecode(value)
