"""Which extractor a dataset was extracted with before, by what the cache knows of its files."""

from __future__ import annotations

import contextlib
import itertools
import logging
import stat
from typing import TYPE_CHECKING, Any, NamedTuple

from ...cache import KeyArray, Variant, content_of_bytes
from ...datasets.parts import Parts
from ...errors import CacheError, ImageRejectedError, RecipeError, UsageError, WeightsNotFoundError
from ...features import DEFAULT_EXTRACTOR, ExtractorSpec, Recipe, find_backbone, recipe_for
from ...features.backbones.layer_pooling import chosen_pooling
from ...features.backbones.opening import path_of
from ...features.backbones.registry import HUB, find_scaling
from ...features.backbones.weights import IMAGENET, SEED_WEIGHTS
from ...features.find_again import spec_at, weights_at
from ...features.images.decoder import read as read_file
from ...features.recipe import backbone_of
from ...formatting import counted
from ...untrusted.tar_members import status_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ...cache import CacheFolder
    from ...datasets import Dataset
    from ...features.backbones.weights import Weights
    from ...untrusted.tar_members import FileStatus

# Of the fields of ExtractorSpec: the options that set them.
_WORDS = {
    **{name: name for name in ("weights", "fit", "grey16")},
    "size_px": "size",
    "layers": "layer",
    "scaling": "scaling",
}

_TOGETHER = 2048
_MOST_READ = 24
"""Files that are read where none is known by its path: the folder was moved, or copied."""

logger = logging.getLogger(__name__)


class Banked(NamedTuple):
    """A recipe in which rows of a dataset are in the cache."""

    recipe: Recipe
    place: str
    """What names its network, or its weights: a path, or a name of the registry or the Hub."""
    variant: Variant
    """That has most of the rows."""
    n_images: int
    """Files of the dataset whose rows are there."""
    n_settings: int
    """How many of the settings that were chosen it has."""
    last_s: float
    """When it was last extracted with, or the last of its rows was written."""


def banked(dataset: Dataset | Parts, folder: CacheFolder, chosen: dict[str, Any]) -> Banked | None:
    """In which recipe most of a dataset's images are in the cache; None where none is.

    Those count whose path, size and times are as they were; where there are none, some files are
    read, and those count whose bytes are known. Recipes that this
    version of bottlebank does not compute, or whose file is not on this machine, are passed over.

    Parameters
    ----------
    dataset
        Of which images are looked up.
    folder
        The cache.
    chosen
        Fields of `ExtractorSpec` that were chosen: of the recipes of one network, those with these
        values come first.
    """
    fingerprints = folder.fingerprints()
    keys = _known_keys(dataset, folder) if fingerprints else []
    found = [each for name in fingerprints if keys for each in _banked(folder, name, keys, chosen)]
    if not found:
        return None
    most = max(found, key=lambda each: (each.n_images, each.last_s))
    same = [each for each in found if each.recipe.weights_sha256 == most.recipe.weights_sha256]
    return max(same, key=lambda each: (each.n_settings, each.n_images, each.last_s))


def going_on(
    before: Banked,
    chosen: dict[str, Any],
    folder: CacheFolder,
    download_timeout_s: float | None,
    progress: bool | None,
) -> tuple[Recipe, Callable[[], Weights]]:
    """The recipe that goes on, with what was chosen, and what finds its weights.

    Raises
    ------
    UsageError, WeightsNotFoundError, EngineError
        As `recipe_for`.
    """
    recipe = before.recipe
    if recipe.is_of_file and before.n_settings == len(chosen):
        return recipe, lambda: _weights_again(before, folder, download_timeout_s)
    spec = _spec_again(before, folder, download_timeout_s)
    again, weights = recipe_for(
        spec._replace(**chosen),
        digest=folder.sha256_of_file,
        download_timeout_s=download_timeout_s,
        progress=progress,
    )
    return again, lambda: weights


def remember_network(recipe: Recipe, weights: Weights, extractor: str, folder: CacheFolder) -> None:
    """Note where a network, or the weights, in a file of a person's own are."""
    if recipe.weights in (IMAGENET, SEED_WEIGHTS) or weights.path is None:
        return
    is_path = recipe.is_of_file and not extractor.startswith(HUB)
    folder.remember_network(recipe.weights_sha256, path_of(extractor) if is_path else weights.path)


def say_going_on(before: Banked, recipe: Recipe, dataset: Dataset | Parts) -> None:
    """Log with what an extraction goes on, unless it is what is taken the first time."""
    if recipe.is_of_file:
        words = f"{before.place} ({recipe.settings_in_words()})"
    else:
        spec = _spec_of_registry(before._replace(recipe=recipe))
        settings = [f"{name} {value}" for name, value in _settings_in_words(spec).items()]
        if spec.extractor == DEFAULT_EXTRACTOR and not settings:
            return
        words = f"{spec.extractor} ({', '.join(settings)})" if settings else spec.extractor
    these = "these images have" if len(dataset) > 1 else "this image has"
    if before.n_images < len(dataset):
        verb = "has" if before.n_images == 1 else "have"
        these = f"{before.n_images:,} of these {counted(len(dataset), 'image')} {verb}"
    logger.warning("going on with %s: %s been extracted with this network", words, these)


def _settings_in_words(spec: ExtractorSpec) -> dict[str, str]:
    return {
        _WORDS[name]: find_scaling(value).for_people()
        if name == "scaling"
        else ", ".join(value)
        if isinstance(value, tuple)
        else str(value)
        for name, value in spec.chosen().items()
    }


