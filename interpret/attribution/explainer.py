"""A head and its network that explain images: what all methods have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from ...features.engines.registry import REFERENCE
from ..given_image import decoded, read_image
from ..known_class import require_class
from .found import Saliency
from .sanity import checked

if TYPE_CHECKING:
    from ...classifier.head import HeadAnswer
    from ...features import Recipe
    from ...prediction.image_inputs import ImageLike, Input

    Found = tuple[np.ndarray, dict[str, Any]]


class Explainer(ABC):
    """Explains images; made by `open_explainer`."""

    method = ""
    engine = REFERENCE

    def __init__(
        self, recipe: Recipe, classes: tuple[str, ...], max_pixels: int, progress: bool | None
    ) -> None:
        self.recipe, self.classes = recipe, classes
        self._max_pixels, self._progress = max_pixels, progress

    def __call__(self, image: ImageLike, label: str | None = None, name: str = "") -> Saliency:
        """Explain the probability of a class, by default the most probable one.

        Raises
        ------
        UsageError
            When the head has no class of that name.
        ImageRejectedError
            When it cannot be read or decoded; `name`, or its path, stands before the reason.
        """
        return self.explain(read_image(image, name), label)

    def explain(self, given: Input, label: str | None = None) -> Saliency:
        """As when called, of an image from `read_image`."""
        index = None if label is None else self.index_of(label)
        rule = self.recipe.preprocessing
        shown = decoded(given, self._max_pixels, rule)
        pixels = rule.applied_to(shown)
        answer = self._answer(pixels[np.newaxis])
        predicted = int(answer.probabilities[0].argmax())
        index = predicted if index is None else index
        values, settings = self._explained(pixels, index)
        check = checked(self.method, values, *self._permuted(pixels, index))
        return Saliency(
            method=self.method,
            label=self.classes[index],
            probability=float(answer.probabilities[0, index]),
            predicted=self.classes[predicted],
            unknown=bool(answer.unknown[0]),
            values=self._shown(values),
            photograph=shown,
            window=rule.window(*shown.shape[:2]),
            permuted=None if check.drawn is None else self._shown(check.drawn),
            sanity=check.correlation,
            sanity_each=check.each,
            sanity_of_sizes=check.of_sizes,
            sanity_note=check.note,
            engine=self.engine,
            extractor=self.recipe.extractor,
            settings=settings,
        )

    def index_of(self, label: str) -> int:
        """The number of a class.

        Raises
        ------
        UsageError
            When the head has none of that name.
        """
        require_class(self.classes, label)
        return self.classes.index(label)

    @abstractmethod
    def _answer(self, pixels: np.ndarray) -> HeadAnswer:
        """Of uint8 (n, height, width, 3)."""

    @abstractmethod
    def _explained(self, pixels: np.ndarray, index: int) -> Found:
        """The signed map of uint8 (height, width, 3), and what is to be said of it."""

    def _shown(self, values: np.ndarray) -> np.ndarray:
        """A map in pixels of the network's input, from what explains."""
        return values

    @abstractmethod
    def _permuted(self, pixels: np.ndarray, index: int) -> tuple[list[np.ndarray], str]:
        """Maps of networks with random weights, or why there are none."""
