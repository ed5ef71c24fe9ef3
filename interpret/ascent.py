"""Climbing along a gradient, from noise to a picture."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from .picture_spectrum import PictureSpectrum

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_STEP: Final = 0.1
_MOMENTS: Final = (0.9, 0.99)
_EPSILON: Final = 1e-8
_N_STARTS: Final = 8
_DEVIATIONS: Final = (0.3, 1.0)
"""Of the starts, in turn: what no faint picture excites, one of more contrast may."""
_PLAIN: Final = np.array(list(itertools.product((0, 255), repeat=3)), np.uint8)
"""The colours at the ends of the range: black, the three, their mixtures, and white."""
_MOST_TURNED: Final = np.deg2rad(8)
_MOST_SCALED: Final = 0.12
_MOST_MOVED: Final = 0.08
"""Of the side."""


class Ascent:
    """Makes pictures of one size that raise a score.

    Parameters
    ----------
    side_px
        Height and width.
    decay
        As in `PictureSpectrum`.
    scorer
        From pixels, a float32 tensor (n, side, side, 3), 0 to 255, and the number of what is
        maximised, to scores (n,).
    climbed
        The same, for what is climbed: it has a slope also where the score has none.
    """

    def __init__(
        self,
        side_px: int,
        decay: float,
        scorer: Callable[[Any, Any], Any],
        climbed: Callable[[Any, Any], Any],
    ) -> None:
        import tensorflow as tf

        self._side_px = side_px
        self._spectrum = PictureSpectrum(side_px, decay)
        self._scores = tf.function(scorer, reduce_retracing=True)
        # Traced once, for all numbers: they and the coefficients are tensors.
        self._step = tf.function(self._stepped)
        self._climbed = climbed
        self._heights = tf.function(climbed, reduce_retracing=True)

    def score(self, pixels: np.ndarray, number: int) -> float:
        """Of pixels uint8, (height, width, 3), as they are."""
        import tensorflow as tf

        scores = self._scores(tf.constant(pixels[None], tf.float32), tf.constant(number))
        return float(scores.numpy()[0])

    def climb(self, number: int, n_steps: int, seed: Sequence[int]) -> np.ndarray:
        """The pixels, uint8 (height, width, 3), after so many steps.

        A plain colour where that is higher up: units of a first layer may be those of brightness.
        """
        import tensorflow as tf

        random = np.random.default_rng(seed)
        target = tf.constant(number)
        values = self._start(target, random)
        first = second = tf.zeros_like(values)
        bounds = [_MOST_TURNED, _MOST_SCALED, *(2 * [_MOST_MOVED * self._side_px])]
        for count in range(1, n_steps + 1):
            movement = tf.constant(random.uniform(-1, 1, 4) * bounds, tf.float32)
            values, first, second = self._step(
                values, first, second, movement, target, tf.constant(float(count))
            )
        pixels = self._spectrum.pixels(values).numpy()
        made = np.rint(np.clip(pixels, 0, 255)).astype(np.uint8)
        plain = np.broadcast_to(_PLAIN[:, None, None], (len(_PLAIN), *made.shape[1:]))
        every = np.concatenate([made, plain])  # what climbs is the first of equals
        heights = self._heights(tf.constant(every, tf.float32), target).numpy()
        return every[heights.argmax()]

    def _start(self, target: Any, random: np.random.Generator) -> Any:
        """The most exciting of some starts."""
        import tensorflow as tf

        deviations = np.resize(_DEVIATIONS, _N_STARTS).astype(np.float32)
        starts = self._spectrum.start(random, _N_STARTS)
        starts *= deviations.reshape(-1, 1, 1, 1, 1)
        heights = self._heights(self._spectrum.pixels(tf.constant(starts)), target).numpy()
        return tf.constant(starts[heights.argmax()][None])

    def _stepped(
        self, values: Any, first: Any, second: Any, movement: Any, number: Any, count: Any
    ) -> tuple[Any, Any, Any]:
        """One step of Adam (Kingma and Ba, 2015) upwards, seen through one movement."""
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(values)
            pixels = self._moved(self._spectrum.pixels(values), movement)
            score = tf.reduce_sum(self._climbed(pixels, number))
        slope = tape.gradient(score, values)
        one, two = _MOMENTS
        first = one * first + (1 - one) * slope
        second = two * second + (1 - two) * tf.square(slope)
        # What has no slope anywhere stays as it is: 0 / (0 + epsilon).
        length = tf.sqrt(second / (1 - two**count)) + _EPSILON
        return values + _STEP * first / (1 - one**count) / length, first, second

    def _moved(self, pixels: Any, movement: Any) -> Any:
        """Turned, scaled and moved: angle in radians, change of scale, and two shifts in pixels."""
        import tensorflow as tf

        angle, scale, right, down = tf.unstack(movement)
        cosine, sine = tf.cos(angle) / (1 + scale), tf.sin(angle) / (1 + scale)
        middle = (self._side_px - 1) / 2
        # Where a pixel of the result comes from, about the middle.
        rows = [
            *(cosine, -sine, middle - middle * (cosine - sine) + right),
            *(sine, cosine, middle - middle * (sine + cosine) + down),
            *(0.0, 0.0),
        ]
        return tf.raw_ops.ImageProjectiveTransformV3(
            images=pixels,
            transforms=tf.stack(rows)[None],
            output_shape=[self._side_px, self._side_px],
            fill_value=0.0,
            interpolation="BILINEAR",
            fill_mode="REFLECT",
        )
