"""Why rows that the cache holds are not reused, in words."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from ...cache import Variant
from ...errors import CacheError
from ...features.backbones.layer_pooling import FLATTENED
from ...formatting import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...cache import CacheFolder
    from ...features import Recipe

logger = logging.getLogger(__name__)


class _Kin(NamedTuple):
    """Rows of the same extractor that mean something else."""

    n_rows: int
    changes: list[str]


def why_nothing_is_reused(
    folder: CacheFolder, recipe: Recipe, precision: str, store: str
) -> str | None:
    """Compare a recipe that has no rows yet with those of the same extractor that have.

    Parameters
    ----------
    precision, store
        What is requested; ``auto`` differs from nothing.

    Returns
    -------
    str or None
        One line that names what differs from the nearest of them, with both values: cached →
        requested. None when the cache holds no rows of this extractor.
    """
    kin = list(_kin(folder, recipe, {"precision": precision, "storage": store}))
    if not kin:
        return None
    nearest = min(kin, key=lambda other: (len(other.changes), -other.n_rows))
    they = "they" if all(other.changes == nearest.changes for other in kin) else "the nearest"
    n_rows = sum(other.n_rows for other in kin)
    because = "it differs" if n_rows == 1 else f"{they} differ"
    return (
        f"the {counted(n_rows, 'cached row')} of {recipe.extractor} cannot be reused, because "
        f"{because} in {'; '.join(nearest.changes)}"
    )


def _kin(folder: CacheFolder, recipe: Recipe, asked: dict[str, str]) -> Iterator[_Kin]:
    for fingerprint in folder.fingerprints():
        try:
            old: Any = folder.recipe(fingerprint)
            if not isinstance(old, dict) or old.get("extractor") != recipe.extractor:
                continue
            if FLATTENED in (old.get("pooling"), recipe.pooling):
                continue
            for name in folder.variants(fingerprint):
                held = Variant.parse(name)._asdict()
                changes = recipe.changes_since(old) + [
                    f"{word}: {held[word]} → {value}"
                    for word, value in asked.items()
                    if value not in ("auto", held[word])
                ]
                n_rows = len(folder.open(fingerprint, name))
                if n_rows and changes:
                    yield _Kin(n_rows, changes)
        except (CacheError, OSError) as error:  # others' rows are no reason to stop this run
            logger.debug("%s is not compared: %s", fingerprint, error)
