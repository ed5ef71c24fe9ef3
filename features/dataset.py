"""A dataset: which image files there are, their class, and the split that somebody declared."""

from __future__ import annotations

import csv
import os
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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

SPLITS = ("train", "validation", "test")
_SPLIT_OF_NAME = {"train": "train", "validation": "validation", "val": "validation", "test": "test"}

LAYOUTS = (
    "DATA is a folder with one folder per class, a folder with train, validation and test folders "
    "of those, or a CSV file with the columns path,label[,split][,group]"
)


@dataclass(frozen=True)
class Dataset:
    """Image files and what is declared of them; nothing is opened or decoded.

    The three sequences go together: `labels[i]` and `splits[i]` belong to `paths[i]`.
    """

    source: str
    """What the dataset was read from."""
    paths: Sequence[str]
    """Paths as `os.fsdecode` gives them: bytes that are not UTF-8 are surrogate escapes."""
    labels: Sequence[str]
    """Class names, Unicode NFC."""
    splits: Sequence[str | None]
    """``train``, ``validation``, ``test``, or None where nothing is declared."""
    groups: Sequence[str | None] = field(default=())
    """What an image belongs to, such as a person or a film: images of one group stand on one side
    of the split. None, or nothing at all, where the image stands for itself."""
    ignored: int = 0
    """Entries that are no candidates: other extensions, hidden files, sockets, …"""
    unreadable: Sequence[tuple[str, str]] = field(default=())
    """Folders that could not be listed, and why."""

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def classes(self) -> list[str]:
        """The distinct labels, sorted."""
        return sorted(set(self.labels))

    @property
    def has_declared_splits(self) -> bool:
        """Whether any image has a declared split."""
        return any(split is not None for split in self.splits)

    def __repr__(self) -> str:
        counts = Counter(self.labels)
        classes = ", ".join(f"{name} ({counts[name]})" for name in self.classes)
        return f"<Dataset {self.source}: {len(self)} images in {len(counts)} classes: {classes}>"


def load_dataset(source: str | os.PathLike[str]) -> Dataset:
    """Read a dataset from a folder per class, split folders, or a CSV file.

    Parameters
    ----------
    source
        A folder with one folder per class; or with `train`, `validation` (or `val`) and `test`
        folders that hold those; or a CSV file with a header and the columns ``path,label`` and
        optionally ``split`` and ``group``, its relative paths relative to the file's own folder.

    Returns
    -------
    Dataset
        In sorted order, folders walked to any depth. Files without an image extension, hidden
        files and special files are counted as `ignored`; folders that cannot be listed are in
        `unreadable`.

    Raises
    ------
    DatasetError
        When there is no such folder or file, or no image in it.
    """
    path = Path(source)
    if path.is_dir():
        dataset = _from_folder(path)
    elif path.is_file():
        dataset = _from_csv(path)
    else:
        raise DatasetError(f"no such folder or CSV file: {path}; {LAYOUTS}")
    if not dataset.paths and not dataset.unreadable:
        raise DatasetError(_why_empty(path, dataset))
    return dataset


def find_images(path: str | os.PathLike[str]) -> list[str]:
    """The image files at or below `path`, sorted; a path that is no folder is returned as it is."""
    name = os.fspath(path)
    if not Path(name).is_dir():
        return [name]
    walk = _Walk()
    return list(walk.images_below(name))


