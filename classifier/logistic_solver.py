"""Fitting multinomial logistic regression, with NumPy and SciPy's optimiser alone.

Importing scikit-learn takes longer than a fit, so the estimator around it is a module of its own.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from ..hardware import available_cores
from ..rows_on_disk import Rows, some_rows, standardised
from .groups import require_groups, units_of
from .layers import Fitted, Layers, standardisation
from .settings import class_weights
from .weights import distinct, require_sample_weight

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)
"""Inverse strengths C of the penalty, from strong to weak."""
N_FOLDS = 4
MAX_ITERATIONS = 200

_ROWS_TO_CHOOSE = 10_000
"""Rows that the strength is chosen on where there are more: the choice takes seconds."""
_FITS_AT_ONCE = 2
"""Fits of the cross-validation that share each product of a thread."""
_ROWS_A_TASK = 4096
"""Fewer are not worth waking another thread for."""
_ROWS_AT_ONCE = 512
"""A block that stays in the processor's caches while logits and gradient are computed."""
TO_CHOOSE, _WHEN_CHOSEN, _AS_ASKED = 1e-2, 3e-3, 1e-3
"""Largest partial derivative at which the optimiser stops, in the parameters it sees: losses are
compared roughly, and a strength chosen from a few is uncertain by more than last digits are worth.
"""


class LogisticFit(NamedTuple):
    """Parameters, and how their penalty was chosen."""

    layers: Layers
    strength: float
    """The C of the fit on all rows."""
    scores: dict[float, float]
    """Held-out log loss of each C that was tried; empty where there was no choice."""


def fit_logistic(
    rows: Rows,
    codes: np.ndarray,
    n_classes: int,
    *,
    strengths: Sequence[float] = STRENGTHS,
    n_folds: int = N_FOLDS,
    max_iterations: int = MAX_ITERATIONS,
    class_weights: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    seed: int = 0,
) -> LogisticFit:
    """Choose the penalty by cross-validation, and fit on all rows.

    Parameters
    ----------
    rows
        float32, (n, d): transfer values, finite; in memory or on disk.
    codes
        int, (n,): the class of each, 0 to n_classes - 1, each of which has a row.
    n_classes
        At least 2.
    strengths, n_folds, max_iterations
        As in `LogisticHead`, which says what is done.
    class_weights
        (n_classes,): what a row of each class weighs; None where all weigh the same.
    weights
        float64, (n,), above 0: what each row weighs besides; None where all weigh the same.
    groups
        int, (n,): rows that are held out together; None where each is on its own.
    seed
        Of the folds.
    """
    positions, weights = distinct(rows, codes, np.ones(len(rows)) if weights is None else weights)
    rows, codes = some_rows(rows, positions), codes[positions]
    groups = None if groups is None else groups[positions]
    mean, scale = standardisation(rows, weights)
    weights = weights[:, None]
    if class_weights is not None:
        weights = weights * class_weights[codes, None]
    # The products are narrow (a column per class): threads of BLAS that share one wait for one
    # another more than they compute. So each thread has folds, or many rows, of its own.
    with (
        standardised(rows, mean, scale) as rows,
        threadpool_limits(1, "blas"),
        ThreadPoolExecutor(available_cores()) as pool,
    ):
        likelihood = Likelihood(rows, codes, weights, n_classes)
        strength, scores, start = _choose_strength(
            likelihood, groups, sorted(strengths), n_folds, max_iterations, seed, pool
        )
        tolerance = _WHEN_CHOSEN if scores else _AS_ASKED
        whole = likelihood._replace(pool=pool)
        fitted = whole.fit(strength, start, max_iterations, tolerance)[0]  # (d + 1, outputs)
    kernel, bias = fitted[:-1], fitted[-1]
    if n_classes == 2:  # one sigmoid is a softmax whose first logit is 0
        kernel, bias = np.hstack([np.zeros_like(kernel), kernel]), np.append(0, bias)
    layers = Layers(mean, scale, [kernel.astype(np.float32)], [bias.astype(np.float32)])
    return LogisticFit(layers, strength, scores)


def fit_without_scikit_learn(
    rows: Rows,
    labels: np.ndarray,
    sample_weight: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    class_weight: str | Mapping[Any, float] | None = None,
    random_state: int = 0,
) -> Fitted:
    """Fit as `LogisticHead` does, on rows that are known to be sound.

    Parameters
    ----------
    rows
        float32, (n, d): transfer values, finite.
    labels
        (n,): of at least two classes.
    sample_weight, groups, class_weight, random_state
        As in `LogisticHead`.
    """
    weights = require_sample_weight(sample_weight, len(rows))
    groups = require_groups(groups, weights, labels)
    if not weights.all():
        there = weights > 0
        rows, labels, weights = some_rows(rows, there), labels[there], weights[there]
    classes, codes = np.unique(labels, return_inverse=True)
    fitted = fit_logistic(
        rows,
        codes,
        len(classes),
        class_weights=class_weights(class_weight, classes, codes, weights),
        weights=weights,
        groups=groups,
        seed=random_state,
    )
    return Fitted(fitted.layers, {"strength": fitted.strength})


