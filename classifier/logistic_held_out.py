"""Predictions of logistic regression for rows that it was not trained on, all folds in one fit.

`cross_validation.out_of_fold` does the same for any head and chooses the penalty anew in each fold;
this chooses it once, by the predictions themselves, and takes a fifth of the time.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from ..hardware import available_cores
from .layers import softmax, standardisation
from .logistic_solver import MAX_ITERATIONS, STRENGTHS, TO_CHOOSE, Likelihood

if TYPE_CHECKING:
    from collections.abc import Sequence

_FITS_AT_ONCE = 3
"""Fits that share each product of a thread: of five folds, as two threads take about as long."""
_LEAST = 1e-12


class HeldOut(NamedTuple):
    """Probabilities of rows by fits that did not have them."""

    probabilities: np.ndarray
    """float64, (n, k); 0 for a class of which all rows are in the row's own fold."""
    strength: float
    """The inverse strength C of the penalty, chosen by the log loss of these probabilities."""


def held_out_logistic(
    features: np.ndarray,
    codes: np.ndarray,
    folds: np.ndarray,
    n_classes: int,
    *,
    weights: np.ndarray | None = None,
    strengths: Sequence[float] = STRENGTHS,
) -> HeldOut:
    """Fit logistic regression without each fold in turn, and predict the fold with it.

    Parameters
    ----------
    features
        float32, (n, d): transfer values, finite.
    codes
        int, (n,): the class of each, 0 to n_classes - 1; any number where the fold is -1.
    folds
        int, (n,): from `stratified_folds`, of two folds at least; -1 for rows that are in no fit,
        which are predicted by the mean of all.
    n_classes
        At least 1.
    weights
        float64, (n,), above 0 where the fold is not -1: what each row weighs; None: 1.
    strengths
        Tried from strong to weak, until the log loss rises.

    Notes
    -----
    The penalty is chosen by the same predictions that are returned, from a few: they are a trifle
    better than those of a head for new images.

    Examples
    --------
    >>> rows = np.eye(2, dtype="float32")[[0, 0, 1, 1]]
    >>> found = held_out_logistic(rows, np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), 2)
    >>> found.probabilities.argmax(axis=1).tolist()
    [0, 0, 1, 1]
    """
    inside, outside = np.flatnonzero(folds >= 0), np.flatnonzero(folds < 0)
    numbers, fold_of = np.unique(folds[inside], return_inverse=True)
    own = codes[inside]
    weight = np.ones(len(inside)) if weights is None else np.asarray(weights, float)[inside]
    mean, scale = standardisation(features[inside], weight)
    rows = (features - mean) / scale
    few = np.array_split(np.arange(len(numbers)), -(-len(numbers) // _FITS_AT_ONCE))
    likelihood = Likelihood(rows[inside], own, weight[:, None], n_classes)
    train = [
        likelihood._replace(weights=weight[:, None] * (fold_of[:, None] != some)) for some in few
    ]
    fitted = [some.zeros() for some in train]
    of_fold = [inside[fold_of == fold] for fold in range(len(numbers))]
    tried: list[tuple[float, HeldOut]] = []
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(available_cores()) as pool:

        def attempt(strength: float) -> None:
            found = np.zeros((len(rows), n_classes))

            def fit(some: int) -> np.ndarray:
                fitted[some] = train[some].fit(strength, fitted[some], MAX_ITERATIONS, TO_CHOOSE)
                for fold, parameters in zip(few[some], fitted[some], strict=True):
                    found[of_fold[fold]] = _probabilities(
                        rows[of_fold[fold]], parameters[None], n_classes
                    )[:, 0]
                return _probabilities(rows[outside], fitted[some], n_classes).sum(axis=1)

            found[outside] = sum(pool.map(fit, range(len(few)))) / len(numbers)
            found[inside] = _without_unseen(found[inside], own, fold_of)
            right = np.maximum(found[inside, own], _LEAST)
            loss = float((weight * -np.log(right)).sum() / weight.sum())
            tried.append((loss, HeldOut(found, strength)))

        strongest, *weaker = sorted(strengths)
        for strength in weaker:
            attempt(strength)
            if len(tried) > 1 and tried[-1][0] >= tried[-2][0]:
                break  # the loss has one valley, and weak penalties take the longest
        if not tried or min(tried, key=lambda each: each[0]) is tried[0]:
            attempt(strongest)
    return min(tried, key=lambda each: each[0])[1]


def _probabilities(rows: np.ndarray, parameters: np.ndarray, n_classes: int) -> np.ndarray:
    """float64 (n, fits, k) of standardised rows (n, d)."""
    n_fits, _, n_outputs = parameters.shape
    kernels = np.hstack([*parameters[:, :-1]]).astype(np.float32)
    logits = (rows @ kernels).astype(np.float64).reshape(-1, n_fits, n_outputs) + parameters[:, -1]
    if n_classes == 2:  # one sigmoid is a softmax whose first logit is 0
        logits = np.concatenate([np.zeros_like(logits), logits], axis=2)
    return softmax(logits.reshape(-1, n_classes)).reshape(-1, n_fits, n_classes)


def _without_unseen(
    probabilities: np.ndarray, codes: np.ndarray, fold_of: np.ndarray
) -> np.ndarray:
    """Probabilities (m, k) without classes that the fit of a row's fold had no row of."""
    k = probabilities.shape[1]
    in_fold = np.zeros((int(fold_of.max()) + 1, k), int)
    np.add.at(in_fold, (fold_of, codes), 1)
    seen = (in_fold < in_fold.sum(axis=0))[fold_of]  # (m, k)
    found = np.where(seen, probabilities, 0)
    total = found.sum(axis=1, keepdims=True)
    even = seen / np.maximum(seen.sum(axis=1, keepdims=True), 1)
    return np.where(total > _LEAST, found / np.maximum(total, _LEAST), even)
