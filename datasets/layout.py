"""Which folders are splits, which are classes and which only hold the others.

The evidence: a split folder holds class folders, a class folder holds images. Where that and the
names leave two readings, the dataset is refused, with the ways to say which is meant.
"""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from ..errors import DatasetError
from ..formatting import counted
from .folders import Folder, folders_below, images_below
from .split_names import names_no_class, split_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence, Set

_NAMES_SHOWN = 5

_T = TypeVar("_T")


class Place(NamedTuple):
    """A folder and the path by which it was reached."""

    path: str
    folder: Folder

    @property
    def name(self) -> str:
        """Its own name; of an archive, without its ending."""
        name = self.in_folder
        return os.path.splitext(name)[0] if self.folder.is_archive else name  # noqa: PTH122

    @property
    def in_folder(self) -> str:
        """What it is called in the folder above it."""
        return os.path.basename(self.path)  # noqa: PTH119 (surrogate escapes)

    def inside(self) -> list[Place]:
        """The folders in it that hold images."""
        return [
            Place(os.path.join(self.path, name), folder)  # noqa: PTH118
            for name, folder in self.folder.folders.items()
        ]


class ClassFolder(NamedTuple):
    """A folder whose images are of one class, or of none."""

    place: Place
    label: str
    """Empty: the images have no class."""
    split: str | None


