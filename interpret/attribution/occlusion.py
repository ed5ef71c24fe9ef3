"""Occlusion: what an answer loses when a part of the image is hidden.

M. D. Zeiler, R. Fergus, "Visualizing and understanding convolutional networks", ECCV 2014,
section 4.2. It asks for answers alone, so that whatever answers can be explained.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...progress import Progress
from .. import log_odds
from ..opening import open_for_head
from .baseline import baseline_of
from .explainer import Explainer
from .methods import LOG_ODDS, OCCLUSION

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...classifier.head import HeadAnswer
    from ...prediction import Predictor
    from .explainer import Found
    from .parts import Part, Patches, Segments

    Score = Callable[[np.ndarray, int], np.ndarray]
    """Of images, uint8 (n, side, side, 3), and the number of a class: float (n,)."""
_ROUNDING = 1e-5
"""Of the score, which a network in float32 answers no more exactly; less is no fall."""


def occlusion(
    score: Callable[[np.ndarray], np.ndarray],
    pixels: np.ndarray,
    baseline: np.ndarray,
    parts: Sequence[Part],
    *,
    batch_size: int,
    bar: Progress | None = None,
) -> np.ndarray:
    """How much the score falls where the image is hidden.

    Parameters
    ----------
    score
        From images uint8 (n, side, side, 3) to numbers (n,).
    pixels
        uint8, (side, side, 3).
    baseline
        uint8, as `pixels`: what a hidden part shows.
    parts
        From `parts.Patches` or `parts.Segments`: together, they hide every pixel.
    batch_size
        How many images are scored at once.

    Returns
    -------
    ndarray
        float32, (side, side), signed: the mean fall over all parts that hide a pixel; 0 where it
        is no more than rounding.
    """
    usual = float(score(pixels[np.newaxis])[0])
    falls, covered = np.zeros(pixels.shape[:2]), np.zeros(pixels.shape[:2])
    for start in range(0, len(parts), batch_size):
        some = parts[start : start + batch_size]
        hidden = np.repeat(pixels[np.newaxis], len(some), axis=0)
        for each, part in zip(hidden, some, strict=True):
            each[part] = baseline[part]
        for part, its_score in zip(some, score(hidden), strict=True):
            falls[part] += usual - its_score
            covered[part] += 1
        if bar is not None:
            bar.update(len(some))
    values = (falls / covered).astype(np.float32)
    return np.where(np.abs(values) < _ROUNDING * max(1, abs(usual)), np.float32(0), values)


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
