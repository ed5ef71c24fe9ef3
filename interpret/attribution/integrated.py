"""Integrated gradients: what each pixel contributes on the way from a baseline to the image.

M. Sundararajan, A. Taly, Q. Yan, "Axiomatic attribution for deep networks", ICML 2017, equation 1.
By the axiom of completeness the contributions add up to the difference of the scores of image and
baseline: how far they miss it says how well the integral was computed.

Networks with ReLU6 have gradients that jump on the way, mostly near the baseline, where no fixed
rule does well. The trapezoidal rule is used on intervals that are halved where it misses the
difference of the scores at their ends most; that difference is known without any other pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from ...progress import Progress
from .. import log_odds
from .baseline import baseline_of
from .by_gradients import ByGradients
from .methods import INTEGRATED

if TYPE_CHECKING:
    from ..network import DifferentiableNetwork
    from .by_gradients import RandomMaps
    from .explainer import Found

TOLERANCE: Final = 0.01
"""Of the difference of the scores: what the sum of all contributions may miss it by."""
MOST_STEPS: Final = 512
FIRST_STEPS: Final = 33
_LEAST_MISS: Final = 1e-3
"""In log-odds: what the sum may miss a difference of nearly 0 by, of which shares say nothing."""
_BATCH: Final = 16
_SANITY_STEPS: Final = 32


class Integrated(NamedTuple):
    """Contributions, and how well they were computed."""

    values: np.ndarray
    """float32 (height, width), signed: of each pixel, summed over its colours, in log-odds."""
    difference: float
    """Log-odds of the image less those of the baseline: what `values` should sum to."""
    miss: float
    """What their sum misses it by, in log-odds."""
    error: float | None
    """The same as a share of the difference; None where that is 0."""
    steps: int
    """Points on the way at which the gradient was computed."""


class Way(NamedTuple):
    """From a baseline to an image."""

    baseline: np.ndarray
    """uint8, (height, width, 3), of the network's input size."""
    pixels: np.ndarray
    """uint8, as the baseline."""
    class_number: int
    """The number of the class whose log-odds are explained."""


class GradientsOnAWay:
    """Scores and gradients of a class between a baseline and an image, in batches.

    They are traced once for a network, which takes longer than they do.
    """

    def __init__(self, network: DifferentiableNetwork) -> None:
        import tensorflow as tf

        side_px = network.input_size_px
        picture = tf.TensorSpec([1, side_px, side_px, 3], tf.float32)
        shares_of_it = tf.TensorSpec([_BATCH], tf.float32)

        def at(shares: Any, start: Any, way: Any, index: Any) -> tuple[Any, Any]:
            given = start + shares[:, None, None, None] * way
            with tf.GradientTape() as tape:
                tape.watch(given)
                score = log_odds.of_logits(network.logits(given), index)
            slopes = tape.gradient(score, given)
            return score, tf.reduce_sum(slopes * way, axis=-1)

        signature = [shares_of_it, picture, picture, tf.TensorSpec([], tf.int32)]
        self._at = tf.function(at, input_signature=signature)

    def __call__(
        self, way: Way, shares: np.ndarray, bar: Progress | None = None
    ) -> tuple[Any, Any]:
        """Scores float64 (n,) at shares of the way, and contributions float32 (n, height, width).

        A contribution is the gradient times the whole way, summed over colours.
        """
        import tensorflow as tf

        start = tf.constant(way.baseline[np.newaxis], tf.float32)
        to_the_end = tf.constant(way.pixels[np.newaxis], tf.float32) - start
        index = tf.constant(way.class_number)
        scores, maps = [], []
        for begun in range(0, len(shares), _BATCH):
            some = shares[begun : begun + _BATCH].astype(np.float32)
            # One shape of batch is traced, and compiled, once.
            padded = np.pad(some, (0, _BATCH - len(some)), mode="edge")
            its_scores, its_maps = self._at(tf.constant(padded), start, to_the_end, index)
            scores.append(its_scores.numpy()[: len(some)])
            maps.append(its_maps.numpy()[: len(some)])
            if bar is not None:
                bar.update(len(some))
        return np.concatenate(scores).astype(np.float64), np.concatenate(maps)