def _known_keys(dataset: Dataset | Parts, folder: CacheFolder) -> list[KeyArray]:
    """Keys of the images whose contents are known, each in 36 bytes."""
    known: list[KeyArray] = []
    for files, contents in _in_pieces(dataset):
        found = [content for content in folder.known_contents(files) if content is not None]
        if found or contents:
            known.append(KeyArray.of_images(contents + b"".join(found)))
    if known:
        return known
    files = itertools.chain.from_iterable(files for files, _ in _in_pieces(dataset))
    regular = (path for path, status in files if stat.S_ISREG(status.st_mode))
    some = itertools.islice(regular, 0, None, max(1, -(-len(dataset) // _MOST_READ)))
    read: list[bytes] = []
    for path in some:
        with contextlib.suppress(ImageRejectedError):
            read.append(content_of_bytes(read_file(path)[0]))
    return [KeyArray.of_images(b"".join(read))] if read else []


def _in_pieces(
    dataset: Dataset | Parts,
) -> Iterator[tuple[list[tuple[str, FileStatus]], bytes]]:
    """Images with their status, a few at a time; of a part that is known, the contents instead."""
    if not isinstance(dataset, Parts):
        yield [*_with_status((path, None) for path in dataset.paths)], b""
        return
    for part in dataset:
        remembered = dataset.recall(part)
        if remembered is not None:
            yield [], remembered.contents
            continue
        files = _with_status(part.files())
        with contextlib.suppress(OSError):  # extracting it gives the reason
            while some := [*itertools.islice(files, _TOGETHER)]:
                yield some, b""


def _with_status(
    files: Iterable[tuple[str, FileStatus | None]],
) -> Iterator[tuple[str, FileStatus]]:
    for path, status in files:
        with contextlib.suppress(OSError, ValueError):  # reading it gives the reason
            yield path, status_of(path) if status is None else status


def _banked(
    folder: CacheFolder, fingerprint: str, keys: list[KeyArray], chosen: dict[str, Any]
) -> Iterator[Banked]:
    try:
        recipe = Recipe.from_dict(folder.recipe(fingerprint))
        if recipe.is_frozen_part:
            return
        backbone_of(recipe)
        place = _place_of(recipe, folder)
        caches = [folder.open(fingerprint, name) for name in folder.variants(fingerprint)]
    except (CacheError, RecipeError, UsageError) as error:  # others' rows are no reason to stop
        logger.debug("%s is passed over: %s", fingerprint, error)
        return
    if place is None:
        return
    n_settings = sum(_has(recipe, name, value) for name, value in chosen.items())
    for cache in caches:
        n_images = sum(map(cache.n_present, keys))
        if n_images:
            variant = Variant.parse(cache.variant)
            used_s, _ = folder.uses().get(f"{fingerprint}/{variant.name}", (0.0, None))
            last_s = max(cache.newest_s(), used_s)
            yield Banked(recipe, place, variant, n_images, n_settings, last_s)


def _place_of(recipe: Recipe, folder: CacheFolder) -> str | None:
    """See `Banked.place`; None where the file is not on this machine."""
    if not recipe.is_of_file and recipe.weights in (IMAGENET, SEED_WEIGHTS):
        return recipe.extractor
    paths = folder.paths_of_network(recipe.weights_sha256)
    path = next((str(path) for path in paths if path.exists()), None)
    return recipe.extractor if path is None and recipe.extractor.startswith(HUB) else path


def _has(recipe: Recipe, setting: str, value: Any) -> bool:
    """Whether a recipe has what was chosen."""
    if setting == "scaling":
        return find_scaling(value).in_words() == recipe.pixel_scaling
    if setting == "pooling":
        return value == chosen_pooling(recipe.pooling)
    return getattr(recipe, {"size_px": "input_size_px"}.get(setting, setting)) == value


def _spec_of_registry(before: Banked) -> ExtractorSpec:
    """From which the recipe of a network in the registry is made again."""
    recipe, own = before.recipe, before.recipe.spec
    usual = find_backbone(recipe.extractor)
    return own._replace(
        weights=IMAGENET if before.place == recipe.extractor else before.place,
        size_px=None if own.size_px == usual.input_size_px else own.size_px,
        fit=None if own.fit == usual.fit else own.fit,
        scaling=None if own.scaling == usual.scaling.in_words() else own.scaling,
    )


def _spec_again(
    before: Banked, folder: CacheFolder, download_timeout_s: float | None
) -> ExtractorSpec:
    if not before.recipe.is_of_file:
        return _spec_of_registry(before)
    spec = spec_at(
        before.recipe,
        before.place,
        digest=folder.sha256_of_file,
        download_timeout_s=download_timeout_s,
    )
    if spec is None:
        raise UsageError(
            f"these images are in the cache with {before.place}, which has changed since: name "
            f"the network, and all of its settings, with --extractor and others"
        )
    return spec


def _weights_again(
    before: Banked, folder: CacheFolder, download_timeout_s: float | None
) -> Weights:
    weights = weights_at(
        before.recipe,
        before.place,
        digest=folder.sha256_of_file,
        download_timeout_s=download_timeout_s,
    )
    if weights is None:
        raise WeightsNotFoundError(
            f"{before.place} is not the network any more with which these images are in the "
            f"cache: name one with --extractor"
        )
    return weights
