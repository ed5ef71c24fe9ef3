"""Attacks: pictures of 8 bits that differ little from others, and of which a head says otherwise.

No value of a pixel changes by more than a budget (the L-infinity norm). FGSM takes one step along
the signs of the gradient (Goodfellow, Shlens and Szegedy, 2015, arXiv:1412.6572); PGD takes many
small ones from a random start, and stays within the budget (Madry et al., 2018,
arXiv:1706.06083).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...arguments import require_one_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..network import DifferentiableNetwork

    Verify = Callable[[np.ndarray, np.ndarray], np.ndarray]

PGD, FGSM = METHODS = ("pgd", "fgsm")
"""The attacks by name."""
DEFAULT_STEPS = 20
"""Of PGD, at most: it ends where the changed picture is answered otherwise."""

_STEPS_BETWEEN = 4
VERSION = 1
"""Raised when the same settings find other changes: what was found before is not gone on from."""
_REACH = 2.5
"""How far all steps of PGD go together, in budgets: so far that any picture within the budget can
be reached from any other (section B of Madry et al.)."""


class Goal(NamedTuple):
    """What an attack wants of each of n pictures."""

    classes: np.ndarray
    """int64, (n,): away from this class; or towards it."""
    is_targeted: bool = False
    """Whether it is towards."""

    def of(self, rows: np.ndarray) -> Goal:
        """The goals of some of the pictures."""
        return Goal(self.classes[rows], self.is_targeted)

    def is_reached(self, answers: np.ndarray) -> np.ndarray:
        """Whether answers, int (n,), are what is wanted: bool, (n,)."""
        return (answers == self.classes) == self.is_targeted


class Attack:
    """An attack on a network and its head.

    The loss is the margin between logits, not the cross-entropy: of a head that is certain, the
    softmax is 1 to the last bit, and its gradient 0. Wherever the network is asked, pixels are
    rounded to 8 bits; the gradient passes the rounding as if it were not there.

    Parameters
    ----------
    network
        With a head.
    verify
        Of changed pictures, uint8 (n, height, width, 3), and the rows that they stand in: the
        answers that count, classes as int (n,).
    method
        One of `METHODS`.
    steps
        Of PGD, at most.
    """

    def __init__(
        self,
        network: DifferentiableNetwork,
        verify: Verify,
        *,
        method: str = PGD,
        steps: int = DEFAULT_STEPS,
    ) -> None:
        self._verify, self._method, self._steps = (
            verify,
            require_one_of("method", method, METHODS),
            steps,
        )
        self._ascend = _compiled(network)

    def __call__(
        self, pixels: np.ndarray, goal: Goal, levels: int, seeds: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Attack pictures within one budget.

        Parameters
        ----------
        pixels
            uint8, (n, height, width, 3), RGB.
        goal
            Of each.
        levels
            The budget: by how many of 255 levels a value may change.
        seeds
            int, (n,): where PGD starts from depends on the seed of a picture and the budget alone.

        Returns
        -------
        changed : ndarray
            uint8, (n, height, width, 3): of each, what came closest to the goal.
        reached : ndarray
            bool, (n,): whether `verify` answers as wanted.
        """
        changed, reached = pixels.copy(), np.zeros(len(pixels), bool)
        if not len(pixels):
            return changed, reached
        exact = pixels.astype(np.float32)
        low, high = np.maximum(exact - levels, 0), np.minimum(exact + levels, 255)
        if self._method == FGSM:
            step, n_steps, start = float(levels), 1, exact
        else:
            step, n_steps = _REACH * levels / self._steps, self._steps
            start = np.clip(exact + _noise(seeds, levels, pixels.shape[1:]), low, high)
        rows = np.arange(len(pixels))
        best, margin = start, np.full(len(pixels), -np.inf, np.float32)
        for begun in range(0, n_steps, _STEPS_BETWEEN):
            n = min(_STEPS_BETWEEN, n_steps - begun)
            found = self._ascend(
                *(start, best, margin, low[rows], high[rows], step, n),
                *(goal.classes[rows], goal.is_targeted),
            )
            start, best, margin = (np.asarray(each) for each in found)
            changed[rows] = best.astype(np.uint8)
            crossed = rows[margin > 0]
            if len(crossed):
                answers = self._verify(changed[crossed], crossed)
                reached[crossed] = goal.of(crossed).is_reached(answers)
            left = ~reached[rows]
            rows, start, best, margin = rows[left], start[left], best[left], margin[left]
            if not len(rows):
                break
        return changed, reached


def _noise(seeds: np.ndarray, levels: int, shape: tuple[int, ...]) -> np.ndarray:
    return np.stack(
        [
            np.random.default_rng([int(seed), levels]).uniform(-levels, levels, shape)
            for seed in seeds
        ]
    ).astype(np.float32)


def _compiled(network: DifferentiableNetwork) -> Any:
    import tensorflow as tf

    n_classes = len(network.classes)
    pictures = tf.TensorSpec((None, network.input_size_px, network.input_size_px, 3), tf.float32)
    numbers, number = tf.TensorSpec((None,), tf.float32), tf.TensorSpec((), tf.float32)
    classes, count = tf.TensorSpec((None,), tf.int64), tf.TensorSpec((), tf.int32)
    flag = tf.TensorSpec((), tf.bool)

    def margins(pixels: Any, wanted: Any, is_targeted: Any) -> Any:
        logits = network.logits(pixels)
        is_it = tf.one_hot(wanted, n_classes, on_value=True, off_value=False)
        its = tf.reduce_sum(tf.where(is_it, logits, 0.0), axis=1)
        others = tf.reduce_max(tf.where(is_it, -np.inf, logits), axis=1)
        return tf.where(is_targeted, its - others, others - its)

    @tf.function(
        input_signature=[
            *(pictures, pictures, numbers, pictures, pictures, number, count),
            *(classes, flag),
        ]
    )
    def ascend(
        now: Any,
        best: Any,
        best_margin: Any,
        low: Any,
        high: Any,
        step: Any,
        n: Any,
        wanted: Any,
        is_targeted: Any,
    ) -> Any:
        for _ in tf.range(n):
            seen = tf.round(now)
            with tf.GradientTape() as tape:
                tape.watch(seen)
                margin = margins(seen, wanted, is_targeted)
            gradient = tape.gradient(margin, seen)
            is_better = margin > best_margin
            best = tf.where(is_better[:, None, None, None], seen, best)
            best_margin = tf.where(is_better, margin, best_margin)
            now = tf.clip_by_value(now + step * tf.sign(gradient), low, high)
        seen = tf.round(now)
        margin = margins(seen, wanted, is_targeted)
        is_better = margin > best_margin
        best = tf.where(is_better[:, None, None, None], seen, best)
        return now, best, tf.where(is_better, margin, best_margin)

    return ascend
