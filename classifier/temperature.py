"""Temperature scaling: probabilities that are as often right as they say."""

from __future__ import annotations

import numpy as np

from ..errors import UsageError

MIN_ROWS = 50
"""Rows from which a temperature is fitted."""
LEAST_TEMPERATURE, MOST_TEMPERATURE = 0.05, 20.0


def fit_temperature(
    logits: np.ndarray, codes: np.ndarray, weights: np.ndarray | None = None
) -> float:
    """Find the number by which logits are divided so that their softmax can be believed.

    Dividing changes neither the order of the classes nor what is predicted.

    Parameters
    ----------
    logits
        float, (n, n_classes): of rows that the head was not trained on.
    codes
        int, (n,): the column of each row's true class.
    weights
        float, (n,), above 0: what each row weighs, one of weight 2 as much as two rows; None: 1.

    Returns
    -------
    float
        From 0.05 to 20; above 1 the head was too sure of itself, below 1 not sure enough. 1.0
        for fewer than 50 rows: from 50 it scatters by 15 %, from 20 by 25 %, and a head is
        rarely further off than that.

    Raises
    ------
    UsageError
        When the shapes do not fit, a logit is not finite, or a code has no column.

    Notes
    -----
    The log loss of ``softmax(logits / T)`` is minimised (Guo et al., *On calibration of modern
    neural networks*, 2017); it is convex in 1 / T. As Platt (1999) did for two classes, each true
    class counts as (n + 1) / (n + 2) and the rest is spread over all classes: rows without any
    error would otherwise have the least loss at complete certainty, which no finite number of
    rows can show.

    Examples
    --------
    >>> import numpy as np
    >>> from bottlebank.classifier.layers import softmax
    >>> codes = np.arange(900) % 3
    >>> logits = 10 * np.eye(3)[np.where(np.arange(900) < 720, codes, (codes + 1) % 3)]
    >>> temperature = fit_temperature(logits, codes)  # certain of all, right in 720 of 900
    >>> softmax(logits / temperature).max(axis=1).round(2)[:2]
    array([0.8, 0.8])
    """
    from scipy.optimize import minimize_scalar

    logits, codes = np.asarray(logits, np.float64), np.asarray(codes)
    _check(logits, codes)
    weights = np.ones(len(logits)) if weights is None else weights
    n = float(weights.sum())
    if n < MIN_ROWS:
        return 1.0
    rest = 1 / (n + 2)
    true = logits[np.arange(len(logits)), codes]
    expected = (1 - rest) * true + rest * logits.mean(axis=1)  # (n,): logit under the targets

    def loss(log_temperature: float) -> float:
        scaled = logits * np.exp(-log_temperature)
        most = scaled.max(axis=1)
        log_sums = most + np.log(np.exp(scaled - most[:, None]).sum(axis=1))
        losses = log_sums - expected * np.exp(-log_temperature)
        return float((weights * losses).sum() / n)

    bounds = np.log([LEAST_TEMPERATURE, MOST_TEMPERATURE])
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    return float(np.clip(np.exp(found.x), LEAST_TEMPERATURE, MOST_TEMPERATURE))


def _check(logits: np.ndarray, codes: np.ndarray) -> None:
    if logits.ndim != 2 or codes.shape != logits.shape[:1] or logits.shape[1] < 2:
        raise UsageError(
            f"expected logits (n, n_classes) and codes (n,); got {logits.shape} and {codes.shape}"
        )
    if not np.isfinite(logits).all():
        raise UsageError("logits have numbers that are not finite")
    if codes.dtype.kind not in "iu" or (
        len(codes) and not 0 <= codes.min() <= codes.max() < logits.shape[1]
    ):
        raise UsageError(f"codes must be integers from 0 to {logits.shape[1] - 1}")
