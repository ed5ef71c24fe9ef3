"""How accuracy grows with the number of images, and what more of them would bring."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from ..classifier.metrics.intervals import Interval, wilson_interval
from ..datasets.splits import TRAIN
from ..errors import UsageError
from ..formatting import percent
from ..rows_on_disk import some_rows
from .head_settings import HeadSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike

    from ..classifier import Head
    from ..classifier.estimator import HeadEstimator
    from ..extraction.feature_table import FeatureTable
    from ..rows_on_disk import Rows
    from .evaluate import SplitEvaluation

MIN_SIZES = 4
"""Fewest sizes to which a law of three parameters is fitted."""
MOST_GROWTH = 3.0
"""A forecast goes to this multiple of the images at most."""
LEAST_GAIN = 0.0005
"""Below this a gain rounds to 0.0 %."""
N_REPEATS = 3
KIND = "logistic"
"""Of the heads of `train_learning_curve`."""
_EXPONENTS = np.geomspace(0.05, 2, 80)
_N_RESAMPLES = 1000


class _Predicts(Protocol):
    def predict(self, X: Any, /) -> Any: ...


class Forecast(NamedTuple):
    """What more images would bring."""

    n_more_per_class: float
    gain: float | None
    """Expected accuracy gained, 0–1; None where it cannot be estimated."""
    interval: Interval | None
    """95 % of the gain; None where there is no forecast at all."""
    reason: str | None
    """Why there is no measurable gain."""

    def in_words(self, called: str = "") -> str:
        """One sentence; the images are called "20 more images per class", or as given."""
        more = called or f"{self.n_more_per_class:g} more images per class"
        if self.gain is None or self.interval is None:
            return f"{more}: {self.reason}"
        low, high = (100 * limit for limit in self.interval)
        return f"{more}: +{100 * self.gain:.1f} points expected (+{low:.1f} to +{high:.1f})"


@dataclass(frozen=True)
class LearningCurve:
    """Accuracy on the same held-out rows of heads that were trained on more and more rows."""

    sizes: np.ndarray
    """float, (s,): training images per class, in the mean over classes; ascending."""
    n_rows: np.ndarray
    """int, (s,): training images."""
    right: np.ndarray
    """bool, (s, r, h): whether repeat r of a size has held-out row h right."""

    def __repr__(self) -> str:
        points = ", ".join(
            f"{size:.0f}: {percent(accuracy)}"
            for size, accuracy in zip(self.sizes, self.accuracy, strict=True)
        )
        return f"<LearningCurve, accuracy by images per class: {points}>"

    @property
    def accuracy(self) -> np.ndarray:
        """float, (s,): mean over the repeats."""
        return self.right.mean(axis=(1, 2))

    @property
    def intervals(self) -> list[Interval]:
        """95 % of each accuracy, Wilson's, for as many trials as there are held-out rows."""
        n_held_out = self.right.shape[2]
        low, high = wilson_interval(self.accuracy * n_held_out, n_held_out)
        return list(zip(low.tolist(), high.tolist(), strict=True))

    def forecast(self, n_more_per_class: float = 20, random_state: int = 0) -> Forecast:
        """Estimate the accuracy gained by more images, in the same proportions of the classes.

        Parameters
        ----------
        n_more_per_class
            Images more than at the largest size, per class in the mean.
        random_state
            Seed of the resampling.

        Notes
        -----
        The error of a head falls with the number of images n as ``a n^-b + c`` (Hestness et al.,
        *Deep learning scaling is predictable, empirically*, 2017; Viering and Loog, *The shape of
        learning curves: a review*, 2021, who also show curves that do not). It is fitted by least
        squares with a, c ≥ 0 and b from 0.05 to 2; errors weigh by the inverse of their binomial
        variance. A floor c is often found in mere noise, and then the gain is too small; without
        one it is too large where there is a floor. The gain is the mean of both fits.

        The interval goes from the low end of fits with c to the high end of those without, with
        the repeats drawn anew and the held-out rows drawn anew, these by the normal distribution
        with their covariances: all sizes are evaluated on the same rows, so that hard rows cancel
        in the gain. There is one head on all rows; how far another of as many rows would
        differ is taken from the largest subsets. In simulations of laws with and without c, 95 %
        of the intervals or more held the gain. It is that of the mean over many sets of images:
        one set can bring more or less.
        """
        now, more = float(self.sizes[-1]), float(n_more_per_class)
        if more <= 0:
            raise UsageError(f"expected more images per class than none; got {n_more_per_class}")
        if len(self.sizes) < MIN_SIZES:
            return Forecast(
                more, None, None, f"too few images for an estimate ({now:.0f} per class now)"
            )
        if now + more > MOST_GROWTH * now:
            reason = f"the {now:.0f} per class that there are do not show it yet"
            return Forecast(more, None, None, reason)
        error = 1 - self.accuracy
        weights = 1 / np.maximum(error * (1 - error), 1 / (self.right.shape[2] + 2))

        def gain(errors: np.ndarray, floor: bool) -> np.ndarray:
            a, b, _ = fit_power_law(self.sizes, errors, weights, floor=floor)
            return a * (now**-b - (now + more) ** -b)

        room = float(error[-1])  # no accuracy is above 1, whatever the fit says
        if room == 0:
            n_held_out = self.right.shape[2]
            return Forecast(
                more, None, None, f"all of the {n_held_out:,} held-out images are right already"
            )
        drawn = self._resampled_errors(np.random.default_rng(random_state))
        expected = float(gain(error[None], True)[0] + gain(error[None], False)[0]) / 2
        expected = min(expected, room)
        low = min(float(np.quantile(gain(drawn, True), 0.025)), expected)
        high = min(max(float(np.quantile(gain(drawn, False), 0.975)), expected), room)
        if low < LEAST_GAIN:
            return Forecast(more, None, (low, high), "no measurable gain")
        return Forecast(more, expected, (low, high), None)

    def _resampled_errors(self, random: np.random.Generator) -> np.ndarray:
        """float, (resamples, s): the error of each size on other held-out rows and repeats."""
        n_sizes, n_repeats, n_held_out = self.right.shape
        wrong = 1.0 - self.right.reshape(n_sizes * n_repeats, n_held_out)
        errors = wrong.mean(axis=1)
        away = wrong - errors[:, None]
        covariance = away @ away.T / n_held_out**2
        drawn = random.multivariate_normal(errors, covariance, _N_RESAMPLES, method="eigh")
        drawn = drawn.reshape(_N_RESAMPLES, n_sizes, n_repeats)
        repeats = random.integers(n_repeats, size=(_N_RESAMPLES, n_repeats))
        drawn = drawn[np.arange(_N_RESAMPLES)[:, None], :, repeats].mean(axis=1)  # (m, s)
        if n_repeats > 1 and n_sizes > 1:
            largest = slice(-2 * n_repeats, -n_repeats)
            among = covariance[largest, largest]
            by_rows = (n_repeats * np.trace(among) - among.sum()) / (n_repeats * (n_repeats - 1))
            by_training = max(errors[largest].var(ddof=1) - by_rows, 0)
            drawn[:, -1] += np.sqrt(by_training) * random.normal(size=_N_RESAMPLES)
        return drawn

    def as_dict(self) -> dict[str, Any]:
        """JSON values, with the figures' names as keys."""
        return {
            "sizes": self.sizes.tolist(),
            "n_rows": self.n_rows.tolist(),
            "accuracy": self.accuracy.tolist(),
            "intervals": [list(interval) for interval in self.intervals],
            "repeats": self.right.mean(axis=2).tolist(),
            "held_out": self.right.shape[2],
        }


