"""Rebuilding the extractor that a head was trained on, from what the head file says."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..errors import (
    HeadFileError,
    HeadMismatchError,
    RecipeError,
    UsageError,
    WeightsNotFoundError,
)
from ..features import Recipe, find_backbone, recipe_for
from ..features.backbones.weights import IMAGENET, SEED_WEIGHTS
from ..features.images.colours import require_known_grey16
from ..features.images.fit import FITS
from ..features.recipe import recipe_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..cache import CacheFolder
    from ..classifier import Head
    from ..features.backbones.weights import Weights


def read_recipe(head: Head, path: str | os.PathLike[str]) -> Recipe:
    """The recipe inside a head.

    Raises
    ------
    HeadFileError
        When it is not one of this version, which does not know its extractor or how it reads grey
        images, or its width is not the head's.
    """
    try:
        recipe = Recipe.from_dict(head.recipe)
        find_backbone(recipe.extractor)
        require_known_grey16(recipe.grey16)
    except (RecipeError, UsageError) as error:
        raise HeadFileError(f"{path}: {error}") from error
    if recipe.width != head.layers.n_features:
        raise HeadFileError(
            f"{path} is damaged: {head.layers.n_features} inputs for the {recipe.width} transfer "
            f"values of {recipe.extractor}"
        )
    return recipe


def weights_finder(
    trained_on: Recipe,
    folder: CacheFolder,
    head: str | os.PathLike[str],
    extractor: str | None,
    weights: str | None,
    download_timeout_s: float | None,
) -> Callable[[], Weights]:
    """Compare the head's recipe with this version's; return a function that finds the weights."""
    backbone = find_backbone(trained_on.extractor if extractor is None else extractor)
    if backbone.name != trained_on.extractor:
        raise HeadMismatchError(
            f"{head} was trained on {trained_on.extractor}, not on {extractor}: name "
            f"{trained_on.extractor}, or none, or a head that was trained on {extractor}"
        )
    spec = trained_on.spec
    if trained_on.fit not in FITS:  # of another version; the difference is told
        spec = spec._replace(fit=None)

    def compare(here: Recipe) -> None:
        changes = here.changes_since(trained_on.as_dict())
        if changes:
            raise HeadMismatchError(
                f"{head} was trained on other transfer values ({trained_on.in_words()}): use the "
                f"extractor and weights that it was trained on, or train it again on these. What "
                f"differs: {'; '.join(changes)}"
            )

    def find() -> Weights:
        name = weights
        if name is None:
            if trained_on.weights not in (IMAGENET, SEED_WEIGHTS):
                raise WeightsNotFoundError(
                    f"{head} was trained with the weights file {trained_on.weights!r} (SHA-256 "
                    f"{trained_on.weights_sha256}): name its path with --weights"
                )
            name = IMAGENET
        recipe, found = recipe_for(
            spec._replace(weights=name),
            digest=folder.sha256_of_file,
            download_timeout_s=download_timeout_s,
        )
        compare(recipe)
        return found

    compare(recipe_of(backbone, trained_on.weights, trained_on.weights_sha256, spec))
    if weights is not None:
        find()  # named by the caller: checked also where a converted network makes them needless
    return find
