"""The folders and archives below a place and the images in them; nothing is decoded."""

from __future__ import annotations

import os
import stat
from collections import Counter
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import TYPE_CHECKING

from ..untrusted.tar_members import ENDING, members_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ..untrusted.tar_members import MemberStatus

EXTENSIONS = frozenset(
    [
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".webp",
        ".gif",
        ".bmp",
        ".dib",
        ".tif",
        ".tiff",
        ".avif",
        ".heic",
        ".heif",
        ".hif",
        ".ppm",
        ".pgm",
        ".pbm",
        ".pnm",
    ]
)
"""Lower-case endings of the files that are taken for images; content decides how they are read."""
_ENDINGS = tuple(EXTENSIONS)

_SYSTEM_FOLDERS = frozenset(
    [
        "$recycle.bin",
        "#recycle",
        "#snapshot",
        "@eadir",
        "@recently-snapshot",
        "@recycle",
        "@sharebin",
        "@synoresource",
        "@tmp",
        "__macosx",
        "__pycache__",
        "_gsdata_",
        "found.000",
        "lost+found",
        "lost.dir",
        "network trash folder",
        "paxheader",
        "paxheaders",
        "recycled",
        "recycler",
        "system volume information",
        "temporary items",
        "~snapshot",
    ]
)
"""What operating systems, archives, NAS and synchronisation leave, lower case: recycle bins,
snapshots, thumbnails. Those whose names begin with a dot are hidden anyway."""

_DEEPEST = 100
_KINDS_SHOWN = 8


@dataclass(eq=False)
class Folder:
    """A folder of which something is an image or a folder with images, or cannot be listed."""

    entries: list[tuple[str, Folder | None]] = field(default_factory=list)
    """Images (None) and folders with images, by name, sorted."""
    is_listed: bool = True
    without_images: list[str] = field(default_factory=list)
    """Names of the folders in it that hold no image at any depth."""
    is_archive: bool = False
    n_images: int = 0
    """Directly in it."""
    first_image: str = ""
    """Its name, the smallest of them."""

    def add_image(self, name: str, *, is_kept: bool = True) -> None:
        """Count an image; its name is among the entries where it `is_kept`."""
        self.n_images += 1
        if self.n_images == 1 or name < self.first_image:
            self.first_image = name
        if is_kept:
            self.entries.append((name, None))

    @property
    def images(self) -> list[str]:
        """Names of the images directly in it, where they are kept."""
        return [name for name, folder in self.entries if folder is None]

    @property
    def holds_images(self) -> bool:
        """Whether an image is in it, at any depth, or a folder that cannot be listed."""
        return self.n_images > 0 or bool(self.entries)

    @property
    def folders(self) -> dict[str, Folder]:
        """The folders in it that hold images at any depth."""
        return {name: folder for name, folder in self.entries if folder is not None}


