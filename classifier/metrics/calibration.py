"""How far probabilities can be believed: reliability, and the calibration error."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .intervals import Interval, wilson_interval

N_BINS = 15
"""Of a reliability diagram: as in Guo et al. (2017), so that errors compare with published ones."""
_N_RESAMPLES = 500
_STEPS = (0, 0.1, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 2.5, 3, 4)


class ReliabilityBins(NamedTuple):
    """The bins of a reliability diagram that hold rows; each array is (b,)."""

    middles: np.ndarray
    """float: the middle of each bin's range of confidences."""
    n_images: np.ndarray
    """int: rows in each."""
    n_right: np.ndarray
    """int: rows whose predicted class is the true one."""
    confidence: np.ndarray
    """float: mean confidence of the rows."""
    excess: np.ndarray
    """float: `n_right` minus the sum of the confidences."""


def reliability_bins(
    confidences: np.ndarray, right: np.ndarray, n_bins: int = N_BINS
) -> ReliabilityBins:
    """Put rows into bins of equal width by their confidence.

    Parameters
    ----------
    confidences
        float, (n,), 0–1: probability of the class that is predicted.
    right
        bool, (n,): whether it is the true class.
    n_bins
        The upper edge belongs to a bin, and the first holds 0 as well.
    """
    bins = np.clip(np.ceil(confidences * n_bins).astype(int) - 1, 0, n_bins - 1)
    rows = np.bincount(bins, minlength=n_bins)
    used = np.flatnonzero(rows)

    def sums(values: np.ndarray) -> np.ndarray:
        return np.bincount(bins, weights=values, minlength=n_bins)[used]

    return ReliabilityBins(
        middles=(used + 0.5) / n_bins,
        n_images=rows[used],
        n_right=sums(right).astype(int),
        confidence=sums(confidences) / rows[used],
        excess=sums(right - confidences),
    )


def calibration_interval(
    confidences: np.ndarray, right: np.ndarray, n_bins: int = N_BINS, random_state: int = 0
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
    bins = reliability_bins(confidences, right, n_bins)
    rows, excess, confidence = bins.n_images, bins.excess, bins.confidence
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