def learning_curve(
    fit: Callable[..., _Predicts],
    features: Rows,
    labels: ArrayLike,
    held_out_features: Rows,
    held_out_labels: ArrayLike,
    sizes: Sequence[float] | None = None,
    n_repeats: int = 5,
    random_state: int = 0,
    *,
    weights: np.ndarray | None = None,
) -> LearningCurve:
    """Train heads on more and more of the rows and evaluate them on held-out ones.

    Parameters
    ----------
    fit
        Trains a head: takes features (m, d), labels (m,), and weights (m,) where there are any;
        returns what has ``predict``.
    features, labels
        float, (n, d), and (n,): rows to train on.
    held_out_features, held_out_labels
        float, (h, d), and (h,): rows to evaluate on; none of them, nor a copy, is in `features`.
    sizes
        Training images per class, in the mean over classes, ascending. None takes up to six, from
        two or a 32nd of all to all, in equal ratios.
    n_repeats
        Orders in which the rows are added. Each order's subsets hold one another, and each has
        the classes in the proportions of all rows, with one row of each at least. All the rows
        are one subset, trained on once.
    random_state
        Seed of the orders.
    weights
        float, (n,): what each row weighs in training; None: 1.

    Returns
    -------
    LearningCurve

    Raises
    ------
    UsageError
        When a size is out of range, or there is nothing to train or evaluate on.

    Examples
    --------
    >>> import numpy as np
    >>> from bottlebank.classifier import LogisticHead
    >>> random = np.random.default_rng(0)
    >>> x, y = random.normal(size=(600, 8)), np.tile(["cat", "dog"], 300)
    >>> x[y == "cat"] += 0.5
    >>> curve = learning_curve(LogisticHead().fit, x[:200], y[:200], x[200:], y[200:])
    >>> bool(curve.accuracy[-1] > curve.accuracy[0])
    True
    """
    labels, held_out_labels = np.asarray(labels), np.asarray(held_out_labels)
    names, classes = np.unique(labels, return_inverse=True)
    if not (
        len(features) == len(labels) > 0 and len(held_out_features) == len(held_out_labels) > 0
    ):
        raise UsageError(
            f"expected rows with labels to train and to evaluate on; got {len(features)} rows with "
            f"{len(labels)} labels, and {len(held_out_features)} with {len(held_out_labels)}"
        )
    if n_repeats < 1:
        raise UsageError(f"expected at least 1 repeat; got {n_repeats}")
    counts = np.bincount(classes)
    most = len(labels) / len(names)
    wanted = np.asarray(_default_sizes(most) if sizes is None else sizes, float)
    if len(wanted) == 0 or not 0 < wanted.min() <= wanted.max() <= most * (1 + 1e-9):
        raise UsageError(
            f"expected sizes above 0 and up to {most:g} images per class, which are all; got "
            f"{wanted.tolist()}"
        )
    taken = np.maximum(1, np.round(np.outer(wanted / most, counts))).astype(int)  # (s, classes)
    taken = np.unique(taken, axis=0)
    taken = taken[taken.sum(axis=1).argsort()]
    random = np.random.default_rng(random_state)
    right = np.empty((len(taken), n_repeats, len(held_out_labels)), bool)
    for repeat in range(n_repeats):
        # A row's place in the order of its own class decides from which size on it takes part.
        shuffled = random.permutation(len(labels))
        by_class = shuffled[classes[shuffled].argsort(kind="stable")]
        place = np.empty(len(labels), int)
        place[by_class] = np.concatenate([np.arange(count) for count in counts])
        for number, most_of_class in enumerate(taken):
            rows = np.flatnonzero(place < most_of_class[classes])
            if repeat and len(rows) == len(labels):
                right[number, repeat] = right[number, 0]
                continue
            own = () if weights is None else (weights[rows],)
            predicted = fit(some_rows(features, rows), labels[rows], *own).predict(
                held_out_features
            )
            right[number, repeat] = np.asarray(predicted) == held_out_labels
    n_rows = taken.sum(axis=1)
    return LearningCurve(n_rows / len(names), n_rows, right)