class Walk:
    """Lists folders and tar archives, once each, and counts by kind what it passes over.

    A folder that two names lead to stands under both. A link to a folder above itself, which
    would never end, is passed over.

    Parameters
    ----------
    exclude
        Names of files and folders to leave out, with ``*`` and ``?`` as in a shell.
    keeps_names
        Whether images are named, or only counted.
    """

    def __init__(self, exclude: Sequence[str] = (), *, keeps_names: bool = True) -> None:
        self.passed_over: Counter[str] = Counter()
        self.unreadable: list[tuple[str, str]] = []
        self.unused = dict.fromkeys(exclude)
        """Those of `exclude` that nothing is called."""
        self.class_files: dict[str, MemberStatus] = {}
        """Of images in archives that have a file ``.cls`` beside them, by their paths without
        endings: that file, which holds the class (WebDataset)."""
        self._exclude, self._keeps_names = tuple(exclude), keeps_names
        self._known: dict[tuple[int, int], Folder | None] = {}

    def list(self, path: str, depth: int = 0) -> Folder | None:
        """What is in a folder, at any depth; None for a link to a folder above itself."""
        folder = Folder()
        try:
            status = os.stat(path)  # noqa: PTH116 (names are str with surrogate escapes here)
            identity = (status.st_dev, status.st_ino)
            if identity in self._known:
                known = self._known[identity]
                if known is None:
                    self.passed_over["link to a folder above it"] += 1
                return known
            if depth > _DEEPEST:
                return self.not_listed(path, f"it lies more than {_DEEPEST} folders deep")
            if _ends_as_archive(path) and not stat.S_ISDIR(status.st_mode):
                self._known[identity] = self.in_archive(path)
                return self._known[identity]
            with os.scandir(path) as listing:
                below = self._take_images(folder, listing)
        except OSError as error:
            return self.not_listed(path, str(error.strerror))
        self._known[identity] = None  # until it is complete, a link to it is a circle
        for entry in below:
            inside = self.list(entry.path, depth + 1)
            if inside is not None and (inside.holds_images or not inside.is_listed):
                folder.entries.append((entry.name, inside))
            elif inside is not None:
                folder.without_images.append(entry.name)
        folder.entries.sort(key=lambda entry: entry[0])
        self._known[identity] = folder
        return folder

    def _take_images(
        self, folder: Folder, listing: Iterable[os.DirEntry[str]]
    ) -> list[os.DirEntry[str]]:
        """Count what is in a folder; the folders and archives in it, sorted."""
        below: list[os.DirEntry[str]] = []
        for entry in listing:
            if self._is_left_out(entry):
                continue
            if _is_folder(entry) or is_archive(entry.path):
                below.append(entry)
            elif is_candidate(entry):
                folder.add_image(entry.name, is_kept=self._keeps_names)
            else:
                self.passed_over[kind_of(entry.name)] += 1
        return sorted(below, key=lambda entry: entry.name)

    def images_in(self, path: str) -> Sequence[str]:
        """Names of the images directly in a folder, sorted.

        Raises
        ------
        OSError
            When it cannot be listed.
        """
        folder = Folder()
        with os.scandir(path) as listing:
            self._take_images(folder, listing)
        return sorted(folder.images)

    def in_archive(self, path: str) -> Folder:
        """What is in a tar archive, as if it were a folder."""
        found = members_of(path)
        if found.problem and not found.places and not found.passed_over:
            return self.not_listed(path, found.problem)
        if found.problem:
            self.unreadable.append((path, f"of the archive, not all is read: {found.problem}"))
        self.passed_over.update(found.passed_over)
        root = Folder(is_archive=True)
        folders = {"": root}
        for name in sorted(found.places):
            kind = self.kind_in_archive(name)
            stem, ending = key_of(name)
            if ending == ".cls" and kind == ending:
                self.class_files[os.path.join(path, stem)] = found.status_of(name)  # noqa: PTH118
            if kind:
                self.passed_over[kind] += 1
                continue
            above, _, own = name.rpartition("/")
            folder_in(folders, above).add_image(own)
        for folder in folders.values():
            folder.entries.sort(key=lambda entry: entry[0])
        return root

    def kind_in_archive(self, name: str) -> str:
        """What a member is passed over as; empty for an image."""
        *above, own = name.split("/")
        for part in (*above, own):
            if self._is_excluded(part):
                return "excluded"
            if part.startswith("."):
                return "hidden"
        if any(part.lower() in _SYSTEM_FOLDERS for part in above):
            return "system folder"
        if len(above) > _DEEPEST:
            return f"more than {_DEEPEST} folders deep"
        return "" if is_image_name(own) else kind_of(own)

    def not_listed(self, path: str, why: str) -> Folder:
        """Note a folder or an archive that cannot be read."""
        what = "the archive cannot be read" if is_archive(path) else "the folder cannot be listed"
        self.unreadable.append((path, f"{what}: {why}"))
        return Folder(is_listed=False)

    def _is_excluded(self, name: str) -> bool:
        for pattern in self._exclude:
            if fnmatch(name, pattern):
                self.unused.pop(pattern, None)
                return True
        return False

    def _is_left_out(self, entry: os.DirEntry[str]) -> bool:
        if self._is_excluded(entry.name):
            self.passed_over["excluded"] += 1
            return True
        if entry.name.startswith("."):
            self.passed_over["hidden"] += 1
            return True
        if entry.name.lower() in _SYSTEM_FOLDERS and _is_folder(entry):
            self.passed_over["system folder"] += 1
            return True
        return False


