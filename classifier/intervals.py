"""How far figures from few rows can be trusted: 95 % confidence intervals.

All take the rows for independent draws and the head for given: they say what the figure would be
on many more images like these, not what another training would give. `evaluate` puts them
together; ``tests/classifier/test_intervals.py`` checks how often they hold the truth.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import NamedTuple, TypeAlias

import numpy as np

Interval: TypeAlias = tuple[float, float]

_Z = NormalDist().inv_cdf(0.975)
_TINY = np.finfo(float).tiny
_N_RESAMPLES = 500
_STEPS = (0, 0.1, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 2.5, 3, 4)


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


def calibration_interval(
    confidences: np.ndarray, right: np.ndarray, n_bins: int = 15, random_state: int = 0
) -> tuple[float, Interval]:
    """Expected calibration error of the predicted class, and limits of its true value.

    The error from n rows is too large: what scatters in a bin counts as error, so that a head
    without any seems to have about 0.05 from 300 rows. The limits take that into account and are
    not centred on the figure: they are of the error in all images like these, in the same bins,
    and go down to 0 where scatter alone explains the figure.

    Parameters
    ----------
    confidences
        float, (n,), 0–1: probability of the class that is predicted.
    right
        bool, (n,): whether it is the true class.
    n_bins
        Bins of equal width; the upper edge belongs to a bin (Guo et al., *On calibration of
        modern neural networks*, 2017).
    random_state
        Seed of the resampling.

    Returns
    -------
    (float, Interval)

    Notes
    -----
    Resampling the rows would add the scatter a second time (Sun et al., *A confidence interval
    for the l2 expected calibration error*, 2024, show how bootstraps fail here). In its place a
    test is inverted (Carpenter, *Test inversion bootstrap confidence intervals*, 1999): suppose
    that the share of right rows in each bin differs from the confidence by t times what was seen,
    draw from that, and keep the t for which the figure that was seen is not among the 2.5 % on
    either side. What was seen in a bin is first drawn towards what was seen in all rows, as far
    as the bins scatter no more than by chance (DerSimonian and Laird, *Meta-analysis in clinical
    trials*, 1986).
    """
    n = len(confidences)
    bins = np.clip(np.ceil(confidences * n_bins).astype(int) - 1, 0, n_bins - 1)
    rows = np.bincount(bins, minlength=n_bins)
    excess = np.bincount(bins, weights=right - confidences, minlength=n_bins)
    confidence = np.bincount(bins, weights=confidences, minlength=n_bins)
    used = rows > 0
    rows, excess, confidence = rows[used], excess[used], confidence[used] / rows[used]
    found = float(np.abs(excess).sum()) / n
    gap = _gap(rows, excess, confidence)
    # What the accuracy alone leaves open; more than the bins do where no row is wrong.
    least, most = wilson_interval(right.sum(), n)
    mean = confidences.mean()
    high_at_least = max(float(mean - least), float(most - mean), found)
    size = float(np.abs(gap) @ rows) / n
    if size == 0:
        return found, (0.0, high_at_least)

    random = np.random.default_rng(random_state)
    drawn_rows = random.multinomial(n, rows / n, size=_N_RESAMPLES)  # (resamples, bins)
    errors, quantiles = [], []
    for step in _STEPS:
        share = np.clip(confidence + step * found / size * gap, 0, 1)
        drawn = np.abs(random.binomial(drawn_rows, share) - drawn_rows * confidence).sum(axis=1) / n
        errors.append(float(np.abs(share - confidence) @ rows) / n)
        quantiles.append(np.quantile(drawn, [0.025, 0.975]))
        if quantiles[-1][0] > found:
            break
    lower, upper = np.maximum.accumulate(quantiles).T
    low = min(float(np.interp(found, upper, errors)), found) if found > upper[0] else 0.0
    high = float(np.interp(found, lower, errors))
    return found, (low, max(high, high_at_least))


def _gap(rows: np.ndarray, excess: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """Likely difference of share and confidence in each bin; arguments (bins,) each."""
    common = excess.sum() / rows.sum()
    away = excess / rows - common
    scatter = np.maximum(confidence * (1 - confidence), 1e-3) / rows
    weights = 1 / scatter
    scale = weights.sum() - (weights**2).sum() / weights.sum()
    beyond = (weights * away**2).sum() - (len(rows) - 1)
    between = beyond / scale if len(rows) > 1 and beyond > 0 else 0.0
    return common + away * between / (between + scatter)