class Layout:
    """How a folder is read: the class folders, and what should be known of the reading.

    Parameters
    ----------
    path, folder
        The dataset and what is in it.
    class_level
        1 where the folders in `path` are the classes, 2 where those in them are, …; 0 where none
        are, and images at any depth have no class; None to find out.

    Raises
    ------
    DatasetError
        When there are two readings, or images would be passed over without a word.
    """

    def __init__(self, path: str, folder: Folder, class_level: int | None = None) -> None:
        self.notes: list[str] = []
        self.n_loose = 0
        """Images beside class folders, which have no class."""
        root = Place(path, folder)
        if class_level == 0 or (class_level is None and not root.inside()):
            self.classes = _without_classes(root)
        elif class_level is not None:
            self.classes = self._at_level(root, class_level)
        else:
            self.classes = self._found(root)
        empty = [*_without_images(root, {found.place.folder for found in self.classes})]
        if len(empty) == 1:
            self.notes.append(f"the folder {empty[0]} holds no images and is left out")
        elif empty:
            self.notes.append(
                f"{len(empty)} folders hold no images and are left out: {_names(empty)}"
            )

    def images(self) -> Iterable[tuple[ClassFolder, str]]:
        """Every image with its class folder; adds to `notes` what counts twice."""
        return self._below(images_below)

    def folders(self) -> Iterable[tuple[ClassFolder, tuple[str, Folder]]]:
        """As `images`, the folders in which they are, by their paths."""
        return self._below(folders_below)

    def _below(
        self, walk: Callable[[str, Folder, dict[Folder, str]], Iterable[_T]]
    ) -> Iterable[tuple[ClassFolder, _T]]:
        first: dict[Folder, str] = {}
        twice: dict[str, str] = {}
        for of_class in self.classes:
            seen: dict[Folder, str] = {}
            for found in walk(of_class.place.path, of_class.place.folder, seen):
                yield of_class, found
            for folder, path in seen.items():
                if first.setdefault(folder, path) != path:
                    twice[path] = first[folder]
        if twice:
            path, other = next(iter(twice.items()))
            n_others = len(twice) - 1
            are = "is" if n_others == 1 else "are"
            others = f", and so {are} {counted(n_others, 'more pair')}" if n_others else ""
            self.notes.append(
                f"{path} and {other} are the same folder{others}: its images count under both names"
            )

    def _found(self, root: Place) -> list[ClassFolder]:
        place = _unwrapped(root)
        if place is not root:
            self.notes.append(f"the class or split folders are taken from {place.path}")
        named = [inside for inside in place.inside() if split_of(inside.name)]
        if named and self._are_splits(place, named):
            self._pass_over_loose(place)
            return self._in_splits(named)
        return self._in(place, None)

    def _are_splits(self, place: Place, named: Sequence[Place]) -> bool:
        others = [inside for inside in place.inside() if inside not in named]
        nested = [inside for inside in named if inside.inside()]
        if others and not nested:
            self.notes.append(
                f"{_quoted(named)} in {place.path}: taken as a class, since it holds images "
                f"directly; leave it out with --exclude {named[0].in_folder}"
            )
            return False
        if others:
            raise DatasetError(
                f"{place.path} holds {_quoted(others)} next to the split folder"
                f"{'s' if len(named) > 1 else ''} {_quoted(named)}: leave it out with --exclude "
                f"{others[0].in_folder}, or, if all of them are classes, use --class-level 1"
            )
        for inside in named:
            if inside.folder.n_images and not inside.inside():
                raise DatasetError(
                    f"{inside.path} holds images but no class folders: put them into one folder "
                    f"per class, list them in a CSV file with path,label,split, leave it out "
                    f"with --exclude {inside.in_folder}, or use --class-level 1 if it is a class, "
                    f"0 if no image has one"
                )
        _require_one_each(named)
        return True

    def _in_splits(self, named: Sequence[Place]) -> list[ClassFolder]:
        places = [self._unwrapped_split(inside) for inside in named]
        inside = [place.inside() for place in places]
        # train/animals/cat, test/animals/cat: `animals` holds the classes in each of them.
        if len({place.name for some in inside for place in some}) == 1 and all(
            len(some) == 1 and some[0].inside() and not some[0].folder.n_images for some in inside
        ):
            places = [some[0] for some in inside]
            self.notes.append(f"the class folders are taken from {_listed(places, paths=True)}")
        classes = []
        for place, split_folder in zip(places, named, strict=True):
            if all(split_of(inside.name) for inside in place.inside()):
                raise DatasetError(
                    f"{place.path} holds folders that are named as splits, "
                    f"{_listed(place.inside())}, and is named as one: name "
                    f"DATA as {place.path}, or use --class-level 1 or 2"
                )
            classes += self._in(place, split_of(split_folder.name))
        return classes

    def _unwrapped_split(self, place: Place) -> Place:
        """Past folders in a split folder that say nothing: seg_train/seg_train, train/images."""
        inside = place.inside()
        while (
            len(inside) == 1
            and inside[0].inside()
            and (names_no_class(inside[0].name) or split_of(inside[0].name) == split_of(place.name))
        ):
            self._pass_over_loose(place)
            place = Place(inside[0].path, inside[0].folder)
            inside = place.inside()
        return place

    def _in(self, place: Place, split: str | None) -> list[ClassFolder]:
        """The folders in a place as classes, or as classes that hold splits."""
        self._pass_over_loose(place)
        folders = place.inside()
        if split is None:
            classes = _split_inside(folders)
            if classes is not None:
                return classes
        _refuse_two_readings(place, folders, split)
        several = [
            folder
            for folder in folders
            if len(folder.inside()) > 1 or (len(folders) == 1 and folder.inside())
        ]
        if several:
            self.notes.append(
                f"images in {_listed(several[0].inside(), paths=True)} count as class "
                f"{several[0].name!r}, and likewise in the other classes"
            )
        return [_class_of(folder, split) for folder in folders]

    def _at_level(self, root: Place, level: int) -> list[ClassFolder]:
        places: list[tuple[Place, str | None]] = [(root, None)]
        for _ in range(level - 1):
            for place, _ in places:
                self._pass_over_loose(place)
            below = [(inside, split) for place, split in places for inside in place.inside()]
            if below and all(split_of(inside.name) for inside, _ in below):
                below = [(inside, split_of(inside.name)) for inside, _ in below]
            places = below
        classes = [inside for place, _ in places for inside in place.inside()]
        if not classes:
            raise DatasetError(
                f"{root.path} holds no folders with images at level {level}: --class-level 1 takes "
                f"the folders in it as classes, 2 the folders in those"
            )
        for place, _ in places:
            self._pass_over_loose(place)
        if all(split is None for _, split in places):
            if all(_has_splits_only(folder) for folder in classes):
                return [found for folder in classes for found in _split_inside([folder]) or ()]
            return [_class_of(folder, None) for folder in classes]
        return [_class_of(inside, split) for place, split in places for inside in place.inside()]

    def _pass_over_loose(self, place: Place) -> None:
        n_loose = place.folder.n_images
        if not n_loose or not place.inside():
            return
        self.n_loose += n_loose
        self.notes.append(
            f"{n_loose} image{'s' if n_loose > 1 else ''} directly in {place.path}, such as "
            f"{place.folder.first_image}, are in no class folder and are ignored"
        )


