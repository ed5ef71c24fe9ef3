"""The logistic head: multinomial logistic regression on standardised transfer values."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.optimize import minimize
from sklearn.model_selection import StratifiedKFold
from sklearn.utils.class_weight import compute_class_weight
from threadpoolctl import threadpool_limits

from ..machine import available_cores
from .estimator import LayeredHead
from .layers import Layers, standardisation

if TYPE_CHECKING:
    from collections.abc import Sequence

_ROWS_TO_CHOOSE = 10_000
"""Rows that the strength is chosen on where there are more: the choice takes seconds."""
_ROWS_AT_ONCE = 512
"""A block that stays in the processor's caches while logits and gradient are computed."""


class LogisticHead(LayeredHead):
    """Logistic regression whose regularisation is chosen by cross-validation.

    Columns are standardised, then the multinomial likelihood with an L2 penalty is maximised
    (L-BFGS; Byrd, Lu, Nocedal & Zhu, 1995): the same optimum as scikit-learn's
    `LogisticRegression`. Each strength is tried on the same stratified folds, from strong to
    weak, each fit starting where the last one ended; the one with the least log loss on held-out
    rows is used for a fit on all rows.

    Of more than 10,000 rows, that many choose the strength. It is then multiplied by their share,
    since the more rows there are, the less each of them should weigh against the penalty.

    Parameters
    ----------
    strengths
        Inverse strengths C of the penalty to choose from, as in scikit-learn; a single one is
        used as it is.
    n_folds
        Folds of the cross-validation; fewer where a class has fewer rows. A class with one row
        leaves nothing to hold out: the middle strength is used.
    max_iterations
        Of the optimiser, a fit.
    class_weight
        None, or ``balanced``: rows of a class weigh by the inverse of its frequency, as in
        scikit-learn, and so they do in the loss on held-out rows.
    random_state
        Seed of the folds.

    Attributes
    ----------
    classes_ : ndarray, (n_classes,)
    strength_ : float
        The C of the last fit.
    scores_ : dict
        Held-out log loss of each C that was tried.
    layers_ : Layers
        What predicts.
    n_features_in_ : int

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.random.default_rng(0).normal(size=(60, 8)).astype("float32")
    >>> labels = np.where(rows[:, 0] > 0, "cat", "dog")
    >>> LogisticHead().fit(rows, labels).score(rows, labels) > 0.9
    True
    """

    kind = "logistic"

    def __init__(
        self,
        strengths: Sequence[float] = (1e-4, 1e-3, 1e-2, 1e-1),
        n_folds: int = 3,
        max_iterations: int = 200,
        class_weight: str | None = None,
        random_state: int = 0,
    ) -> None:
        self.strengths = strengths
        self.n_folds = n_folds
        self.max_iterations = max_iterations
        self.class_weight = class_weight
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> LogisticHead:
        """Choose the strength and fit.

        Parameters
        ----------
        X
            float, (n, d): transfer values.
        y
            (n,): labels of at least two classes.
        """
        X, codes = self._check_training_rows(X, y)
        every = np.arange(len(self.classes_))
        weights = compute_class_weight(self.class_weight, classes=every, y=codes)
        mean, scale = standardisation(X)
        rows = X - mean
        rows /= scale  # in place: one copy is enough
        # The products are narrow (a column a class): BLAS threads that share one wait for one
        # another more than they compute. So each block of rows is a task of its own.
        with threadpool_limits(1, "blas"), ThreadPoolExecutor(available_cores()) as pool:
            likelihood = _Likelihood(rows, codes, weights, pool)
            self.strength_, self.scores_, start = self._choose_strength(likelihood)
            # A strength chosen from a few is uncertain by more than the last digits are worth.
            tolerance = 1e-3 if self.scores_ else 1e-4
            fitted = likelihood.fit(self.strength_, start, self.max_iterations, tolerance)
        kernel, bias = likelihood.split(fitted)  # (d, outputs), (outputs,)
        if len(self.classes_) == 2:  # one sigmoid is a softmax whose first logit is 0
            kernel, bias = np.hstack([np.zeros_like(kernel), kernel]), np.append(0, bias)
        self.layers_ = Layers(mean, scale, [kernel.astype(np.float32)], [bias.astype(np.float32)])
        return self

    def _choose_strength(
        self, likelihood: _Likelihood
    ) -> tuple[float, dict[float, float], np.ndarray]:
        """The strength with the least held-out loss, the losses, and parameters to start from."""
        ascending = sorted(self.strengths)
        n_folds = min(self.n_folds, int(np.bincount(likelihood.codes).min()))
        if len(ascending) == 1 or n_folds < 2:
            return ascending[(len(ascending) - 1) // 2], {}, likelihood.zeros()
        share = min(1.0, _ROWS_TO_CHOOSE / len(likelihood.rows))
        if share < 1:
            likelihood = likelihood.some(self._sample(likelihood.codes, share, n_folds))
        folds = StratifiedKFold(n_folds, shuffle=True, random_state=self.random_state)
        sides = [
            tuple(likelihood.some(side) for side in fold)
            for fold in folds.split(likelihood.rows, likelihood.codes)
        ]
        fitted = [likelihood.zeros()] * n_folds
        losses: dict[float, float] = {}
        starts = {}
        for strength in ascending:
            found = []
            for number, (train, held_out) in enumerate(sides):
                start = fitted[number]
                fitted[number] = train.fit(strength, start, self.max_iterations, tolerance=1e-3)
                found.append(held_out.loss_and_gradient(fitted[number])[0])
            losses[strength], starts[strength] = float(np.mean(found)), fitted[-1]
            if losses[strength] > min(losses.values()):
                break  # the loss has one valley, and weak penalties take the longest
        best = min(losses, key=lambda strength: losses[strength])
        return best * share, losses, starts[best]

    def _sample(self, codes: np.ndarray, share: float, at_least: int) -> np.ndarray:
        """Positions of a share of the rows of each class, or `at_least` so many."""
        random = np.random.default_rng(self.random_state)
        chosen = []
        for code, count in enumerate(np.bincount(codes)):
            n_chosen = min(count, max(at_least, round(count * share)))
            chosen.append(random.choice(np.flatnonzero(codes == code), n_chosen, replace=False))
        return np.sort(np.concatenate(chosen))


class _Likelihood(NamedTuple):
    """How well parameters explain rows, computed block by block on all cores.

    Parameters are one float64 vector, as the optimiser wants them: the kernel (d, outputs), then
    the biases (outputs,). Two classes have one output, any other number as many as classes.
    """

    rows: np.ndarray
    """float32, (n, d)."""
    codes: np.ndarray
    """int, (n,)."""
    weights: np.ndarray
    """float64, (n_classes,): what a row of each class weighs."""
    pool: ThreadPoolExecutor

    @property
    def n_outputs(self) -> int:
        return 1 if len(self.weights) == 2 else len(self.weights)

    def some(self, positions: np.ndarray) -> _Likelihood:
        """Of these rows only."""
        return self._replace(rows=self.rows[positions], codes=self.codes[positions])

    def zeros(self) -> np.ndarray:
        return np.zeros((self.rows.shape[1] + 1) * self.n_outputs)

    def split(self, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The kernel (d, outputs) and the biases (outputs,)."""
        bias = parameters[-self.n_outputs :]
        return parameters[: -self.n_outputs].reshape(-1, self.n_outputs), bias

    def fit(
        self, strength: float, start: np.ndarray, max_iterations: int, tolerance: float
    ) -> np.ndarray:
        """The parameters with the least penalised loss, or those after so many iterations.

        On separable rows with a weak penalty the optimum is far away, and the predictions have
        long stopped changing.
        """
        total_weight = self.weights[self.codes].sum()
        options = {
            "maxiter": max_iterations,
            "maxls": 50,
            "gtol": tolerance,
            "ftol": 64 * np.finfo(float).eps,  # the gradient decides
        }
        found = minimize(
            self.loss_and_gradient,
            start,
            args=(1 / (strength * total_weight),),
            jac=True,
            method="L-BFGS-B",
            options=options,
        )
        return found.x

    def loss_and_gradient(
        self, parameters: np.ndarray, penalty: float = 0.0
    ) -> tuple[float, np.ndarray]:
        """Weighted mean of the log losses, plus ``penalty / 2`` times the squared kernel."""
        kernel, bias = self.split(parameters)
        kernel32 = kernel.astype(np.float32)

        def of_block(start: int) -> tuple[float, float, np.ndarray, np.ndarray]:
            rows = self.rows[start : start + _ROWS_AT_ONCE]  # (block, d)
            codes = self.codes[start : start + _ROWS_AT_ONCE]
            own = np.arange(len(rows)), codes
            weights = self.weights[codes]
            logits = (rows @ kernel32).astype(np.float64) + bias  # (block, outputs)
            if len(self.weights) == 2:
                logits = np.hstack([np.zeros_like(logits), logits])
            logits -= logits.max(axis=1, keepdims=True)
            exponentials = np.exp(logits)
            sums = exponentials.sum(axis=1)
            loss = weights @ (np.log(sums) - logits[own])
            errors = exponentials / sums[:, None]
            errors[own] -= 1
            errors = (errors * weights[:, None])[:, -self.n_outputs :]  # (block, outputs)
            return loss, weights.sum(), rows.T @ errors.astype(np.float32), errors.sum(axis=0)

        loss, weight = 0.0, 0.0
        kernel_gradient, bias_gradient = np.zeros_like(kernel), np.zeros_like(bias)
        blocks = range(0, len(self.rows), _ROWS_AT_ONCE)
        for part in self.pool.map(of_block, blocks):
            loss += part[0]
            weight += part[1]
            kernel_gradient += part[2]
            bias_gradient += part[3]
        loss = loss / weight + penalty / 2 * (kernel**2).sum()
        kernel_gradient = kernel_gradient / weight + penalty * kernel
        return loss, np.concatenate([kernel_gradient.ravel(), bias_gradient / weight])