def integrated_gradients(
    gradients: GradientsOnAWay,
    way: Way,
    *,
    tolerance: float = TOLERANCE,
    most_steps: int = MOST_STEPS,
    bar: Progress | None = None,
) -> Integrated:
    """The contribution of each pixel to the log-odds of a class.

    Parameters
    ----------
    gradients
        Of a network with a head.
    way
        The image, the class, and where there is nothing to be seen.
    tolerance
        Intervals are halved until the sum misses the difference by this share of it at most, or by
        0.001,
    most_steps
        or the gradient was computed at so many points.
    """
    first = min(FIRST_STEPS, most_steps)
    shares = np.linspace(0, 1, first) ** 2  # closer together where gradients change most
    scores, maps = gradients(way, shares, bar)
    slopes = maps.sum((1, 2), dtype=np.float64)
    computed, which = [*maps], np.arange(first)  # maps in the order of computing, and their places
    difference = float(scores[-1] - scores[0])
    while True:
        widths = np.diff(shares)
        missed = widths * (slopes[1:] + slopes[:-1]) / 2 - np.diff(scores)
        error = float(missed.sum())
        room = most_steps - len(shares)
        if abs(error) <= max(tolerance * abs(difference), _LEAST_MISS) or room <= 0:
            break
        worst = np.sort(np.argsort(-np.abs(missed), kind="stable")[: min(_BATCH, room)])
        between = (shares[worst] + shares[worst + 1]) / 2
        new_scores, new_maps = gradients(way, between, bar)
        shares = np.insert(shares, worst + 1, between)
        scores = np.insert(scores, worst + 1, new_scores)
        slopes = np.insert(slopes, worst + 1, new_maps.sum((1, 2), dtype=np.float64))
        which = np.insert(which, worst + 1, len(computed) + np.arange(len(worst)))
        computed += [*new_maps]
    weights = np.zeros(len(shares))
    weights[:-1] += widths / 2
    weights[1:] += widths / 2
    values = np.zeros_like(computed[0])
    for weight, place in zip(weights.astype(np.float32), which.tolist(), strict=True):
        values += weight * computed[place]
    share = abs(error / difference) if difference else None
    return Integrated(values, difference, abs(error), share, len(shares))


class ByIntegratedGradients(ByGradients):
    """By the pixels, from a baseline."""

    method = INTEGRATED

    def __init__(
        self,
        network: DifferentiableNetwork,
        seed: int | None,
        baseline: str,
        most_steps: int,
        **settings: Any,
    ) -> None:
        super().__init__(network, seed, **settings)
        self._baseline, self._most_steps = baseline, most_steps
        self._gradients = GradientsOnAWay(network)

    def _explained(self, pixels: np.ndarray, index: int) -> Found:
        way = Way(baseline_of(self._baseline, pixels), pixels, index)
        with Progress("Integrating gradients", unit="steps", show=self._progress) as bar:
            found = integrated_gradients(self._gradients, way, most_steps=self._most_steps, bar=bar)
        return found.values, {
            "baseline": self._baseline,
            "steps": found.steps,
            "score_difference": found.difference,
            "completeness_error": found.error,
            "completeness_miss": found.miss,
        }

    def _random_maps(self, network: DifferentiableNetwork) -> RandomMaps:
        """With a fixed number of points: such a network has no answer to be complete about."""
        gradients = GradientsOnAWay(network)
        middles = (np.arange(_SANITY_STEPS) + 0.5) / _SANITY_STEPS

        def maps_of(pixels: np.ndarray, index: int) -> list[np.ndarray]:
            way = Way(baseline_of(self._baseline, pixels), pixels, index)
            with Progress("Checking with random weights", unit="steps", show=self._progress) as bar:
                return [gradients(way, middles, bar)[1].mean(axis=0)]

        return maps_of