def fit_power_law(
    sizes: np.ndarray, errors: np.ndarray, weights: np.ndarray, *, floor: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit ``error = a size^-b + c`` with a, c ≥ 0 to each row by weighted least squares.

    For a given b the law is linear, and with two numbers that must not be negative the solution
    is in closed form: where one would be, it is 0. So b is searched for on a grid.

    Parameters
    ----------
    sizes
        float, (s,), positive.
    errors
        float, (m, s).
    weights
        float, (s,), positive.
    floor
        Whether c may be other than 0.

    Returns
    -------
    (a, b, c)
        float, (m,) each.
    """
    weights = weights / weights.sum()
    x = sizes ** -_EXPONENTS[:, None]  # (b, s)
    mean_x = x @ weights  # (b,)
    mean_error = errors @ weights  # (m,)
    spread = (x - mean_x[:, None]) ** 2 @ weights  # (b,)
    joint = (errors - mean_error[:, None]) @ (weights * (x - mean_x[:, None])).T  # (m, b)
    a = np.maximum(joint / spread, 0)
    c = mean_error[:, None] - a * mean_x
    through_zero = errors @ (weights * x).T / (x**2 @ weights)  # (m, b): the a of c = 0
    without = (c < 0) | (not floor)
    a, c = np.where(without, np.maximum(through_zero, 0), a), np.where(without, 0, c)
    misfit = errors[:, None] - a[..., None] * x - c[..., None]  # (m, b, s)
    best = (misfit**2 @ weights).argmin(axis=1)
    rows = np.arange(len(errors))
    return a[rows, best], _EXPONENTS[best], c[rows, best]


def _default_sizes(most: float) -> np.ndarray:
    """Up to six sizes to `most` in equal ratios of 1.4 or more."""
    least = max(2.0, most / 32)
    if most <= least:
        return np.array([most])
    n_sizes = min(6, 1 + int(np.log(most / least) / np.log(1.4)))
    return np.geomspace(least, most, n_sizes) if n_sizes > 1 else np.array([most])


def train_learning_curve(
    head: Head, table: FeatureTable, evaluated: SplitEvaluation
) -> LearningCurve | None:
    """Train heads on more and more training images, and evaluate them on a split.

    They are trained as the head was, with its class weights and a penalty of their own: of the same
    training images, the last is the head. A dense head takes too long to train so many times: its
    curve is of logistic heads with its class weights.

    Parameters
    ----------
    head
        Whose curve it is.
    table, evaluated
        What it was evaluated on, and what `evaluate_split` returned.

    Returns
    -------
    LearningCurve or None
        None where training images are evaluated, and where fewer than two classes have any.
    """
    train = evaluated.split.rows(TRAIN)
    if evaluated.name in (TRAIN, "all") or len(set(table.labels[train].tolist())) < 2:
        return None
    settings = replace(HeadSettings.of(head), kind=KIND, network={})

    def fit(features: Rows, labels: np.ndarray, weights: np.ndarray | None = None) -> HeadEstimator:
        return settings.estimator(np.unique(labels).tolist()).fit(
            features, labels, sample_weight=weights
        )

    return learning_curve(
        fit,
        some_rows(table.features, train),
        table.labels[train],
        some_rows(table.features, evaluated.rows),
        table.labels[evaluated.rows],
        n_repeats=N_REPEATS,
        weights=None if table.weights is None else table.weights[train],
    )
