"""Which extractor a dataset was extracted with before, by what the cache knows of its files."""

from __future__ import annotations

import contextlib
import logging
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from ..cache import Key, Variant
from ..errors import CacheError, RecipeError, UsageError
from ..features import DEFAULT_EXTRACTOR, ExtractorSpec, Recipe, find_backbone
from ..features.backbones.opening import KINDS
from ..features.backbones.registry import HUB
from ..features.backbones.spec import POOLINGS
from ..features.backbones.weights import IMAGENET, SEED_WEIGHTS
from ..features.recipe import backbone_of
from ..formatting import counted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ..cache import CacheFolder
    from ..datasets import Dataset

# Of the fields of ExtractorSpec: the options that set them.
_WORDS = {
    **{name: name for name in ("weights", "fit", "grey16", "scaling", "pooling")},
    "size_px": "size",
    "layers": "layer",
}

logger = logging.getLogger(__name__)


class Banked(NamedTuple):
    """A recipe in which rows of a dataset are in the cache."""

    spec: ExtractorSpec
    """From which the recipe is made again."""
    variant: Variant
    """That has most of the rows."""
    n_images: int
    """Files of the dataset whose rows are there."""
    n_settings: int
    """How many of the settings that were chosen it has."""
    newest_s: float
    """When the last of its rows was written."""


def banked(dataset: Dataset, folder: CacheFolder, chosen: dict[str, Any]) -> Banked | None:
    """In which recipe most of a dataset's images are in the cache; None where none is.

    No file is read: those count whose path, size and times are as they were. Recipes that this
    version of bottlebank does not compute, or whose file is not on this machine, are passed over.

    Parameters
    ----------
    dataset
        Of which images are looked up.
    folder
        The cache.
    chosen
        Fields of `ExtractorSpec` that were chosen: recipes with these values come first, whatever
        else they are. They replace those of the recipe.
    """
    fingerprints = folder.fingerprints()
    contents = _known_contents(dataset, folder) if fingerprints else []
    keys = [Key(content) for content in contents]
    found = [each for name in fingerprints if keys for each in _banked(folder, name, keys, chosen)]
    if not found:
        return None
    best = max(found, key=lambda each: (each.n_settings, each.n_images, each.newest_s))
    return best._replace(spec=best.spec._replace(**chosen))


def say_going_on(found: Banked, dataset: Dataset) -> None:
    """Log with what an extraction goes on, unless it is what is taken the first time."""
    spec = found.spec
    settings = [f"{_WORDS[name]} {_in_words(value)}" for name, value in spec.chosen().items()]
    if spec.extractor == DEFAULT_EXTRACTOR and not settings:
        return
    these = "these images are" if len(dataset) > 1 else "this image is"
    if found.n_images < len(dataset):
        these = f"{found.n_images:,} of these {counted(len(dataset), 'image')} are"
    words = f"{spec.extractor} ({', '.join(settings)})" if settings else spec.extractor
    logger.warning("going on with %s, in whose rows %s", words, these)


def _in_words(value: Any) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _known_contents(dataset: Dataset, folder: CacheFolder) -> list[bytes]:
    files: list[tuple[str, os.stat_result]] = []
    for path in dataset.paths:
        with contextlib.suppress(OSError, ValueError):  # reading it gives the reason
            files.append((path, os.stat(path)))  # noqa: PTH116 (surrogate escapes)
    return [content for content in folder.known_contents(files) if content is not None]


def _banked(
    folder: CacheFolder, fingerprint: str, keys: list[Key], chosen: dict[str, Any]
) -> Iterator[Banked]:
    try:
        recipe = Recipe.from_dict(folder.recipe(fingerprint))
        spec = _spec_of(recipe, folder)
        caches = [folder.open(fingerprint, name) for name in folder.variants(fingerprint)]
    except (CacheError, RecipeError, UsageError) as error:  # others' rows are no reason to stop
        logger.debug("%s is passed over: %s", fingerprint, error)
        return
    if spec is None:
        return
    made_of = {**spec._asdict(), "fit": recipe.fit, "size_px": recipe.input_size_px}
    for cache in caches:
        n_images = cache.n_present(keys)
        if n_images:
            n_settings = sum(made_of[name] == value for name, value in chosen.items())
            variant = Variant.parse(cache.variant)
            yield Banked(spec, variant, n_images, n_settings, cache.newest_s())


def _spec_of(recipe: Recipe, folder: CacheFolder) -> ExtractorSpec | None:
    """From which this recipe is made again here; None where its file is not on this machine."""
    backbone_of(recipe)
    own = recipe.spec
    is_file = recipe.architecture in KINDS
    if is_file or recipe.weights not in (IMAGENET, SEED_WEIGHTS):
        found = (path for path in folder.paths_of_file(recipe.weights_sha256) if path.exists())
        path: Path | str | None = next(found, None)
        if path is None and recipe.extractor.startswith(HUB):
            path = recipe.extractor
        if path is None:
            return None
        if is_file:
            pooling = recipe.pooling if recipe.pooling in POOLINGS else None
            return own._replace(extractor=str(path), scaling=recipe.pixel_scaling, pooling=pooling)
        own = own._replace(weights=str(path))
    usual = find_backbone(recipe.extractor)
    return own._replace(
        size_px=None if own.size_px == usual.input_size_px else own.size_px,
        fit=None if own.fit == usual.fit else own.fit,
    )
