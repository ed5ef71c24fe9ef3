"""What DATA is: a folder or archive, a table, or a list of paths; and what is wrong with it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ..arguments import require_path, require_whole
from ..errors import DatasetError, UsageError
from ..formatting import counted
from .folders import holds_images, is_archive, kinds_in_words
from .listed import case_twins
from .parquet_folder import is_parquet_folder
from .path_list import is_path_list
from .tables.parquet_rows import is_parquet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from .folders import Walk

FOLDER, TABLE, LIST, TABLES = KINDS = ("folder", "table", "list", "folder of tables")

LAYOUTS = (
    "DATA is a folder with one folder per class, a folder with train, validation and test folders "
    "of those, a tar archive or a folder of such, a Parquet file that holds images or a folder of "
    "such, or a CSV or Parquet file with the columns path,label[,split][,group]; or, without "
    "classes, a folder of images or a text file with one path a line"
)
_COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst", ".zip", ".7z", ".rar")


def require_source(
    source: str | os.PathLike[str],
    exclude: Sequence[str],
    class_level: int | None,
    options: Mapping[str, Any],
) -> tuple[Path, int | None, str]:
    """The path of DATA, the level of its classes, and which of `KINDS` it is.

    `options` are those of a table or list, and None where they are not given.

    Raises
    ------
    DatasetError
        When it is none.
    UsageError
        When it is no path, or what was given does not apply to it.
    """
    path = require_path(source, "the path of a folder or a CSV file")
    if class_level is not None:
        class_level = require_whole("class_level", class_level, 0)
    of_folder = {"exclude": tuple(exclude) or None, "class_level": class_level}
    if path.is_dir() and is_parquet_folder(path, exclude):
        what = f"{path} is a folder of Parquet files"
        _refuse({"class_level": class_level}, what, "a folder of images")
        _refuse({"encoding": options["encoding"]}, what, "text")
        return path, None, TABLES
    if holds_images(str(path)):
        what = "a folder" if path.is_dir() else "an archive"
        _refuse(options, f"{path} is {what}", "a CSV file")
        return path, class_level, FOLDER
    if not path.is_file():
        raise DatasetError(f"no such folder or file: {path}; {LAYOUTS}")
    if path.name.lower().endswith(_COMPRESSED):
        raise DatasetError(
            f"{path}: what is in it cannot be read image by image: unpack it, or make a plain "
            f".tar of it"
        )
    _refuse(of_folder, f"{path} is a file", "a folder")
    said = [options[name] for name in ("path_column", "label_column", "weights_column")]
    of_list = {name: options[name] for name in ("image_root", "encoding")}
    try:
        is_table = is_parquet(path)
        is_list = not is_table and not any(said) and is_path_list(path, **of_list)
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from error
    if is_table:
        _refuse({"encoding": options["encoding"]}, f"{path} is a Parquet file", "text")
    return path, class_level, LIST if is_list else TABLE


def _refuse(parameters: Mapping[str, object], what: str, owner: str) -> None:
    for name, value in parameters.items():
        if value is not None:
            option = name.replace("_", "-")
            raise UsageError(f"--{option} is for {owner}; {what}: leave it out")


def notes_of_folder(
    root: Path, walk: Walk, labels: Iterable[str], class_level: int | None
) -> Iterator[str]:
    """What should be known of a folder beside its layout; `labels` need not name one twice."""
    yield from (f"nothing in {root} is called {name!r}" for name in walk.unused)
    labels = dict.fromkeys(labels)
    yield from filter(None, [case_twins(list(labels))])
    if class_level is None and labels and not any(labels):
        list_of_them = _list_in(root)
        listed = f"; if {list_of_them} lists them, name that as DATA" if list_of_them else ""
        yield f"{root} holds images and no class folders: they have no class{listed}"


def why_empty(path: Path, ignored: int, ignored_kinds: Mapping[str, int]) -> str:
    """Why there is no image in DATA."""
    if path.is_file() and not is_archive(str(path)) and not ignored:
        return f"{path} has a header and no rows"
    were = "was" if ignored == 1 else "were"
    passed_over = f"{counted(ignored, 'other file')} {were} ignored"
    if ignored_kinds:
        passed_over += f": {kinds_in_words(ignored_kinds)}"
    list_of_them = _list_in(path)
    listed = f"; or name {list_of_them} as DATA, if it lists them" if list_of_them else ""
    return f"no images in {path} ({passed_over}){listed}; {LAYOUTS}"


def _list_in(folder: Path) -> Path | None:
    """A table that lies beside images, and may list them."""
    if not folder.is_dir():
        return None
    return min(
        (each for each in folder.iterdir() if each.suffix.lower() in (".csv", ".tsv")), default=None
    )
