"""A tar archive as a part of a dataset: what is kept of it, and its images a few at a time."""

from __future__ import annotations

import os
from array import array
from collections import Counter
from typing import TYPE_CHECKING, Any

from ...untrusted.member_places import Places
from ...untrusted.tar_members import read_members
from ..folders import key_of
from ..webdataset import class_in
from .part import Part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ...untrusted.tar_members import FileStatus, Members, MemberStatus
    from .part import Place

MEMBERS_AT_ONCE = 10_000
"""Images of an archive that make one part."""


def summary_of(path: str, kind_of: Callable[[str], str], *, reads_classes: bool) -> dict[str, Any]:
    """What a survey has to know of an archive, as JSON takes it.

    Parameters
    ----------
    kind_of
        What a member is passed over as, by its name; empty for an image.
    reads_classes
        Whether files ``.cls`` hold classes, where there are any.

    Raises
    ------
    OSError
        When it cannot be read.
    DatasetError
        When a ``.cls`` file beside an image cannot be read as text.
    """
    members = read_members(path)
    passed_over = Counter(members.passed_over)
    folders: dict[str, list[Any]] = {}
    for name in members.places:
        if kind := kind_of(name):
            passed_over[kind] += 1
            continue
        above, _, own = name.rpartition("/")
        folder = folders.setdefault(above, [0, own])
        folder[0] += 1
        folder[1] = min(folder[1], own)
    is_empty = not members.places and not members.passed_over
    return {
        "folders": [[name, *counted] for name, counted in sorted(folders.items())],
        "passed_over": dict(passed_over),
        "problem": members.problem,
        "is_readable": not (members.problem and is_empty),
        "classes": _classes_in(path, members, kind_of) if reads_classes else None,
    }


def is_summary(found: Mapping[str, Any]) -> bool:
    """Whether something is what `summary_of` gives, with the patterns that were of use."""
    folders, passed_over = found.get("folders"), found.get("passed_over")
    classes, used = found.get("classes"), found.get("used")
    return (
        isinstance(folders, list)
        and all(
            isinstance(each, list) and [*map(type, each)] == [str, int, str] for each in folders
        )
        and isinstance(passed_over, dict)
        and {*map(type, passed_over.values())} <= {int}
        and isinstance(found.get("problem"), str)
        and isinstance(found.get("is_readable"), bool)
        and (classes is None or _are_texts(classes))
        and _are_texts(used)
    )


def _are_texts(found: object) -> bool:
    return isinstance(found, list) and {*map(type, found)} <= {str}


def _classes_in(path: str, members: Members, kind_of: Callable[[str], str]) -> list[str] | None:
    """The classes of the images, in order, and "" for those without; None without files .cls."""

    def class_files() -> Iterator[tuple[str, int, int]]:
        for name, place in members.places.items():
            stem, ending = key_of(name)
            if ending == ".cls" and kind_of(name) == ending:
                yield (stem, *place)

    beside = Places(class_files())
    if not beside:
        return None
    classes: dict[str, None] = {}
    for name in members.places:
        if kind_of(name):
            continue
        stem, _ = key_of(name)
        image = os.path.join(path, name)  # noqa: PTH118 (surrogate escapes)
        label = class_in(members.status_at(*beside[stem]), image) if stem in beside else ""
        classes.setdefault(label)
    return list(classes)


class OpenArchive:
    """An archive of which one folder after another is gone through.

    It is read once, when the first of its images is named; and again where it has changed since.
    """

    def __init__(self, path: str, *, is_problem_told: bool = False) -> None:
        """Nothing is read; `is_problem_told` where it is known that not all can be."""
        self.path = path
        self._members: Members | None = None
        self._is_problem_told = is_problem_told
        self._runs: dict[str, array[int]] | None = None

    def close(self) -> None:
        """Forget what has been read of it."""
        self._members = self._runs = None

    def members(self, changes: tuple[int, int, int]) -> Members:
        """What is in it; `changes` are those that it has now."""
        if self._members is None or self._members.changes != changes:
            self.close()
            self._members = read_members(self.path)
        return self._members

    def new_problem(self, n_missing: int) -> str:
        """Why not all of it is read, or why images that were counted are gone; said once."""
        members = self._members
        if members is None or self._is_problem_told:
            return ""
        problem = members.problem
        if n_missing and not members.places:  # another archive in its place is read as it is
            problem = problem or "it has been emptied meanwhile"
        self._is_problem_told = bool(problem)
        return problem

    def names(self, members: Members, below: str) -> Iterator[str]:
        """The members at or below a folder, in the order of the archive; all below ""."""
        places = members.places
        if not below:
            yield from places
            return
        if self._runs is None:
            self._runs = _runs_in(places)
        rows = sorted(
            run
            for folder, ends in self._runs.items()
            if folder == below or folder.startswith(f"{below}/")
            for run in zip(ends[::2], ends[1::2], strict=True)
        )
        for start, stop in rows:
            yield from (name for _, name in places.in_rows(start, stop))


