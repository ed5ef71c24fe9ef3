"""A dataset: which image files there are, their class, and the split that somebody declared."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..arguments import require_whole, type_of
from ..errors import DatasetError, WrongTypeError
from ..formatting import counted
from .folders import EXTENSIONS, Walk, find_images, is_archive, is_image_name
from .layout import Layout
from .listed import read_listed
from .parquet_folder import is_parquet_folder, parquet_folder
from .path_list import is_path_list, read_path_list
from .sampling import rows_at_random
from .sources import (
    FOLDER,
    LAYOUTS,
    LIST,
    TABLES,
    notes_of_folder,
    require_source,
    why_empty,
)
from .split_names import SPLITS
from .summary import classes_as_html, classes_in_words, short
from .tables.parquet_rows import is_parquet
from .webdataset import labelled_images

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "EXTENSIONS",
    "LAYOUTS",
    "SPLITS",
    "Dataset",
    "as_dataset",
    "find_images",
    "load_dataset",
]

logger = logging.getLogger(__name__)


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
    """Class names, Unicode NFC; empty: the image has no class."""
    splits: Sequence[str | None]
    """``train``, ``validation``, ``test``, or None where nothing is declared."""
    groups: Sequence[str | None] = field(default=())
    """What an image belongs to, such as a person or a film: images of one group stand in one
    split. None, or nothing at all, where the image stands for itself."""
    ignored: int = 0
    """Entries that are not candidates: other extensions, hidden files, sockets, …"""
    unreadable: Sequence[tuple[str, str]] = field(default=())
    """Folders that could not be listed, and why."""
    ignored_kinds: Mapping[str, int] = field(default_factory=dict)
    """`ignored` by kind: ``.txt``, ``hidden``, ``system folder``, …"""
    notes: Sequence[str] = field(default=())
    """How it was read where that is not plain from the names; also logged as warnings."""
    weights: Sequence[float] = field(default=())
    """What an image weighs in training, ≥ 0: one of weight 2 counts as the image twice, one of
    weight 0 is left out. Empty where all weigh 1."""

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def classes(self) -> list[str]:
        """The distinct labels, sorted; that of images without a class is none of them."""
        return sorted({*self.labels} - {""})

    def __repr__(self) -> str:
        about = f"{short(self.source)}: {counted(len(self), 'image')}"
        if not self.classes:
            return f"<Dataset {about} without classes>"
        classes = classes_in_words(self.labels)
        return f"<Dataset {about} in {counted(len(self.classes), 'class', 'classes')}: {classes}>"

    def _repr_html_(self) -> str:
        """A table of the classes and declared splits, for notebooks."""
        title = f"{short(self.source)}: {counted(len(self), 'image')}"
        return classes_as_html(title, self.labels, self.splits)


def load_dataset(
    source: str | os.PathLike[str],
    *,
    exclude: Sequence[str] = (),
    class_level: int | None = None,
    path_column: str | None = None,
    label_column: str | None = None,
    weights_column: str | None = None,
    image_root: str | os.PathLike[str] | None = None,
    encoding: str | None = None,
    images: int | None = None,
) -> Dataset:
    """Read a dataset from a folder per class, split folders, a CSV file, or images without classes.

    Parameters
    ----------
    source
        A folder with one folder per class; with split folders (`train`, `validation` or `val` or
        `dev`, `test`, and their like, such as `seg_train`) that hold those; with class folders that
        hold split folders; or a folder that holds nothing but one of these. Tar archives count as
        folders; where files ``.cls`` lie beside their images, these hold the classes. Or a Parquet
        file with a column of images, or a folder of such, as Hugging Face writes them. Or a CSV
        file with a header and the columns ``path,label`` and optionally ``split`` and ``group``,
        its relative paths relative to the file's own folder. Or images without classes, whose
        labels are empty: a folder with images and no folders of images in it, or a text file with
        one path of an image or folder a line.
    exclude
        Of a folder: names of files and folders to leave out, at any depth, with ``*`` and ``?``.
    class_level
        Of a folder: 1 where the folders in it are the classes, 2 where those in them are, …; 0
        where images at any depth have no class; None finds out.
    path_column, label_column
        Of a CSV file: the names of the columns; None knows common names.
    weights_column
        Of a CSV file: the name of the column that says what each image weighs in training, a number
        of at least 0, or nothing for 1; None: all weigh 1.
    image_root
        Of a CSV file or a list: the folder that paths are relative to.
    encoding
        Of a CSV file or a list; None knows UTF-8, UTF-16 and Windows-1252.
    images
        Take this many of the images, at random: the same each time, and mostly the same when some
        are added or removed. None: all.

    Returns
    -------
    Dataset
        In sorted order, folders walked to any depth. Files without an image extension, hidden
        files, system folders and special files are counted as `ignored`; folders that cannot be
        listed are in `unreadable`.

    Raises
    ------
    DatasetError
        When there is no such folder or file, no image in it, or more than one way to read it.
    UsageError
        When `source` is not a path, or a parameter does not apply to it.
    """
    n_images = None if images is None else require_whole("images", images, 1)
    options = {
        "path_column": path_column,
        "label_column": label_column,
        "weights_column": weights_column,
        "image_root": image_root,
        "encoding": encoding,
    }
    path, class_level, kind = require_source(source, exclude, class_level, options)
    if kind == FOLDER:
        dataset = _from_folder(path, exclude, class_level)
    elif kind == LIST:
        dataset = _from_list(path, image_root, encoding)
    elif kind == TABLES:
        dataset = _from_tables(path, exclude, options)
    else:
        dataset = _from_table(path, options)
    if not dataset.paths and not dataset.unreadable:
        raise DatasetError(why_empty(path, dataset.ignored, dataset.ignored_kinds))
    if n_images is not None:
        dataset = sampled(dataset, n_images)
    for note in dataset.notes:
        logger.warning("note: %s", note)
    return dataset


def sampled(dataset: Dataset, n_images: int) -> Dataset:
    """The dataset of `n_images` at random, in their order; itself, where it has no more."""
    if n_images >= len(dataset):
        return dataset
    rows = rows_at_random(dataset.paths, dataset.source, n_images)
    columns = {
        name: [column[row] for row in rows] if len(column) else ()
        for name in ("paths", "labels", "splits", "groups", "weights")
        for column in [getattr(dataset, name)]
    }
    note = f"{n_images:,} of {counted(len(dataset), 'image')} are taken, at random"
    return replace(dataset, **columns, notes=[*dataset.notes, note])


def as_dataset(
    data: Dataset | str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
) -> Dataset:
    """A dataset from what people pass for one.

    Parameters
    ----------
    data
        A dataset; what `load_dataset` reads; or a list of image files and folders of them, which
        have no classes: their labels are empty.

    Raises
    ------
    DatasetError
        As `load_dataset`, or when the list holds no images.
    UsageError
        When it is none of these.
    """
    if isinstance(data, Dataset):
        return data
    if isinstance(data, (str, os.PathLike)):
        return load_dataset(data)
    try:
        names = [os.fsdecode(name) for name in data]
    except TypeError:
        raise WrongTypeError(
            f"expected a Dataset, a folder, a CSV file or a list of image files, received "
            f"{type_of(data)}"
        ) from None
    unreadable: list[tuple[str, str]] = []
    paths = [path for name in names for path in find_images(name, unreadable)]
    if not paths and not unreadable:
        raise DatasetError("the list holds no images")
    return Dataset(
        counted(len(paths), "image"),
        paths,
        [""] * len(paths),
        [None] * len(paths),
        unreadable=unreadable,
    )


def find_listed_images(name: str, unreadable: list[tuple[str, str]] | None = None) -> list[str]:
    """As `find_images`; of a text file with one path a line, the images that it lists.

    Raises
    ------
    DatasetError
        When none of its paths leads to a file.
    """
    path = Path(name)
    if _holds_images_in_parquet(path):
        dataset = load_dataset(path)
        if unreadable is not None:
            unreadable += dataset.unreadable
        return [*dataset.paths]
    if is_image_name(name) or is_archive(name) or not os.path.isfile(path):  # noqa: PTH113 (False for long names)
        return find_images(name, unreadable)
    try:
        return read_path_list(path).paths if is_path_list(path) else [name]
    except OSError:  # opening it again as an image gives the reason
        return [name]


def _holds_images_in_parquet(path: Path) -> bool:
    try:
        if path.is_dir():
            return is_parquet_folder(path)
        return path.is_file() and is_parquet(path)
    except (OSError, ValueError):  # opening it again gives the reason
        return False


def _from_folder(root: Path, exclude: Sequence[str], class_level: int | None) -> Dataset:
    walk = Walk(exclude)
    folder = walk.list(str(root))
    if folder is None or not folder.is_listed:
        raise DatasetError(f"{root}: {walk.unreadable[0][1]}")
    if walk.class_files and class_level is None:
        found = [*labelled_images(str(root), folder, walk)]
        notes = ["classes are those of the .cls files in the archives"]
        del walk.passed_over[".cls"]
    else:
        layout = Layout(str(root), folder, class_level)
        found = [(path, place.label, place.split) for place, path in layout.images()]
        notes = [*layout.notes]
        if layout.n_loose:
            walk.passed_over["images in no class folder"] += layout.n_loose
    paths = [path for path, _, _ in found]
    labels = [label for _, label, _ in found]
    splits = [split for _, _, split in found]
    notes += notes_of_folder(root, walk, labels, class_level)
    return Dataset(
        str(root),
        paths,
        labels,
        splits,
        ignored=walk.passed_over.total(),
        unreadable=walk.unreadable,
        ignored_kinds=dict(walk.passed_over.most_common()),
        notes=notes,
    )


def _from_list(
    path: Path, image_root: str | os.PathLike[str] | None, encoding: str | None
) -> Dataset:
    paths, passed_over, notes = read_path_list(path, image_root, encoding)
    return Dataset(
        str(path),
        paths,
        [""] * len(paths),
        [None] * len(paths),
        ignored=passed_over.total(),
        ignored_kinds=dict(passed_over.most_common()),
        notes=notes,
    )


def _from_tables(path: Path, exclude: Sequence[str], options: Mapping[str, Any]) -> Dataset:
    tables = parquet_folder(path, exclude)
    found = tables.read(options)
    return Dataset(
        str(path),
        found.paths,
        found.labels,
        found.splits,
        found.groups,
        ignored=tables.passed_over.total(),
        unreadable=tables.unreadable,
        ignored_kinds=dict(tables.passed_over.most_common()),
        notes=found.notes,
        weights=found.weights,
    )


def _from_table(path: Path, options: Mapping[str, Any]) -> Dataset:
    found = read_listed(path, **options)
    return Dataset(
        str(path),
        found.paths,
        found.labels,
        found.splits,
        found.groups,
        notes=found.notes,
        weights=found.weights,
    )
