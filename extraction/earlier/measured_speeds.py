"""How fast the networks of the registry were on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...cache import CacheFolder
from ...errors import CacheError, RecipeError
from ...features import Recipe, find_backbone
from ...features.backbones.weights import IMAGENET

if TYPE_CHECKING:
    import os


def measured_speeds(cache: str | os.PathLike[str] | None = None) -> dict[str, float]:
    """Images per second by name, of networks as they usually are, where they were measured.

    Parameters
    ----------
    cache
        The cache folder in which extractions were kept, by default `default_folder()`.

    Raises
    ------
    CacheError
        When the folder cannot be read.
    """
    found: dict[str, float] = {}
    with CacheFolder(cache, waits=False) as folder:
        for variant, (_, speed) in folder.uses().items():
            if not isinstance(speed, float):
                continue
            fingerprint = variant.partition("/")[0]
            try:
                recipe = Recipe.from_dict(folder.recipe(fingerprint))
            except (CacheError, RecipeError):  # gone, or of another version
                continue
            if recipe.is_of_file or recipe.weights != IMAGENET or recipe.layers:
                continue
            if recipe.input_size_px == find_backbone(recipe.extractor).input_size_px:
                found[recipe.extractor] = max(speed, found.get(recipe.extractor, 0.0))
    return found
