"""The images that a head was trained on: which of them are nearest to another one."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..cache import CacheFolder, KeyArray
from ..errors import BottlebankError, CacheError
from .head_extractor import read_recipe
from .nearest_rows import nearest_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..cache import Key
    from ..classifier import Head
    from ..extraction.feature_table import FeatureTable

ROWS = "rows"
"""Entry of a head's training summary: by which name the cache keeps what it was trained on."""


class NoTrainingImagesError(BottlebankError, LookupError):
    """The images that a head was trained on are not in a cache here."""


class Neighbour(NamedTuple):
    """A training image that is like another one."""

    label: str
    similarity: float
    """Cosine of the transfer values, at most 1."""
    file: str
    """Name of its file when it was extracted, without folders."""
    key: str
    """SHA-256 of the file, hexadecimal."""


def remember_training_rows(table: FeatureTable, rows: np.ndarray, folder: CacheFolder) -> str:
    """Keep in the cache which of its rows, with which labels, a head is trained on.

    Returns
    -------
    str
        By what they are found again: equal rows and labels have the same name.
    """
    keys = [table.keys[row] for row in rows.tolist()]
    labels = json.dumps(table.labels[rows].tolist()).encode()
    name = hashlib.sha256(KeyArray.of(keys).packed().tobytes() + labels).hexdigest()[:16]
    folder.keep_training_rows(table.recipe.fingerprint, name, keys, labels)
    return name


def remember_tuning_rows(
    table: FeatureTable, rows: np.ndarray, from_sha256: str, folder: CacheFolder
) -> None:
    """Keep in the cache which of its rows the network of a table was fine-tuned on.

    With them go those on which the weights that it began with, of this SHA-256, had been
    fine-tuned themselves.
    """
    seen = dict(zip(*(folder.tuning_rows(from_sha256) or ([], [])), strict=True))
    seen |= {table.keys[row]: str(table.labels[row]) for row in rows.tolist()}
    labels = json.dumps([*seen.values()]).encode()
    folder.keep_tuning_rows(table.recipe.weights_sha256, [*seen], labels)


def tuned_on(table: FeatureTable) -> np.ndarray:
    """bool, (n,): the rows of a table on which its network was fine-tuned.

    As far as the table's cache knows: weights that were fine-tuned elsewhere are like any others.
    """
    with CacheFolder(table.report.cache) as folder:
        return _are_among(folder.tuning_rows(table.recipe.weights_sha256), table)


def trained_on(head: Head, table: FeatureTable) -> np.ndarray | None:
    """bool, (n,): the rows of a table that a head was trained on, or its network fine-tuned.

    None where the table's cache does not know what that was: the head comes from another cache,
    or has been saved from an estimator. The head file itself holds no trace of its images, not
    even hashes, since these would tell everybody who has an image whether it is among them.
    """
    name = head.training.get(ROWS)
    if not isinstance(name, str):
        return None
    with CacheFolder(table.report.cache) as folder:
        kept = folder.training_rows(table.recipe.fingerprint, name)
        if kept is None:
            return None
        tuned = folder.tuning_rows(table.recipe.weights_sha256)
    return _are_among(kept, table) | _are_among(tuned, table)


def _are_among(kept: tuple[list[Key], list[str]] | None, table: FeatureTable) -> np.ndarray:
    """bool, (n,): which rows of a table are among those that the cache kept."""
    keys = set() if kept is None else set(kept[0])
    return np.array([key in keys for key in table.keys], bool)


class TrainingImages:
    """What a head was trained on, as unit vectors. Safe to call from threads."""

    def __init__(
        self, units: np.ndarray, labels: Sequence[str], files: Sequence[str], keys: Sequence[Key]
    ) -> None:
        """See `open_training_images`."""
        self._units = units
        self._lengths = np.ones(len(units), np.float32)
        self._labels = labels
        self._files = files
        self._keys = keys

    def __len__(self) -> int:
        return len(self._labels)

    def nearest(self, features: np.ndarray, n_nearest: int) -> list[list[Neighbour]]:
        """Of each row of float32 (n, width), the nearest training images, nearest first."""
        answers = []
        for row in features:
            found = nearest_rows(self._units, row, n_nearest, lengths=self._lengths)
            near: list[tuple[int, float]] = list(
                zip(found.rows.tolist(), found.cosines.tolist(), strict=True)
            )
            answers.append(
                [
                    Neighbour(
                        self._labels[other], cosine, self._files[other], str(self._keys[other])
                    )
                    for other, cosine in near
                ]
            )
        return answers


def open_training_images(head: Head, cache: str | os.PathLike[str] | None = None) -> TrainingImages:
    """Read what a head was trained on from the cache.

    Raises
    ------
    NoTrainingImagesError
        When it is not there, with what to do.
    """
    recipe = read_recipe(head, "the head")
    name = head.training.get(ROWS)
    with CacheFolder(cache) as folder:
        kept = folder.training_rows(recipe.fingerprint, name) if isinstance(name, str) else None
        if kept is None:
            raise NoTrainingImagesError(
                f"the cache {folder.address} has no list of this head's training images: train "
                f"it here, or name the cache that it was trained with (--cache)"
            )
        keys, labels = kept
        try:
            for variant_name in folder.variants(recipe.fingerprint):
                variant = folder.open(recipe.fingerprint, variant_name)
                if all(key in variant for key in keys):
                    break
            else:
                raise NoTrainingImagesError(
                    f"the cache {folder.address} no longer holds all training images of this head: "
                    f"train it again"
                )
            features = variant.rows(keys)
            paths = variant.paths()
        except CacheError as error:
            raise NoTrainingImagesError(f"the cache cannot be read: {error}") from error
    files = [os.path.basename(os.fsdecode(paths.get(key, b""))) for key in keys]  # noqa: PTH119
    return TrainingImages(_units(features), labels, files, keys)


def _units(features: np.ndarray) -> np.ndarray:
    """float32, (n, width), of length 1 each."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return (features / np.maximum(lengths, 1e-12)).astype(np.float32, copy=False)
