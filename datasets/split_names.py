"""The names that people and tools give to the train, validation and test splits."""

from __future__ import annotations

import re
from functools import lru_cache

SPLITS = ("train", "validation", "test")

_NAMES = {
    "train": ("train", "training", "trn"),
    "validation": (
        "validation",
        "valid",
        "val",
        "validate",
        "validating",
        "dev",
        "devel",
        "development",
        "eval",
        "evaluation",
        "evaluate",
    ),
    "test": ("test", "testing", "tst"),
}
_SPLIT_OF_NAME = {name: split for split, names in _NAMES.items() for name in names}

_ALONGSIDE = frozenset(
    [
        "classes",
        "cropped",
        "data",
        "dataset",
        "datasets",
        "digits",
        "ds",
        "examples",
        "folder",
        "image",
        "images",
        "imageset",
        "img",
        "imgs",
        "jpeg",
        "jpegs",
        "jpg",
        "jpgs",
        "photo",
        "photographs",
        "photos",
        "pic",
        "pics",
        "picture",
        "pictures",
        "png",
        "pngs",
        "sample",
        "samples",
        "seg",
        "set",
        "sets",
        "split",
        "subset",
    ]
)
"""Words that stand before or after a split's name and say nothing of a class."""

KNOWN_NAMES = "train, training; validation, valid, val, dev, eval; test, testing"
"""For messages."""


@lru_cache(maxsize=4096)
def split_of(name: str) -> str | None:
    """The split that a folder or a value of a CSV file names, or None.

    Case, separators, numbers, and words such as ``set``, ``data`` or ``images`` do not count:
    ``Training``, ``seg_train``, ``train-images``, ``testset``, ``val2017`` and ``TrainData`` are
    splits. ``train_cats`` and ``imagesTr`` are not: the rest may be a class, or an abbreviation.
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    words = re.findall(r"[^\W\d_]+", spaced.lower())
    others = [word for word in words if word not in _ALONGSIDE]
    if len(others) != 1 or not re.fullmatch(r"[\w\s.\-()]+", name):
        return None
    return _SPLIT_OF_NAME.get(others[0]) or _SPLIT_OF_NAME.get(_without_affix(others[0]))


def names_no_class(name: str) -> bool:
    """Whether a folder's name says what is in it (``images``, ``dataset2``) and names no class."""
    words = re.findall(r"[^\W\d_]+", name.lower())
    return bool(words) and all(
        word in _ALONGSIDE or word in ("mask", "masks", "labels", "annotations", "jpegimages")
        for word in words
    )


def _without_affix(word: str) -> str:
    for other in _ALONGSIDE:
        if word.endswith(other) and word.removesuffix(other) in _SPLIT_OF_NAME:
            return word.removesuffix(other)
        if word.startswith(other) and word.removeprefix(other) in _SPLIT_OF_NAME:
            return word.removeprefix(other)
    return word
