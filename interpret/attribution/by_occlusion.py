"""The explainer that hides parts of the image: it works with every engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...progress import Progress
from .. import log_odds
from ..opening import open_for_head
from .baseline import baseline_of
from .explainer import Explainer
from .methods import LOG_ODDS, OCCLUSION
from .occlusion import occlusion

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...classifier.head import HeadAnswer
    from ...prediction import Predictor
    from .explainer import Found
    from .parts import Patches, Segments

    Score = Callable[[np.ndarray, int], np.ndarray]
    """Of images, uint8 (n, side, side, 3), and the number of a class: float (n,)."""


class ByOcclusion(Explainer):
    """By what the answer loses."""

    method = OCCLUSION

    def __init__(
        self,
        predictor: Predictor,
        baseline: str,
        score: str,
        parts: Patches | Segments,
        random: Score | None,
        note: str,
        **settings: Any,
    ) -> None:
        extractor = predictor.extractor
        super().__init__(extractor.recipe, predictor.classes, **settings)
        self.engine = extractor.engine
        self._predictor, self._batch_size = predictor, extractor.batch_size
        self._baseline, self._score, self._random, self._note = baseline, score, random, note
        self._parts = parts

    def _answer(self, pixels: np.ndarray) -> HeadAnswer:
        return self._predictor.answer(pixels)

    def _explained(self, pixels: np.ndarray, index: int) -> Found:
        score = self._odds if self._score == LOG_ODDS else self._probability
        values = self._hiding(score, pixels, index, "Hiding parts")
        return values, {
            "score": self._score,
            "baseline": self._baseline,
            **self._parts._asdict(),
        }

    def _odds(self, images: np.ndarray, index: int) -> np.ndarray:
        return log_odds.of_probabilities(self._predictor.probabilities(images), index)

    def _probability(self, images: np.ndarray, index: int) -> np.ndarray:
        return self._predictor.probabilities(images)[:, index]

    def _permuted(self, pixels: np.ndarray, index: int) -> tuple[list[np.ndarray], str]:
        if self._random is None:
            return [], self._note
        return [self._hiding(self._random, pixels, index, "Checking with random weights")], ""

    def _hiding(
        self,
        score: Score,
        pixels: np.ndarray,
        index: int,
        what: str,
    ) -> np.ndarray:
        parts = self._parts.of(pixels)
        with Progress(what, len(parts), unit="parts", show=self._progress) as bar:
            return occlusion(
                lambda images: score(images, index),
                pixels,
                baseline_of(self._baseline, pixels),
                parts,
                batch_size=self._batch_size,
                bar=bar,
            )


def odds_of_random(
    predictor: Predictor, seed: int, loading: dict[str, Any], progress: bool | None
) -> Score:
    """From logits: with random weights they are large, and probabilities all 0 or 1."""

    loading = {
        name: value for name, value in loading.items() if name not in ("parity", "precision")
    }
    network = open_for_head(predictor.head, progress=progress, **loading)
    random = network.with_permuted_kernels(seed)

    def odds(images: np.ndarray, index: int) -> np.ndarray:
        return log_odds.of_logits(random.logits(images.astype(np.float32)), index).numpy()

    return odds
