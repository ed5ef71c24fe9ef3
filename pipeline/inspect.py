"""Looking into a cache in the user's words, and exporting from it."""

from __future__ import annotations

import json
import logging
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from ..cache.export import export_rows
from ..classifier.splits import split
from ..errors import CacheError, UsageError
from ..features import Recipe

if TYPE_CHECKING:
    from pathlib import Path

    from ..cache import CacheFolder, FeatureCache
    from ..features import Dataset


logger = logging.getLogger(__name__)


class Exported(NamedTuple):
    """What `export` wrote."""

    rows: int
    missing: list[str]
    """Paths of the dataset that have no row: not extracted yet, or rejected."""


def describe(folder: CacheFolder, cache: FeatureCache) -> dict[str, Any]:
    """One variant of one recipe, as JSON values."""
    recipe = _recipe(folder, cache.fingerprint)
    shards = cache.shard_paths()
    return {
        "fingerprint": cache.fingerprint,
        "words": _in_words(recipe),
        "recipe": recipe,
        "precision": cache.variant,
        "rows": len(cache),
        "bytes": sum(path.stat().st_size for path in shards),
        "shards": len(shards),
        "rejected": [
            {"path": os.fsdecode(path), "reason": reason} for path, reason in cache.rejections()
        ],
        "damaged": sorted(cache.damaged()),
    }


def choose(folder: CacheFolder, prefix: str | None, precision: str = "auto") -> FeatureCache:
    """The variant that a user names, or the only one there is.

    Parameters
    ----------
    prefix
        Beginning of the fingerprint; None where there is one recipe.
    precision
        Name of the variant; ``auto`` takes the one with the most rows.

    Raises
    ------
    UsageError
        When none or several recipes fit; with the list.
    """
    fingerprints = [name for name in folder.fingerprints() if folder.variants(name)]
    fitting = [name for name in fingerprints if name.startswith(prefix or "")]
    known = "; ".join(f"{name[:12]} {_in_words(_recipe(folder, name))}" for name in fingerprints)
    if not fingerprints:
        raise UsageError(
            f"the cache {folder.root} is empty: fill it with `bottlebank extract DATA`"
        )
    if not fitting:
        raise UsageError(f"no recipe begins with {prefix!r}; the cache holds: {known}")
    if len(fitting) > 1:
        raise UsageError(f"name one recipe with --fingerprint; the cache holds: {known}")
    variants = folder.variants(fitting[0])
    if precision != "auto" and precision not in variants:
        raise UsageError(f"no rows in {precision}; there are rows in {', '.join(variants)}")
    return folder.open(fitting[0], variants[0] if precision == "auto" else precision)


def export(
    folder: CacheFolder, cache: FeatureCache, output: Path, dataset: Dataset | None = None
) -> Exported:
    """Write rows to a plain HDF5 file: all that are cached, or those of a dataset.

    With a dataset there is one row an image that has one, with `labels` and `split` (declared,
    or decided by content).

    Raises
    ------
    CacheError
        When no image of the dataset has a row, or the file cannot be written.
    """
    attributes = {
        "fingerprint": cache.fingerprint,
        "precision": cache.variant,
        "recipe": json.dumps(_recipe(folder, cache.fingerprint)),
    }
    if dataset is None:
        seen = cache.paths()
        keys = cache.keys()
        export_rows(cache, output, keys, [seen[key] for key in keys], {}, attributes)
        return Exported(len(keys), [])
    rows: list[tuple[int, bytes]] = []
    missing: list[str] = []
    for position, path in enumerate(dataset.paths):
        try:
            key = folder.key_of_file(path)
        except OSError:
            missing.append(path)
            continue
        if key in cache:
            rows.append((position, key))
        else:
            missing.append(path)
    if not rows:
        raise CacheError(
            f"no image of {dataset.source} has a row in {cache.folder}: run "
            f"`bottlebank extract {dataset.source}` first"
        )
    keys = [key for _, key in rows]
    labels = [dataset.labels[position] for position, _ in rows]
    declared = [dataset.splits[position] for position, _ in rows]
    columns = {"labels": labels, "split": split(keys, labels, declared).sides.tolist()}
    paths = [os.fsencode(dataset.paths[position]) for position, _ in rows]
    export_rows(cache, output, keys, paths, columns, attributes)
    return Exported(len(rows), missing)


def _recipe(folder: CacheFolder, fingerprint: str) -> dict[str, Any] | None:
    try:
        return folder.recipe(fingerprint)
    except CacheError as error:
        logger.warning("%s; the next extraction into it writes it again", error)
        return None


def _in_words(recipe: dict[str, Any] | None) -> str:
    if recipe is None:
        return "recipe.json is damaged"
    try:
        return Recipe.from_dict(recipe).in_words()
    except ValueError:
        return f"{recipe.get('extractor', 'unknown')}, of another version of bottlebank"