class _Walk:
    """Lists folders once each (so that links in a circle end) and counts what it passes over."""

    def __init__(self) -> None:
        self.ignored = 0
        self.unreadable: list[tuple[str, str]] = []
        self._folders_seen: set[tuple[int, int]] = set()

    def entries(self, folder: str) -> list[os.DirEntry[str]]:
        """What is in a folder, sorted, without hidden entries and links in a circle."""
        try:
            status = os.stat(folder)  # noqa: PTH116 (names are str with surrogate escapes here)
            if (status.st_dev, status.st_ino) in self._folders_seen:
                self.ignored += 1
                return []
            self._folders_seen.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as listing:
                found = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            self.unreadable.append((folder, f"the folder cannot be listed: {error.strerror}"))
            return []
        visible = [entry for entry in found if not entry.name.startswith(".")]
        self.ignored += len(found) - len(visible)
        return visible

    def images_below(self, folder: str) -> Iterator[str]:
        """Every candidate in a folder and the folders in it."""
        for entry in self.entries(folder):
            if _is_folder(entry):
                yield from self.images_below(entry.path)
            elif self.is_candidate(entry):
                yield entry.path
            else:
                self.ignored += 1

    @staticmethod
    def is_candidate(entry: os.DirEntry[str]) -> bool:
        """Whether an entry is a regular file (or a link to one) with an image extension."""
        if not entry.name.lower().endswith(_ENDINGS):
            return False
        try:
            if entry.is_file():
                return True
            # A file that cannot be looked at is a candidate: opening it gives the reason.
            return entry.is_symlink() and not os.path.exists(entry.path)  # noqa: PTH110
        except OSError:
            return True


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _from_folder(root: Path) -> Dataset:
    walk = _Walk()
    entries = walk.entries(os.fspath(root))
    if walk.unreadable:
        raise DatasetError(f"{root}: {walk.unreadable[0][1]}")
    folders = [entry for entry in entries if _is_folder(entry)]
    split_folders = [entry for entry in folders if entry.name.lower() in _SPLIT_OF_NAME]
    # One folder named `train` beside other classes is a class (of vehicles); alone, or with
    # `test`, it is a split.
    is_split_layout = len(split_folders) > 1 or (split_folders and len(folders) == 1)
    walk.ignored += len(entries) - len(folders)

    paths: list[str] = []
    labels: list[str] = []
    splits: list[str | None] = []

    def add_classes(class_folders: Sequence[os.DirEntry[str]], split: str | None) -> None:
        for folder in class_folders:
            label = unicodedata.normalize("NFC", folder.name)
            for path in walk.images_below(folder.path):
                paths.append(path)
                labels.append(label)
                splits.append(split)

    if is_split_layout:
        walk.ignored += len(folders) - len(split_folders)
        for split_folder in split_folders:
            inside = walk.entries(split_folder.path)
            class_folders = [entry for entry in inside if _is_folder(entry)]
            walk.ignored += len(inside) - len(class_folders)
            add_classes(class_folders, _SPLIT_OF_NAME[split_folder.name.lower()])
    else:
        add_classes(folders, None)
    return Dataset(
        str(root), paths, labels, splits, ignored=walk.ignored, unreadable=walk.unreadable
    )


def _from_csv(file: Path) -> Dataset:
    paths: list[str] = []
    labels: list[str] = []
    splits: list[str | None] = []
    groups: list[str | None] = []
    try:
        with file.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as lines:
            reader = csv.DictReader(lines, strict=True)
            columns = [name.strip().lower() for name in reader.fieldnames or []]
            if not {"path", "label"} <= set(columns):
                raise DatasetError(
                    f"{file}: expected a header with the columns path,label[,split][,group], "
                    f"found {','.join(columns)[:200]!r}; {LAYOUTS}"
                )
            reader.fieldnames = columns
            for row in reader:
                path, label = row["path"], (row["label"] or "").strip()
                if not path or not label:
                    raise DatasetError(f"{file}, line {reader.line_num}: path or label is empty")
                paths.append(os.path.join(file.parent, path))  # noqa: PTH118
                labels.append(unicodedata.normalize("NFC", label))
                splits.append(_declared_split(row.get("split"), file, reader.line_num))
                groups.append((row.get("group") or "").strip() or None)
    except csv.Error as error:
        raise DatasetError(f"{file} is not a CSV file with path,label[,split]: {error}") from error
    except OSError as error:
        raise DatasetError(f"{file} cannot be read: {error.strerror}") from error
    return Dataset(str(file), paths, labels, splits, groups)


def _declared_split(value: str | None, file: Path, line: int) -> str | None:
    name = (value or "").strip().lower()
    if not name:
        return None
    if name not in _SPLIT_OF_NAME:
        known = ", ".join(_SPLIT_OF_NAME)
        raise DatasetError(f"{file}, line {line}: split {value!r} is none of {known}")
    return _SPLIT_OF_NAME[name]


def _why_empty(path: Path, dataset: Dataset) -> str:
    if path.is_file():
        return f"{path} has a header and no rows"
    with os.scandir(path) as entries:
        has_images = any(_Walk.is_candidate(entry) for entry in entries)
    if has_images:
        return f"{path} holds images but no class folders: put them into one folder per class"
    return f"no images in {path} ({dataset.ignored} other files were passed over); {LAYOUTS}"
