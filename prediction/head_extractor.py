"""Rebuilding the extractor that a head was trained on, from what the head file says."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import (
    HeadFileError,
    HeadMismatchError,
    RecipeError,
    UsageError,
    WeightsNotFoundError,
    in_brief,
)
from ..extraction.earlier.going_on import remember_network
from ..features import Recipe, find_backbone, recipe_for
from ..features.backbones.opening import KINDS, is_file_name
from ..features.backbones.registry import HUB
from ..features.backbones.spec import extractor_name
from ..features.backbones.weights import IMAGENET, SEED_WEIGHTS
from ..features.find_again import weights_at
from ..features.images.colours import require_known_grey16
from ..features.images.fit import FITS
from ..features.recipe import described_backbone, recipe_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
        described_backbone(recipe)
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
    extractor: str | os.PathLike[str] | None,
    weights: str | os.PathLike[str] | None,
    download_timeout_s: float | None,
) -> Callable[[], Weights]:
    """Compare the head's recipe with this version's; return a function that finds the weights."""
    extractor = None if extractor is None else extractor_name(extractor)
    weights = None if weights is None else os.fspath(weights)
    find = _OwnFile if trained_on.architecture in KINDS else _Registered
    finder = find(trained_on, folder, head, extractor, weights, download_timeout_s)
    finder.check()
    return finder.find


class _Registered:
    """Finds the weights of a network in the registry."""

    def __init__(
        self,
        trained_on: Recipe,
        folder: CacheFolder,
        head: str | os.PathLike[str],
        extractor: str | None,
        weights: str | None,
        download_timeout_s: float | None,
    ) -> None:
        self._trained_on, self._folder, self._head = trained_on, folder, head
        self._extractor, self._weights = extractor, weights
        self._download_timeout_s = download_timeout_s
        self._spec = trained_on.spec
        if trained_on.fit not in FITS:  # of another version; the difference is reported
            self._spec = self._spec._replace(fit=None)

    def check(self) -> None:
        """Raise HeadMismatchError where this version, or what was named, is another extractor."""
        trained_on = self._trained_on
        if self._extractor is not None:
            named = find_backbone(self._extractor).name
            if named != trained_on.extractor:
                raise HeadMismatchError(
                    f"{self._head} was trained on {trained_on.extractor}, not on "
                    f"{self._extractor}: name {trained_on.extractor}, or none, or a head that was "
                    f"trained on {self._extractor}"
                )
        self._compare(
            recipe_of(
                described_backbone(trained_on),
                trained_on.weights,
                trained_on.weights_sha256,
                self._spec,
            )
        )
        if self._weights is not None:
            self.find()  # also where a converted network makes them needless

    def find(self) -> Weights:
        """The weights that the head was trained on."""
        name = self._weights
        if name is None:
            is_own = self._trained_on.weights not in (IMAGENET, SEED_WEIGHTS)
            name = str(self._own_file()) if is_own else IMAGENET
        recipe, found = recipe_for(
            self._spec._replace(weights=name),
            digest=self._folder.sha256_of_file,
            download_timeout_s=self._download_timeout_s,
        )
        self._compare(recipe)
        return found

    def _own_file(self) -> Path:
        """A weights file that is not ImageNet's: where the cache saw it, or beside the head."""
        of = self._trained_on
        for place in self._seen_or_beside():
            with contextlib.suppress(OSError, ValueError):
                if place.is_file() and self._folder.sha256_of_file(place) == of.weights_sha256:
                    return place
        raise WeightsNotFoundError(
            f"{self._head} was trained with the weights file {of.weights!r} (SHA-256 "
            f"{of.weights_sha256}), which is not on this machine: put it beside the head, or name "
            f"its path with --weights"
        )

    def _seen_or_beside(self) -> Iterator[Path]:
        """What a head says, which may be somebody else's, leads to no other folder."""
        of = self._trained_on
        yield from self._folder.paths_of_network(of.weights_sha256)
        if of.weights not in ("", ".", "..") and os.path.basename(of.weights) == of.weights:  # noqa: PTH119 (any str)
            yield from (Path(self._head).parent / of.weights, Path.cwd() / of.weights)

    def _compare(self, here: Recipe) -> None:
        changes = here.changes_since(self._trained_on.as_dict())
        if changes:
            raise HeadMismatchError(
                f"{self._head} was trained on other transfer values "
                f"({self._trained_on.in_words()}): use the extractor and weights that it was "
                f"trained on, or train it again on these. What differs: {'; '.join(changes)}"
            )


class _OwnFile(_Registered):
    """Finds a network in a file of somebody's own, by its hash."""

    def check(self) -> None:
        """See `_Registered`; a file that is named is looked at, whatever it is called."""
        if self._extractor is not None and not is_file_name(self._extractor):
            super().check()
        named = self._weights or self._extractor
        if named is not None and self._found_at(named) is None:
            raise HeadMismatchError(f"{named} is not {self._wanted()}")

    def find(self) -> Weights:
        """The file: where it is named, where the cache saw it, or beside the head."""
        for place in self._places():
            found = self._found_at(place)
            if found is not None:
                remember_network(self._trained_on, found, str(place), self._folder)
                return found
        extractor = self._trained_on.extractor
        hub = f", or download it with --extractor {extractor}" if extractor.startswith(HUB) else ""
        raise WeightsNotFoundError(
            f"{self._wanted()} is not on this machine: put it beside the head, or name its path "
            f"with --weights{hub}"
        )

    def _wanted(self) -> str:
        of = self._trained_on
        return (
            f"the file {in_brief(repr(of.weights), 200)} (SHA-256 {of.weights_sha256}) whose "
            f"network "
            f"{self._head} was trained on"
        )

    def _places(self) -> Iterator[str | Path]:
        yield from (named for named in (self._weights, self._extractor) if named is not None)
        yield from self._seen_or_beside()

    def _found_at(self, place: str | Path) -> Weights | None:
        """The weights at a path, or of the Hub, where they are those of the head."""
        return weights_at(
            self._trained_on,
            place,
            digest=self._folder.sha256_of_file,
            download_timeout_s=self._download_timeout_s,
        )
