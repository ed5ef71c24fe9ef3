"""Photographs of each class, drawn at random."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...errors import ImageRejectedError
from ...features.images.decoder import decode, read
from ...formatting import counted
from ...progress import Progress
from ...viz.dataset_views.samples import (
    MOST_CLASSES,
    ClassSample,
    draw_samples,
    n_per_class,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ...datasets import Dataset
    from ...extraction import FeatureTable
    from ...viz.theme import Theme

_SIDE_PX = 128
_MOST_TRIED = 3
"""Files that are tried for each photograph: of a class of damaged files, not all are read."""


def samples(
    data: Dataset | FeatureTable,
    output: Path,
    title: str,
    theme: Theme,
    seed: int,
    progress: bool | None,
) -> str:
    """Draw some photographs of each class, the same for the same seed; return the caption."""
    rows: dict[str, list[int]] = {}
    for row, label in enumerate(data.labels):
        rows.setdefault(str(label), []).append(row)
    names = sorted(rows)
    n_shown = n_per_class(len(names))
    found = []
    with Progress("Reading photographs", show=progress):
        for number, name in enumerate(names):
            pictures = []
            if number < MOST_CLASSES:
                order = np.random.default_rng([seed, number]).permutation(rows[name])
                paths = [str(data.paths[row]) for row in order]
                pictures = _pictures(paths[: _MOST_TRIED * n_shown], n_shown)
            found.append(ClassSample(name, len(rows[name]), pictures))
    drawn = max(len(each.thumbnails) for each in found)
    caption = (
        f"Up to {counted(drawn, 'photograph')} of each class at random, seed {seed}; in brackets, "
        f"how many there are."
    )
    draw_samples(found, output, title, caption, theme)
    return caption


def _pictures(paths: Sequence[str], n_shown: int) -> list[np.ndarray]:
    pictures: list[np.ndarray] = []
    for path in paths:
        if len(pictures) == n_shown:
            break
        try:
            pictures.append(decode(read(path)[0], (_SIDE_PX, _SIDE_PX)))
        except ImageRejectedError:
            continue
    return [_small(picture) for picture in pictures]


def _small(picture: np.ndarray) -> np.ndarray:
    """Every nth pixel of a picture whose shorter side is still long, such as of a panorama."""
    step = max(1, max(picture.shape[:2]) // (4 * _SIDE_PX))
    return picture[::step, ::step]
