"""Folders and tar archives in parts."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import DatasetError
from ...untrusted.tar_members import archive_of
from ..folders import Folder, Walk, folder_in, folders_below
from ..layout import Layout
from ..sources import notes_of_folder
from .archives import ArchiveImages, OpenArchive, is_summary, summary_of
from .part import Part, Parts, place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from ...untrusted.tar_members import FileStatus
    from .part import Memory

FILES_AT_ONCE = 2048
"""Files that make one part, whatever folders they are in."""


class Survey(Walk):
    """Looks through folders and archives and counts the images in them.

    Of an archive that has not changed since it was last looked through, `memory` tells what is in
    it. With `reads_classes`, files ``.cls`` in archives hold classes.
    """

    def __init__(self, exclude: Sequence[str], memory: Memory, *, reads_classes: bool) -> None:
        super().__init__(exclude, keeps_names=False)
        self.classes: dict[str, None] | None = None
        """Those of the images in archives with files ``.cls``; None without such files."""
        self._memory, self._reads_classes = memory, reads_classes
        self.reading = {"exclude": [*exclude], "classes": reads_classes}

    def in_archive(self, path: str) -> Folder:
        """As `Walk.in_archive`, with images counted."""
        place = place_of(path, self.reading)
        remembered = self._memory.recall(place)
        if remembered is None or not is_summary(remembered.about):
            unused = dict(self.unused)
            found = summary_of(path, self.kind_in_archive, reads_classes=self._reads_classes)
            found["used"] = [name for name in unused if name not in self.unused]
            self._memory.remember(place, found)
        else:
            found = remembered.about
        for name in found["used"]:
            self.unused.pop(name, None)
        if not found["is_readable"]:
            return self.not_listed(path, found["problem"])
        if found["problem"]:
            why = f"of the archive, not all is read: {found['problem']}"
            self.unreadable.append((path, why))
        self.passed_over.update(found["passed_over"])
        if found["classes"] is not None:
            self.classes = {**(self.classes or {}), **dict.fromkeys(found["classes"])}
        folders = {"": Folder(is_archive=True)}
        for name, n_images, first_image in found["folders"]:
            folder = folder_in(folders, name)
            folder.n_images, folder.first_image = n_images, first_image
        for folder in folders.values():
            folder.entries.sort(key=lambda entry: entry[0])
        return folders[""]


class _Group(NamedTuple):
    """A folder with its images, or all that is at or below a place in an archive."""

    path: str
    archive: str | None
    n_images: int


@dataclass
class TreeParts(Parts):
    """A folder or archive in parts."""

    groups: Sequence[_Group] = ()
    exclude: Sequence[str] = ()
    reading: dict[str, Any] = field(default_factory=dict)
    kind_of: Callable[[str], str] = str

    def __iter__(self) -> Iterator[Part]:
        names: list[str] = []
        unreadable: list[tuple[str, str]] = []
        archive: OpenArchive | None = None
        told = {path for path, _ in self.unreadable}
        for group in self.groups:
            if archive is not None and archive.path != group.archive:
                archive.close()
                archive = None
            if group.archive is not None:
                if names or unreadable:
                    yield FilesPart(names, unreadable)
                    names, unreadable = [], []
                archive = archive or OpenArchive(
                    group.archive, is_problem_told=group.archive in told
                )
                yield from self._of_archive(group, archive)
                continue
            for path in _images_in(group.path, self.exclude, unreadable):
                names.append(path)
                if len(names) == FILES_AT_ONCE:
                    yield FilesPart(names, unreadable)
                    names, unreadable = [], []
        if names or unreadable:
            yield FilesPart(names, unreadable)

    def _of_archive(self, group: _Group, archive: OpenArchive) -> Iterator[Part]:
        try:
            place = place_of(group.path, self.reading, archive.path)
        except OSError as error:
            yield FilesPart([], [(archive.path, f"the archive cannot be read: {error.strerror}")])
            return
        below = group.path[len(archive.path) + 1 :]
        yield from ArchiveImages(archive, below, group.n_images, place, self.kind_of).parts()


class FilesPart(Part):
    """Files that are looked at one by one, and folders that could not be listed any more."""

    def __init__(self, paths: list[str], unreadable: Sequence[tuple[str, str]] = ()) -> None:
        self._paths = paths
        self.unreadable = unreadable

    def files(self) -> Iterator[tuple[str, FileStatus | None]]:
        """As they were named."""
        return ((path, None) for path in self._paths)


def survey(
    root: Path, exclude: Sequence[str], class_level: int | None, memory: Memory
) -> TreeParts:
    """Look through a folder or an archive, and say how it is read; see `load_dataset`."""
    walk = Survey(exclude, memory, reads_classes=class_level is None)
    folder = walk.list(str(root))
    if folder is None or not folder.is_listed:
        raise DatasetError(f"{root}: {walk.unreadable[0][1]}")
    if walk.classes is not None:
        groups = [*_groups(folders_below(str(root), folder))]
        labels: Iterable[str] = walk.classes
        notes = ["classes are those of the .cls files in the archives"]
        del walk.passed_over[".cls"]
    else:
        layout = Layout(str(root), folder, class_level)
        found = [*layout.folders()]
        groups = [*_groups(place for _, place in found)]
        labels = dict.fromkeys(of_class.label for of_class, (_, below) in found if below.n_images)
        notes = [*layout.notes]
        if layout.n_loose:
            walk.passed_over["images in no class folder"] += layout.n_loose
    notes += notes_of_folder(root, walk, labels, class_level)
    return TreeParts(
        str(root),
        n_images=sum(group.n_images for group in groups),
        ignored_kinds=dict(walk.passed_over.most_common()),
        unreadable=walk.unreadable,
        notes=notes,
        groups=groups,
        exclude=exclude,
        reading=walk.reading,
        kind_of=Walk(exclude).kind_in_archive,
    )


def _groups(folders: Iterable[tuple[str, Folder]]) -> Iterator[_Group]:
    """What is gone through together; `folders` are in the order of `folders_below`."""
    inside = ""
    for path, folder in folders:
        if inside and path.startswith(inside):
            continue
        archive = path if folder.is_archive else archive_of(os.path.join(path, ""))  # noqa: PTH118
        inside = "" if archive is None else os.path.join(path, "")  # noqa: PTH118
        n_images = folder.n_images
        if archive is not None:
            n_images = sum(below.n_images for _, below in folders_below(path, folder))
        if n_images:
            yield _Group(path, archive, n_images)


def _images_in(
    path: str, exclude: Sequence[str], unreadable: list[tuple[str, str]]
) -> Iterator[str]:
    """The images directly in a folder, sorted; none where it cannot be listed any more."""
    walk = Walk(exclude)
    try:
        names = walk.images_in(path)
    except OSError as error:
        unreadable.append((path, f"the folder cannot be listed: {error.strerror}"))
        return
    yield from (os.path.join(path, name) for name in names)  # noqa: PTH118
