"""The methods by which images become points of a map. Reading it imports no library.

A method is a module and a line of `METHODS`. The module has a function ``place(components,
settings, progress)``: of `Components`, `Settings` and whether progress is shown it makes the
points, float (n, dimensions), and a caption that gives the method and its parameters in words.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from ..arguments import is_one_of, received
from ..errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from .components import Components


class Settings(NamedTuple):
    """How a map is made, beside its method."""

    seed: int = 0
    dimensions: int = 2
    """2 or 3."""
    perplexity: float | None = None
    """Of t-SNE; None: as fits the number of images."""
    neighbors: int | None = None
    """Of UMAP; None: as fits the number of images."""


class MapMethod(NamedTuple):
    """What is known of a method without importing it."""

    module: str
    """A name that begins with a dot is of this package."""
    in_words: str
    """What it is, for help texts."""
    n_components: int = 50
    """How many principal components it sees at most, or as many as the map has dimensions."""
    seeded: bool = True
    """Whether its map depends on the seed (principal components of much data do, a little)."""
    axis: str = ""
    """What an axis of the map means; empty where it has neither a unit nor a meaning."""
    setting: str = ""
    """Which of the fields of `Settings` that are None by default it takes."""
    rule: int = 1
    """Raised where the same settings make another map: kept ones are then laid out anew."""

    def imported(self) -> Callable[[Components, Settings, bool | None], tuple[NDArray, str]]:
        """Its function `place`."""
        return import_module(self.module, __package__).place


METHODS: dict[str, MapMethod] = {
    "pca": MapMethod(
        ".pca",
        "principal components (instant)",
        n_components=2,
        seeded=False,
        axis="principal component",
        rule=2,
    ),
    "tsne": MapMethod(".tsne", "t-SNE", setting="perplexity", rule=3),
    "umap": MapMethod(".umap", "UMAP", setting="neighbors", rule=3),
}


def require_method(name: str) -> MapMethod:
    """The method of that name.

    Raises
    ------
    UsageError
        When there is none.
    """
    if not is_one_of(name, METHODS):
        raise UsageError(f"unknown method {received(name)}: choose one of {', '.join(METHODS)}")
    return METHODS[name]
