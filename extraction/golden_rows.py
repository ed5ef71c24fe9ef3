"""The golden images of a recipe: computed with its first rows, kept beside them in the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..classifier import GoldenImages
from ..features.golden_files import golden_files, transfer_values_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

    from ..cache import CacheFolder
    from ..classifier import Head
    from ..features import Extractor, Recipe


def keep_golden_images(
    folder: CacheFolder, recipe: Recipe, precision: str, start: Callable[[], Extractor]
) -> GoldenImages:
    """Synthetic images and their transfer values, kept in the cache beside the recipe's rows.

    `start` opens the extractor, when they are not there yet.
    """
    kept = folder.parity(recipe.fingerprint, precision)
    if kept is not None and kept[1].shape == (len(kept[0]), recipe.width):
        return GoldenImages(*kept)
    files = golden_files(recipe.input_size_px)
    features = transfer_values_of(start(), files)
    folder.keep_parity(recipe.fingerprint, precision, files, features)
    return GoldenImages(files, features)


class KeptGoldenImages(NamedTuple):
    """What the cache's extractor made of a head's golden images."""

    precision: str
    features: np.ndarray
    """Float32, (n, width)."""


def kept_golden_images(
    folder: CacheFolder, fingerprint: str, precisions: Sequence[str], head: Head
) -> KeptGoldenImages | None:
    """What is kept beside the rows of the first precision that has any; None without."""
    for precision in precisions:
        kept = folder.parity(fingerprint, precision)
        if kept is not None and head.golden is not None and kept[0] == list(head.golden.files):
            return KeptGoldenImages(precision, kept[1])
    return None