def images_below(path: str, folder: Folder, seen: dict[Folder, str] | None = None) -> Iterator[str]:
    """Paths of the images at or below a folder; of a folder with two names, under the first.

    `seen` is filled with the folders and their paths; those in it are passed over.
    """
    seen = {} if seen is None else seen
    if folder in seen:
        return
    seen[folder] = path
    for name, below in folder.entries:
        inside = os.path.join(path, name)  # noqa: PTH118
        if below is None:
            yield inside
        else:
            yield from images_below(inside, below, seen)


def folders_below(
    path: str, folder: Folder, seen: dict[Folder, str] | None = None
) -> Iterator[tuple[str, Folder]]:
    """As `images_below`: the folders in which images are, each after the one that it is in."""
    seen = {} if seen is None else seen
    if folder in seen:
        return
    seen[folder] = path
    yield path, folder
    for name, below in folder.folders.items():
        yield from folders_below(os.path.join(path, name), below, seen)  # noqa: PTH118


def find_images(
    path: str | os.PathLike[str], unreadable: list[tuple[str, str]] | None = None
) -> list[str]:
    """The images at or below a folder or archive, sorted; another path is returned as it is.

    Folders and archives that cannot be listed, and why, are added to `unreadable`.
    """
    name = os.fspath(path)
    if not holds_images(name):
        return [name]
    walk = Walk()
    found = list(images_below(name, walk.list(name) or Folder()))
    if unreadable is not None:
        unreadable += walk.unreadable
    return found


def kinds_in_words(passed_over: Mapping[str, int]) -> str:
    """What was passed over as people write it: ``.txt (9), .json (3)``."""
    kinds = sorted(passed_over.items(), key=lambda kind: (-kind[1], kind[0]))
    words = [f"{name} ({count})" for name, count in kinds[:_KINDS_SHOWN]]
    if len(kinds) > _KINDS_SHOWN:
        words.append(f"{len(kinds) - _KINDS_SHOWN} other kinds")
    return ", ".join(words)


def holds_images(path: str) -> bool:
    """Whether a path is that of a folder or of a tar archive."""
    return os.path.isdir(path) or is_archive(path)  # noqa: PTH112 (False for any failure)


def is_archive(path: str) -> bool:
    """Whether a path is that of a tar archive, by its name: a regular file."""
    return _ends_as_archive(path) and os.path.isfile(path)  # noqa: PTH113 (False for any failure)


def key_of(name: str) -> tuple[str, str]:
    """A path without the endings of its last name, which all begin at its first dot, and those."""
    above, slash, own = name.rpartition("/")
    stem, dot, endings = own.partition(".")
    return above + slash + stem, (dot + endings).lower()


def is_image_name(name: str) -> bool:
    """Whether a name ends as that of an image."""
    return name.lower().endswith(_ENDINGS)


def is_candidate(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a regular file (or a link to one) with an image extension."""
    if not is_image_name(entry.name):
        return False
    try:
        if entry.is_file():
            return True
        # A file that cannot be looked at is a candidate: opening it gives the reason.
        return entry.is_symlink() and not os.path.exists(entry.path)  # noqa: PTH110
    except OSError:
        return True


def folder_in(folders: dict[str, Folder], path: str) -> Folder:
    """The folder of an archive that has a path; made, with those above it, where there is none."""
    if path not in folders:
        above, _, own = path.rpartition("/")
        folders[path] = Folder()
        folder_in(folders, above).entries.append((own, folders[path]))
    return folders[path]


def _ends_as_archive(name: str) -> bool:
    return name.lower().endswith(ENDING)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def kind_of(name: str) -> str:
    """What a file that is no image is counted as, by its name."""
    if is_image_name(name):
        return "no regular file"
    ending = os.path.splitext(name)[1].lower()  # noqa: PTH122
    if not ending:
        return "no extension"
    return ending if len(ending) <= 12 and ending.isprintable() else "other"
