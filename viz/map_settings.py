"""The settings of a map, checked: before any work, and once the number of images is known."""

from __future__ import annotations

import math

from ..arguments import received, require_number, require_seed, require_whole
from ..errors import ParameterError
from ..formatting import counted
from .map_methods import METHODS, Settings, require_method

LEAST_PERPLEXITY = 1.0
"""Below one neighbour there is none."""
LEAST_NEIGHBORS = 2
"""UMAP refuses fewer."""


def require_layout(
    method: str = "pca",
    *,
    random_state: int = 0,
    dimensions: int = 2,
    perplexity: float | None = None,
    neighbors: int | None = None,
) -> Settings:
    """What a caller gave for a map, as far as it can be checked without images.

    Raises
    ------
    UsageError
        For an unknown method.
    ParameterError
        When a value is out of range, or belongs to another method.
    """
    chosen = require_method(method)
    seed = require_seed("random_state", random_state)
    if require_whole("dimensions", dimensions, 2) > 3:
        raise ParameterError("dimensions", f"is {received(dimensions)}; expected 2 or 3")
    if perplexity is not None:
        wanted = "a number of at least 1"
        below = math.nextafter(LEAST_PERPLEXITY, 0)
        perplexity = require_number("perplexity", perplexity, wanted, below, math.inf)
    if neighbors is not None:
        neighbors = require_whole("neighbors", neighbors, LEAST_NEIGHBORS)
    settings = Settings(seed, int(dimensions), perplexity, neighbors)
    for name in ("perplexity", "neighbors"):
        if getattr(settings, name) is not None and name != chosen.setting:
            owner = next((each for each, line in METHODS.items() if line.setting == name), "none")
            raise ParameterError(name, f"is a setting of the method {owner} alone: leave it out")
    return settings


def require_fit(settings: Settings, n_images: int) -> None:
    """Refuse settings that are too large for so many images.

    Raises
    ------
    ParameterError
        With the greatest value.
    """
    most = most_perplexity(n_images)
    if settings.perplexity is not None and settings.perplexity > most:
        raise ParameterError(
            "perplexity",
            f"is {settings.perplexity:.6g}; of {counted(n_images, 'image')} it is at most "
            f"{math.floor(100 * most) / 100:g}, a third of the others",
        )
    if settings.neighbors is not None and settings.neighbors > n_images - 1:
        raise ParameterError(
            "neighbors",
            f"is {settings.neighbors}; of {counted(n_images, 'image')} it is at most "
            f"{n_images - 1}, and a map with neighbours needs 3 images",
        )


def most_perplexity(n_images: int) -> float:
    """Van der Maaten's rule: three neighbours for each unit of perplexity; at least 1."""
    return max(LEAST_PERPLEXITY, (n_images - 1) / 3)