def _choose_strength(
    likelihood: Likelihood,
    groups: np.ndarray | None,
    ascending: list[float],
    n_folds: int,
    max_iterations: int,
    seed: int,
    pool: ThreadPoolExecutor,
) -> tuple[float, dict[float, float], np.ndarray]:
    """The strength with the least held-out loss, the losses, and parameters to start from."""
    units, codes_of_units = units_of(likelihood.codes, groups)
    n_folds = min(n_folds, int(np.bincount(codes_of_units).min()))
    if len(ascending) == 1 or n_folds < 2:
        return ascending[(len(ascending) - 1) // 2], {}, likelihood.zeros()
    share = min(1.0, _ROWS_TO_CHOOSE / len(likelihood.rows))
    folds = np.full(len(codes_of_units), -1)
    chosen = np.arange(len(folds))
    if share < 1:
        chosen = _sample(codes_of_units, share, n_folds, seed)
    folds[chosen] = _deal(codes_of_units[chosen], n_folds, seed)
    folds = folds[units]  # of each row; -1 where it is not in the sample
    if share < 1:
        likelihood, folds = likelihood.some(folds >= 0), folds[folds >= 0]
    likelihood = likelihood._replace(rows=likelihood.rows[:])  # few, and read many times
    few = [
        np.arange(n_folds)[first : first + _FITS_AT_ONCE]
        for first in range(0, n_folds, _FITS_AT_ONCE)
    ]
    holds_out = [folds[:, None] == some for some in few]  # (n, fits) each
    train = [likelihood._replace(weights=likelihood.weights * ~out) for out in holds_out]
    held_out = [likelihood._replace(weights=likelihood.weights * out) for out in holds_out]
    fitted = [some.zeros() for some in train]
    losses: dict[float, float] = {}
    starts = {}

    def attempt(strength: float) -> None:
        def fit(some: int) -> np.ndarray:
            fitted[some] = train[some].fit(strength, fitted[some], max_iterations, TO_CHOOSE)
            return held_out[some].losses_and_gradients(fitted[some])[0]

        losses[strength] = float(np.concatenate([*pool.map(fit, range(len(few)))]).mean())
        starts[strength] = np.concatenate(fitted).mean(axis=0, keepdims=True)

    strongest, *weaker = ascending
    for strength in weaker:
        attempt(strength)
        if losses[strength] > min(losses.values()):
            break  # the loss has one valley, and weak penalties take the longest
    if losses[weaker[0]] == min(losses.values()):
        attempt(strongest)
    best = min(losses, key=lambda strength: losses[strength])
    return best * share, losses, starts[best]


def _sample(codes: np.ndarray, share: float, at_least: int, seed: int) -> np.ndarray:
    """Positions of a share of the rows of each class, or `at_least` so many."""
    random = np.random.default_rng(seed)
    chosen = []
    for code, count in enumerate(np.bincount(codes)):
        n_chosen = min(count, max(at_least, round(count * share)))
        chosen.append(random.choice(np.flatnonzero(codes == code), n_chosen, replace=False))
    return np.sort(np.concatenate(chosen))


def _deal(codes: np.ndarray, n_folds: int, seed: int) -> np.ndarray:
    """int (n,): a fold for each row. Each class is dealt evenly, like cards."""
    shuffled = np.random.default_rng(seed).permutation(len(codes))
    by_class = shuffled[np.argsort(codes[shuffled], kind="stable")]
    folds = np.empty(len(codes), int)
    folds[by_class] = np.arange(len(codes)) % n_folds
    return folds


class Likelihood(NamedTuple):
    """How well parameters explain rows, computed block by block.

    Several fits that weigh the rows differently, such as those of a cross-validation, share each
    product: reading the rows is what takes the time. Parameters are float64, (fits, d + 1,
    outputs), the biases last. Two classes have one output, any other number as many as classes.
    """

    rows: Rows
    """float32, (n, d); in memory or on disk."""
    codes: np.ndarray
    """int, (n,)."""
    weights: np.ndarray
    """float64, (n, fits): what each row weighs in each fit."""
    n_classes: int
    pool: ThreadPoolExecutor | None = None
    """Computes many rows on all cores."""

    @property
    def n_outputs(self) -> int:
        """Columns of the kernel."""
        return 1 if self.n_classes == 2 else self.n_classes

    def some(self, positions: np.ndarray | slice) -> Likelihood:
        """Of these rows only."""
        return self._replace(
            rows=some_rows(self.rows, positions),
            codes=self.codes[positions],
            weights=self.weights[positions],
        )

    def zeros(self) -> np.ndarray:
        """Parameters to start from."""
        return np.zeros((self.weights.shape[1], self.rows.shape[1] + 1, self.n_outputs))

    def fit(
        self, strength: float, start: np.ndarray, max_iterations: int, tolerance: float
    ) -> np.ndarray:
        """The parameters with the least penalised loss, or those after so many iterations.

        On separable rows with a weak penalty the optimum is far away, and the predictions have
        long stopped changing.
        """
        penalty = 1 / (strength * self.weights.sum(axis=0))[:, None, None]  # (fits, 1, 1)
        scale = self._scale(penalty)

        def objective(scaled: np.ndarray) -> tuple[float, np.ndarray]:
            parameters = scaled.reshape(start.shape) * scale
            losses, gradients = self.losses_and_gradients(parameters)
            penalised = penalty * parameters[:, :-1]
            gradients[:, :-1] += penalised
            loss = losses.sum() + (penalised * parameters[:, :-1]).sum() / 2
            return loss, (gradients * scale).ravel()

        options = {
            "maxiter": max_iterations,
            "maxls": 50,
            "maxcor": 5,  # with more, the vectors of all fits take longer than the products
            "gtol": tolerance,
            "ftol": 64 * np.finfo(float).eps,  # the gradient decides
        }
        first = (start / scale).ravel()
        found = minimize(objective, first, jac=True, method="L-BFGS-B", options=options)
        return found.x.reshape(start.shape) * scale

    def _scale(self, penalty: np.ndarray) -> np.ndarray:
        """What each parameter is divided by for the optimiser, so that all curve about alike.

        The mean loss curves by p (1 - p) along a standardised column, for which a third of what it
        is at the start stands; the penalty curves the kernel alone. Without this, the biases hold
        back all else where the penalty is strong.
        """
        of_loss = (self.n_classes - 1) / self.n_classes**2 / 3
        curvature = np.full((len(penalty), self.rows.shape[1] + 1, 1), of_loss)
        curvature[:, :-1] += penalty
        return curvature**-0.5

    def losses_and_gradients(self, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of each fit, the weighted mean of the log losses (fits,), and its gradient."""
        kernels = np.hstack([*parameters[:, :-1]]).astype(np.float32)  # (d, fits * outputs)
        biases = parameters[:, -1]
        firsts = range(0, len(self.rows), _ROWS_A_TASK)
        spans = [self.some(slice(first, first + _ROWS_A_TASK)) for first in firsts]
        map_ = self.pool.map if self.pool and len(spans) > 1 else map
        losses = np.zeros(len(parameters))
        gradients = np.zeros_like(parameters)
        for loss, gradient in map_(lambda span: span._of_span(kernels, biases), spans):
            losses += loss
            gradients += gradient
        total = self.weights.sum(axis=0)
        return losses / total, gradients / total[:, None, None]

    def _of_span(self, kernels: np.ndarray, biases: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        n_fits, n_outputs = biases.shape
        losses = np.zeros(n_fits)
        of_kernels = np.zeros(kernels.shape)
        of_biases = np.zeros_like(biases)
        for start in range(0, len(self.rows), _ROWS_AT_ONCE):
            block = self.some(slice(start, start + _ROWS_AT_ONCE))
            rows = block.rows[:]
            own = np.arange(len(rows)), slice(None), block.codes
            logits = (rows @ kernels).astype(np.float64).reshape(-1, n_fits, n_outputs)
            logits += biases
            if self.n_classes == 2:
                logits = np.concatenate([np.zeros_like(logits), logits], axis=2)
            logits -= logits.max(axis=2, keepdims=True)
            errors = np.exp(logits)  # (block, fits, classes)
            sums = errors.sum(axis=2)
            losses += ((np.log(sums) - logits[own]) * block.weights).sum(axis=0)
            errors *= (block.weights / sums)[:, :, None]
            errors[own] -= block.weights
            errors = errors[:, :, -n_outputs:]
            of_kernels += rows.T @ errors.reshape(-1, n_fits * n_outputs).astype(np.float32)
            of_biases += errors.sum(axis=0)
        of_kernels = of_kernels.reshape(-1, n_fits, n_outputs).swapaxes(0, 1)
        return losses, np.concatenate([of_kernels, of_biases[:, None]], axis=1)
