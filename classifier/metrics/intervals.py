"""How far figures from few rows can be trusted: 95 % confidence intervals.

All take the rows for independent draws and the head for given: they say what the figure would be
on many more images like these, not what another training would give. `evaluate` puts them
together; ``tests/classifier/metrics/test_intervals.py`` checks how often they hold the truth.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import NamedTuple, TypeAlias

import numpy as np

Interval: TypeAlias = tuple[float, float]

_Z = NormalDist().inv_cdf(0.975)
_TINY = np.finfo(float).tiny


def wilson_interval(successes: np.ndarray | float, trials: np.ndarray | float) -> np.ndarray:
    """Limits of a share, from the successes in independent trials.

    The shares whose normal approximation would not reject what was seen (Wilson, *Probable
    inference, the law of succession, and statistical inference*, 1927; recommended by Brown, Cai
    and DasGupta, *Interval estimation for a binomial proportion*, 2001).

    Parameters
    ----------
    successes, trials
        float, of one shape; successes from 0 to trials.

    Returns
    -------
    ndarray
        float, (2, ...): low and high, from 0 to 1; without trials these.

    Examples
    --------
    >>> wilson_interval(8, 10).round(3)
    array([0.49 , 0.943])
    """
    successes, trials = np.asarray(successes, float), np.asarray(trials, float)
    failures = trials - successes
    centre = successes + _Z**2 / 2
    # successes * failures / trials, which is 0 without trials
    spread = successes * (failures / np.maximum(trials, _TINY))
    reach = _Z * np.sqrt(spread + _Z**2 / 4)
    low = np.where(successes <= 0, 0, (centre - reach) / (trials + _Z**2))
    high = np.where(failures <= 0, 1, (centre + reach) / (trials + _Z**2))
    high = np.where(trials <= 0, 1, high)
    return np.clip([low, high], 0, 1)


def f1_of_share(share: np.ndarray) -> np.ndarray:
    """F1 from the share of right rows among those that are, or are said to be, of the class.

    2 TP / (2 TP + FP + FN) = 2 s / (1 + s) with s = TP / (TP + FP + FN), so that an interval of
    that share is one of F1 (the indirect method of Lam, Gopal and Qian, *Confidence intervals for
    the F1 score: a comparison of four methods*, 2023).
    """
    return 2 * share / (1 + share)


def mean_interval(
    successes: np.ndarray,
    trials: np.ndarray,
    n_classes: int | None = None,
    *,
    f1: bool = False,
    inflation: float = 1.0,
) -> Interval:
    """Limits of the mean of a figure over classes, each of which has its own trials.

    What Wilson's interval is for one share, for the mean of several: the means that a score test
    would not reject. For each mean the shares are those that explain best what was seen (the
    largest binomial likelihood), so that a class of few rows, which may well be worse or better
    than it looks, moves most. With one class it is Wilson's.

    Parameters
    ----------
    successes, trials
        int, (k,). A class without trials counts as 0 and may be anything.
    n_classes
        What the sum is divided by, where there are also classes that are 0 with certainty.
    f1
        Whether the figure of a class is `f1_of_share` and not the share.
    inflation
        By how much the variance of the mean is larger than if the classes were independent.

    Notes
    -----
    The likelihood with a Lagrange multiplier m for the mean gives ``m p^2 - (n + m) p + x = 0``
    for each class; m is found by bisection. (For F1 these shares are not the likeliest, but near
    them.) The sum of Wilson's own limits by the method of variance recovery (Zou and Donner,
    2008) was also tried: with ten classes its upper limit is too low, since every class's
    asymmetry adds up. So were bootstraps, which fail where nearly all rows are right.
    """
    x, n = np.asarray(successes, float), np.asarray(trials, float)
    n_classes = n_classes or len(x)
    n_open = int((n == 0).sum())
    x, n = x[n > 0], n[n > 0]

    def mean(shares: np.ndarray) -> float:
        return float((f1_of_share(shares) if f1 else shares).sum()) / n_classes

    def variance(shares: np.ndarray) -> float:
        slopes = 2 / (1 + shares) ** 2 if f1 else 1.0
        return float((slopes**2 * shares * (1 - shares) / n).sum()) * inflation / n_classes**2

    found = mean(x / n)

    def rejected(multiplier: float) -> bool:
        shares = _likeliest(x, n, multiplier)
        away = found - mean(shares) if multiplier > 0 else mean(shares) - found
        return away > 0 and away**2 >= _Z**2 * variance(shares)

    def limit(sign: int) -> float:
        inside, outside = 0.0, 1.0
        while not rejected(sign * outside):
            inside, outside = outside, 2 * outside
        for _ in range(30):
            middle = (inside + outside) / 2
            inside, outside = (inside, middle) if rejected(sign * middle) else (middle, outside)
        return mean(_likeliest(x, n, sign * outside))

    low = limit(1) if (x > 0).any() else 0.0
    high = limit(-1) if (x < n).any() else found
    if n_open:
        high = min(found + float(np.hypot(high - found, np.sqrt(n_open) / n_classes)), 1.0)
    return low, high


def _likeliest(x: np.ndarray, n: np.ndarray, multiplier: float) -> np.ndarray:
    """Solve ``m p^2 - (n + m) p + x = 0`` for the p from 0 to 1 of each class."""
    b = n + multiplier
    root = np.sqrt(np.maximum(b**2 - 4 * multiplier * x, 0))
    # Of the two forms of the same root the one that does not subtract like numbers.
    shares = np.where(b > 0, 2 * x / np.maximum(b + root, _TINY), (b - root) / (2 * multiplier))
    return np.clip(shares, 0, 1)


def f1_inflation(matrix: np.ndarray) -> float:
    """Variance of the mean F1 over what it would be if the classes were independent.

    They are not: a row that is taken for another class counts against both. Both variances are by
    the delta method, from a confusion matrix (k, k) to which one more mistake is added, spread
    over the cells off the diagonal, so that there is an answer where no row is wrong.
    """
    k = len(matrix)
    off = ~np.eye(k, dtype=bool)
    pseudo = np.outer(matrix.sum(axis=1), matrix.sum(axis=0)) * off
    counts = matrix + pseudo / max(pseudo.sum(), 1)
    rows = counts.sum(axis=0) + counts.sum(axis=1)
    scale = np.where(rows > 0, rows, 1)
    f1 = 2 * counts.diagonal() / scale
    weight = f1 / scale  # what a mistake costs each of its two classes
    right = (counts.diagonal() * (2 * (1 - f1) / scale) ** 2).sum()
    wrong = counts * off
    both = (wrong * (weight[:, None] + weight[None, :]) ** 2).sum()
    alone = (wrong * (weight[:, None] ** 2 + weight[None, :] ** 2)).sum()
    return float((right + both) / (right + alone)) if alone > 0 else 1.0


class RocAuc(NamedTuple):
    """Area under the ROC curve, and what each row adds to its error."""

    value: float
    influence: np.ndarray
    """float, (n,): the variance is the sum of squares."""
    n_fewer: int
    """Positive or negative rows, whichever are fewer."""


def roc_auc(scores: np.ndarray, positive: np.ndarray) -> RocAuc:
    """Area under the ROC curve: how often a positive row scores above a negative one.

    A tie counts one half. The influence is that of DeLong, DeLong and Clarke-Pearson, *Comparing
    the areas under two or more correlated receiver operating characteristic curves* (1988).

    Parameters
    ----------
    scores
        float, (n,).
    positive
        bool, (n,): True somewhere and False somewhere.
    """
    above, below = scores[positive], scores[~positive]
    n_above, n_below = len(above), len(below)
    beaten = _mean_rank(above, below)  # (n_above,): share of the negative rows that lie below
    influence = np.empty(len(scores))
    value = float(beaten.mean())
    unbeaten = 1 - _mean_rank(below, above)  # (n_below,)
    influence[positive] = (beaten - value) / np.sqrt(n_above * max(n_above - 1, 1))
    influence[~positive] = (unbeaten - value) / np.sqrt(n_below * max(n_below - 1, 1))
    # One row does not show how rows differ: the most that they can.
    widest = -np.sqrt(value * (1 - value))
    if n_above == 1:
        influence[positive] = widest
    if n_below == 1:
        influence[~positive] = widest
    return RocAuc(value, influence, min(n_above, n_below))


def _mean_rank(values: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Share of `among` that is below each value, ties one half."""
    ordered = np.sort(among)
    lower = np.searchsorted(ordered, values, "left")
    return (lower + np.searchsorted(ordered, values, "right")) / (2 * len(ordered))


def roc_auc_interval(value: float, influence: np.ndarray, coin_toss: float) -> Interval:
    """Limits of an area under the ROC curve, or of a mean of several.

    The logarithm of the odds is taken to be normal, which keeps the limits from 0 to 1 and makes
    them as skew as areas near 1 are. A few rows make most of the variance there, so it is that
    with one more row as bad as the worst. Where no row is bad, Wilson's limits of as many trials
    as give the variance of one row about which the head knows nothing.

    Parameters
    ----------
    value, influence
        As of `RocAuc`; of the mean over classes, their means.
    coin_toss
        Influence of a row about which the head knows nothing: ``0.5 / n_fewer``.
    """
    if not 0 < value < 1:
        trials = (1 - coin_toss) / coin_toss
        low, high = wilson_interval(value * trials, trials)
        return float(low), float(high)
    worst = float(-influence.min() if value >= 0.5 else influence.max())
    error = np.sqrt((influence**2).sum() + worst**2) / (value * (1 - value))
    middle = np.log(value / (1 - value))
    # The logistic function in a form that does not overflow.
    low, high = (1 + np.tanh((middle + np.array([-_Z, _Z]) * error) / 2)) / 2
    return float(low), float(high)
