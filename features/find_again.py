"""Finding the network of a recipe again, which is in a file or folder of somebody's own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import EngineError, UsageError
from .backbones.layer_pooling import chosen_pooling
from .backbones.registry import HUB
from .backbones.spec import ExtractorSpec
from .backbones.weights import file_sha256
from .recipe import recipe_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .backbones.weights import Weights
    from .recipe import Recipe


def weights_at(
    recipe: Recipe,
    place: str | os.PathLike[str],
    *,
    digest: Callable[[Path], str] = file_sha256,
    download_timeout_s: float | None = None,
) -> Weights | None:
    """The weights of a recipe, if they are what is at a place.

    Parameters
    ----------
    recipe
        Of a network that is not in the registry.
    place
        A path, or ``hf:owner/name[@revision]``.
    digest, download_timeout_s
        As in `recipe_for`.
    """
    found = _found_at(recipe, place, digest, download_timeout_s)
    return next((weights for _, other, weights in found if _is_same_network(other, recipe)), None)


def spec_at(
    recipe: Recipe,
    place: str | os.PathLike[str],
    *,
    digest: Callable[[Path], str] = file_sha256,
    download_timeout_s: float | None = None,
) -> ExtractorSpec | None:
    """From which `recipe_for` makes a recipe again; None where what is at a place makes another.

    The parameters are those of `weights_at`.
    """
    found = _found_at(recipe, place, digest, download_timeout_s)
    return next((s for s, other, _ in found if other.fingerprint == recipe.fingerprint), None)


def _found_at(
    recipe: Recipe,
    place: str | os.PathLike[str],
    digest: Callable[[Path], str],
    download_timeout_s: float | None,
) -> Iterator[tuple[ExtractorSpec, Recipe, Weights]]:
    """What is at a place, by its own settings and by those of the recipe."""
    place = os.fspath(place)
    if not place.startswith(HUB) and not os.path.exists(place):  # noqa: PTH110 (any name)
        return
    own = ExtractorSpec(place, grey16=recipe.grey16)
    of_recipe = recipe.spec._replace(
        extractor=place, scaling=recipe.pixel_scaling, pooling=chosen_pooling(recipe.pooling)
    )
    usual = of_recipe._replace(pooling=None)  # may differ from layer to layer
    for spec in (own, of_recipe, usual):
        try:
            here, weights = recipe_for(spec, digest=digest, download_timeout_s=download_timeout_s)
        except (UsageError, EngineError):  # it holds no network, or one without these settings
            continue
        yield spec, here, weights


def _is_same_network(one: Recipe, other: Recipe) -> bool:
    return one.weights_sha256 == other.weights_sha256
