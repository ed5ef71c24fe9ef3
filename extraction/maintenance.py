"""Looking into a cache in the user's words, and exporting from it."""

from __future__ import annotations

import json
import logging
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from ..arguments import received
from ..cache import CacheFolder, Key, Variant, made_again
from ..cache import layouts as kept_layouts
from ..cache.import_export import Described, export_rows, import_shards
from ..cache.isolated_reading import open_export
from ..cache.pruning.prune import carry_out, plan, remove_recipe
from ..cache.shards.key_numbers import ContentSet
from ..cache.sheets import Sheets
from ..datasets.splits import split
from ..errors import CacheError, NewerRecipeError, RecipeError, UsageError
from ..features import Recipe

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ..cache import FeatureCache
    from ..datasets import Dataset


logger = logging.getLogger(__name__)


class Exported(NamedTuple):
    """What `export` wrote."""

    rows: int
    missing: list[str]
    """Paths of the dataset that have no row: not extracted yet, or rejected."""


def describe(folder: CacheFolder, cache: FeatureCache) -> dict[str, Any]:
    """One variant of one recipe, as JSON values."""
    recipe = _recipe(folder, cache.fingerprint)
    return {
        "fingerprint": cache.fingerprint,
        "words": _in_words(recipe),
        "recipe": recipe,
        "precision": Variant.parse(cache.variant).precision,
        "store": Variant.parse(cache.variant).storage,
        "rows": len(cache),
        "images": cache.n_images(),
        "bytes": cache.n_bytes(),
        "shards": len(cache.shard_names()),
        "layouts": kept_layouts.n_layouts(folder.root, cache.fingerprint, cache.variant),
        "rejected": [
            {"path": os.fsdecode(path), "reason": reason} for path, reason in cache.rejections()
        ],
        "failed_here": [
            {"path": os.fsdecode(path), "reason": reason} for path, reason in cache.failures()
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
            f"the cache {folder.address} is empty: fill it with `bottlebank extract DATA`"
        )
    if not fitting:
        raise UsageError(f"no recipe begins with {received(prefix)}; the cache holds: {known}")
    if len(fitting) > 1:
        raise UsageError(f"name one recipe with --fingerprint; the cache holds: {known}")
    variants = folder.variants(fitting[0])
    suiting = [name for name in variants if precision in ("auto", Variant.parse(name).precision)]
    if not suiting:
        raise UsageError(f"no rows in {precision}; there are rows in {', '.join(variants)}")
    return folder.open(fitting[0], suiting[0])


def export(
    folder: CacheFolder, cache: FeatureCache, output: Path, dataset: Dataset | None = None
) -> Exported:
    """Write rows to a plain HDF5 file: all that are cached, or those of a dataset.

    With a dataset there is one row an image that has one, with `labels` and `split` (declared,
    or decided by content).

    Raises
    ------
    CacheError
        When no image of the dataset has a row, the recipe is of a newer version, or the file cannot
        be written.
    """
    recipe = _recipe(folder, cache.fingerprint)
    try:
        Recipe.from_dict(recipe or {})
    except NewerRecipeError as error:
        raise CacheError(f"{cache.folder}: {error}") from error
    except RecipeError as error:  # damaged, or of an earlier version: its rows are exported
        logger.debug("%s: %s", cache.folder, error)
    attributes = {
        "fingerprint": cache.fingerprint,
        "variant": cache.variant,
        "recipe": json.dumps(recipe),
    }
    if dataset is None:
        seen = cache.paths()
        keys = cache.keys()  # without those of shards whose damage has just been found
        export_rows(cache, output, keys, [seen[key] for key in keys], {}, attributes)
        return Exported(len(keys), [])
    rows: list[tuple[int, Key]] = []
    missing: list[str] = []
    for position, path in enumerate(dataset.paths):
        try:
            key = Key(bytes.fromhex(folder.sha256_of_file(path)))
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
    contents = [key.content for key in keys]
    labels = [dataset.labels[position] for position, _ in rows]
    declared = [dataset.splits[position] for position, _ in rows]
    groups = [dataset.groups[position] for position, _ in rows] if dataset.groups else ()
    columns = {"labels": labels, "split": split(contents, labels, declared, groups).of_row.tolist()}
    paths = [os.fsencode(dataset.paths[position]) for position, _ in rows]
    export_rows(cache, output, keys, paths, columns, attributes)
    return Exported(len(rows), missing)


class Pruned(NamedTuple):
    """What `prune` does, or would do."""

    recipes: list[dict[str, Any]]
    """Of each variant that has something to prune, or rows whose images are not found."""
    sheets_removed: int
    """Of thumbnails. They belong to no recipe: 0 where one is named."""


def prune(
    folder: CacheFolder, prefix: str | None, *, whole: bool = False, do: bool = False
) -> Pruned:
    """Remove what no image stands behind; `pruning.prune.plan` says what that is.

    Parameters
    ----------
    prefix
        Beginning of the fingerprints that are pruned; None for all.
    whole
        Remove the one recipe that `prefix` names, with all its rows.
    do
        False only looks.

    Returns
    -------
    Pruned
        What is, or would be, done.

    Raises
    ------
    UsageError
        When no recipe begins so, or `whole` is set and not exactly one does, or none is named.
    CacheLockedError
        When another process writes to what is to be changed.
    CacheError
        When something cannot be read, written or removed.
    """
    if whole and not prefix:
        raise UsageError("--whole removes a recipe with all its rows: name it with --fingerprint")
    fitting = [name for name in folder.fingerprints() if name.startswith(prefix or "")]
    if prefix and len(fitting) != 1 and (whole or not fitting):
        raise UsageError(
            f"{len(fitting)} recipes begin with {received(prefix)}; `cache info` lists them"
        )
    entries: list[dict[str, Any]] = []
    left = ContentSet()
    for fingerprint in fitting:
        for variant in folder.variants(fingerprint):
            cache = folder.open(fingerprint, variant)
            planned = plan(folder, cache)
            left.add(planned.keys.keys())
            layouts = [*kept_layouts.useless(folder.root, fingerprint, variant, planned.keys)]
            if whole:
                n_removed = kept_layouts.n_layouts(folder.root, fingerprint, variant)
            else:
                n_removed = len(layouts)
            entry = {
                "fingerprint": fingerprint,
                "variant": variant,
                "rows_removed": len(cache) if whole else planned.rows_removed,
                "rejections_removed": planned.rejections_removed,
                "rows_kept": 0 if whole else planned.rows_kept,
                "rejections_kept": 0 if whole else planned.rejections_kept,
                "shards_rewritten": 0 if whole else len(planned.rewrite),
                "damaged": planned.damaged,
                "layouts_removed": n_removed,
            }
            is_empty = planned.is_empty and not layouts
            if whole or not is_empty or planned.rows_kept or planned.rejections_kept:
                entries.append(entry)
            if do and not whole and not planned.is_empty:
                carry_out(cache, planned)
            if do and not whole:
                made_again.remove(layouts)
        if do and whole:
            remove_recipe(folder, fingerprint)
    if prefix:  # the images of other recipes have thumbnails too
        return Pruned(entries, 0)
    sheets = Sheets(folder.root)
    useless = [*sheets.useless(left)]
    if do:
        made_again.remove(useless)
    return Pruned(entries, len(useless))


class Imported(NamedTuple):
    """What `import_from` brought in."""

    shards: int
    rows: int
    """Rows of an export; 0 where shards were copied."""
    present: int
    """Shards that were here already."""
    damaged: list[str]
    """Shards that were left out."""
    has_checksum: bool = True
    """False for an export of an older version, whose numbers cannot be checked for damage."""


def import_from(folder: CacheFolder, source: Path) -> Imported:
    """Bring in what another cache folder, or a file that `export` wrote, has and this one lacks.

    Raises
    ------
    UsageError
        When there is no such source.
    CacheError
        When the source is neither, or something cannot be written.
    """
    if not source.exists():
        raise UsageError(f"no such folder or file: {source}")
    if source.is_dir():
        brought_in = import_shards(folder, source, _describe_recipe)
        return Imported(brought_in.n_shards, 0, brought_in.n_present, brought_in.left_out)
    with open_export(source) as export:
        try:
            recipe = Recipe.from_dict(export.recipe)
        except RecipeError as error:
            raise CacheError(f"{source}: {error}") from error
        if recipe.fingerprint != export.fingerprint:
            raise CacheError(f"{source}: the recipe and the fingerprint do not belong together")
        if recipe.width != export.width:
            raise CacheError(
                f"{source}: {export.width} numbers per row; its recipe says {recipe.width}"
            )
        export.verify()  # before anything is written
        cache = folder.open(recipe.fingerprint, export.variant)
        n_rows = 0
        with cache.writer(recipe.as_dict()) as writer:
            brought: set[Key] = set()
            for keys, paths, features in export.rows():
                new = []
                for row, key in enumerate(keys):
                    if key not in cache and key not in brought:
                        brought.add(key)
                        new.append(row)
                if new:
                    writer.extend(
                        [keys[row] for row in new], [paths[row] for row in new], features[new]
                    )
                    n_rows += len(new)
    return Imported(0, n_rows, 0, [], export.has_checksum)


def _describe_recipe(values: Mapping[str, Any]) -> Described:
    recipe = Recipe.from_dict(values)
    return Described(recipe.fingerprint, recipe.width)


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
    except RecipeError as error:
        return f"{recipe.get('extractor', 'unknown')}, of another version of bottlebank: {error}"
