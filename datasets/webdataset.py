"""WebDataset: tar archives in which a file ``.cls`` beside each image says its class."""

from __future__ import annotations

import os
import re
import unicodedata
from typing import TYPE_CHECKING

from ..errors import DatasetError
from .folders import images_below, key_of
from .split_names import split_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..untrusted.tar_members import MemberStatus
    from .folders import Folder, Walk

_LONGEST_CLASS_BYTES = 1024


def labelled_images(root: str, folder: Folder, walk: Walk) -> Iterator[tuple[str, str, str | None]]:
    """Path, class and split of each image below `root`.

    The class is the text of its ``.cls`` file, or none; the split is what its archive, or a folder
    above it, is named after: ``train-0003.tar``.

    Raises
    ------
    DatasetError
        When a ``.cls`` file cannot be read as text.
    """
    for path in images_below(root, folder):
        beside = walk.class_files.get(key_of(path)[0])
        label = "" if beside is None else class_in(beside, path)
        yield path, label, _split_of(os.path.relpath(path, root))


def class_in(file: MemberStatus, image: str) -> str:
    """The class that a ``.cls`` file holds.

    Raises
    ------
    DatasetError
        When it cannot be read as text; it names the `image` beside it.
    """
    named = f"the file .cls beside {image} holds no class"
    if file.st_size > _LONGEST_CLASS_BYTES:
        raise DatasetError(f"{named}: it has {file.st_size:,} bytes")
    try:
        text = file.read().decode().strip()
    except (OSError, ValueError) as error:
        raise DatasetError(f"{named}: {error}") from error
    return unicodedata.normalize("NFC", text)


def _split_of(path: str) -> str | None:
    """By the last word of a name: others are those of the dataset, as in ``birds-train-03``."""
    for name in path.split("/")[-2::-1]:
        stem = os.path.splitext(name)[0]  # noqa: PTH122
        words = re.findall(r"[^\W\d_]+", stem)
        split = split_of(stem) or (split_of(words[-1]) if words else None)
        if split is not None:
            return split
    return None