def _runs_in(places: Places) -> dict[str, array[int]]:
    """By folder, the rows of its members: beginning and end of each run of them."""
    runs: dict[str, array[int]] = {}
    last: array[int] | None = None
    for row, name in places.in_rows(0, places.n_rows):
        of_folder = runs.setdefault(name.rpartition("/")[0], array("Q"))
        if of_folder is not last:
            if last is not None:
                last.append(row)
            of_folder.append(row)
            last = of_folder
    if last is not None:
        last.append(places.n_rows)
    return runs


class ArchiveImages:
    """The images at or below a place in an archive; it is opened when the first is named.

    Parameters
    ----------
    archive
        Shared by all places in it.
    below
        The folder in it, empty for all of it.
    n_images
        How many these are.
    place
        By which they are remembered.
    kind_of
        As of `summary_of`.
    """

    def __init__(
        self,
        archive: OpenArchive,
        below: str,
        n_images: int,
        place: Place,
        kind_of: Callable[[str], str],
    ) -> None:
        self.archive, self._below, self._kind_of = archive, below, kind_of
        self._n_images, self._place = n_images, place
        self._left: Iterator[tuple[str, MemberStatus]] | None = None
        self._at = 0

    def parts(self) -> Iterator[ArchivePart]:
        """The images in parts."""
        for start in range(0, self._n_images, MEMBERS_AT_ONCE):
            is_last = start + MEMBERS_AT_ONCE >= self._n_images
            yield ArchivePart(self, self._place.at(start), None if is_last else MEMBERS_AT_ONCE)
        self._left = None

    def images(self, start: int, n: int | None) -> Iterator[tuple[str, FileStatus | None]]:
        """`n` images, or all from there on; those before are passed over."""
        if self._left is None or self._at > start:
            self._left, self._at = self._named(), 0
        while n is None or self._at < start + n:
            found = next(self._left, None)
            if found is None:
                return
            self._at += 1
            if self._at > start:
                yield found

    def n_missing(self) -> int:
        """How many fewer there were than were counted, once all are gone through."""
        return max(0, self._n_images - self._at)

    def _named(self) -> Iterator[tuple[str, MemberStatus]]:
        members = self.archive.members(_stamp_of(self._place))
        for name in self.archive.names(members, self._below):
            if not self._kind_of(name):
                path = os.path.join(self.archive.path, name)  # noqa: PTH118
                yield path, members.status_of(name)


class ArchivePart(Part):
    """Some images of an archive."""

    def __init__(self, images: ArchiveImages, place: Place, n: int | None) -> None:
        self.place = place
        self._images, self._start, self._n = images, place.start, n
        self._above = os.path.join(images.archive.path, "")  # noqa: PTH118 (surrogate escapes)
        self._stamp = _stamp_of(place)

    def files(self) -> Iterator[tuple[str, FileStatus | None]]:
        """In the order in which they lie in the archive."""
        yield from self._images.images(self._start, self._n)
        archive = self._images.archive
        n_missing = self._images.n_missing() if self._n is None else 0
        if problem := archive.new_problem(n_missing):
            why = f"of the archive, not all is read: {problem}"
            self.unreadable = [*self.unreadable, (archive.path, why)]

    def name_of(self, path: str) -> str:
        """The name in the archive, which may be named by another path the next time."""
        return path.removeprefix(self._above)

    def path_of(self, name: str) -> str:
        """Below the archive, as it is named now."""
        return self._above + name

    def is_of(self, status: MemberStatus) -> bool:
        """Whether a member lies in the archive as it was."""
        return status[1:4] == self._stamp


def _stamp_of(place: Place) -> tuple[int, int, int]:
    return place.status.st_mtime_ns, place.status.st_ctime_ns, place.status.st_ino
