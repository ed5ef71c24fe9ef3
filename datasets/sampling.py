"""Some of the images of a dataset, at random."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..formatting import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .dataset import Dataset


def sampled(dataset: Dataset, n_images: int) -> Dataset:
    """The dataset of `n_images` at random, in their order; itself, where it has no more.

    Those whose path within the dataset has the smallest hash: the same again, whatever computer
    they are on, and most of them still when images are added or removed.
    """
    if n_images >= len(dataset):
        return dataset
    start = len(os.fsencode(dataset.source))
    digests = [
        hashlib.blake2b(os.fsencode(path)[start:], digest_size=8).digest() for path in dataset.paths
    ]
    rows = sorted(sorted(range(len(digests)), key=digests.__getitem__)[:n_images])

    def chosen(column: Sequence[Any]) -> list[Any]:
        return [column[row] for row in rows] if len(column) else []

    note = f"{n_images:,} of {counted(len(dataset), 'image')} are taken, at random"
    return replace(
        dataset,
        paths=chosen(dataset.paths),
        labels=chosen(dataset.labels),
        splits=chosen(dataset.splits),
        groups=chosen(dataset.groups),
        weights=chosen(dataset.weights),
        notes=[*dataset.notes, note],
    )