def _without_images(place: Place, classes: Set[Folder]) -> Iterator[str]:
    """The folders that would be classes, or splits, if they held images."""
    if place.folder in classes:
        return
    for name in place.folder.without_images:
        yield os.path.join(place.path, name)  # noqa: PTH118 (surrogate escapes)
    for inside in place.inside():
        yield from _without_images(inside, classes)


def _unwrapped(root: Place) -> Place:
    """Past folders that hold nothing but one folder; `root` where that ends in a single class."""
    place = root
    while len(inside := place.inside()) == 1 and not place.folder.n_images:
        if split_of(inside[0].name):
            break
        if inside[0].folder.n_images or not inside[0].inside():
            return root
        place = inside[0]
    return place


def _without_classes(root: Place) -> list[ClassFolder]:
    """All images, of no class; with the splits of the folders in `root` where all are named so."""
    if not root.folder.holds_images:
        return []
    if root.folder.n_images or not _has_splits_only(root):
        return [ClassFolder(root, "", None)]
    _require_one_each(root.inside())
    return [ClassFolder(place, "", split_of(place.name)) for place in root.inside()]


def _class_of(place: Place, split: str | None) -> ClassFolder:
    return ClassFolder(place, unicodedata.normalize("NFC", place.name), split)


def _has_splits_only(place: Place) -> bool:
    inside = place.inside()
    return bool(inside) and all(split_of(below.name) for below in inside)


def _split_inside(folders: Sequence[Place]) -> list[ClassFolder] | None:
    """Classes that hold split folders; None where none of them does."""
    holding = [
        folder for folder in folders if any(split_of(inside.name) for inside in folder.inside())
    ]
    if not holding:
        return None
    for folder in folders:
        if not _has_splits_only(folder) or folder.folder.n_images:
            what = _listed(folder.inside()) if folder.inside() else "images directly"
            if folder.folder.n_images and folder.inside():
                what = f"images next to {what}"
            raise DatasetError(
                f"{holding[0].path} holds folders that are named as splits, "
                f"{_listed(holding[0].inside())}; {folder.path} holds {what}: give each class the "
                f"same split folders, leave folders out with --exclude NAME, or say "
                f"--class-level 1 if these names are not splits"
            )
        _require_one_each(folder.inside())
    return [
        ClassFolder(inside, unicodedata.normalize("NFC", folder.name), split_of(inside.name))
        for folder in folders
        for inside in folder.inside()
    ]


def _require_one_each(named: Sequence[Place]) -> None:
    first: dict[str | None, Place] = {}
    for place in named:
        other = first.setdefault(split_of(place.name), place)
        if other is not place and not (other.folder.is_archive and place.folder.is_archive):
            raise DatasetError(
                f"{other.path} and {place.path} are both named as the {split_of(place.name)} "
                f"split: rename one, merge them, or leave one out with --exclude NAME"
            )


def _refuse_two_readings(place: Place, folders: Sequence[Place], split: str | None) -> None:
    level = 1 if split is None else 2
    if all(names_no_class(folder.name) for folder in folders) and (split or len(folders) > 1):
        raise DatasetError(
            f"{place.path} holds {_listed(folders)}, which names no class: put the images into one "
            f"folder per class, list them in a CSV file with path,label[,split], or, if it is a "
            f"class, use --class-level {level}"
        )
    for folder in folders if len(folders) > 1 else ():
        if names_no_class(folder.name) and len(folder.inside()) > 1:
            raise DatasetError(
                f"{place.path} holds {_listed([f for f in folders if f != folder])} next to "
                f"{folder.name!r}, which holds folders of its own, {_listed(folder.inside())}: "
                f"name DATA as {folder.path} if those are the classes, or use --class-level {level}"
            )
    if any(folder.folder.n_images for folder in folders):
        return
    counts = Counter(inside.name for folder in folders for inside in folder.inside())
    shared = [name for name, count in counts.items() if count > 1]
    if len(shared) > 1:
        raise DatasetError(
            f"the folders in {place.path} ({_listed(folders)}) hold folders of the same names "
            f"({_names(shared)}): use --class-level {level} if the first are the classes, "
            f"--class-level {level + 1} if the second are, or leave some out with --exclude NAME"
        )


def _listed(places: Sequence[Place], *, paths: bool = False) -> str:
    return _names([place.path if paths else place.name for place in places])


def _quoted(places: Sequence[Place]) -> str:
    return _names([repr(place.name) for place in places])


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_NAMES_SHOWN])
    return f"{shown} and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else shown
