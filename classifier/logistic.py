"""The logistic head: multinomial logistic regression on standardised transfer values."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold
from threadpoolctl import threadpool_limits

from ..machine import available_cores
from .estimator import LayeredHead
from .layers import Layers, standardisation

if TYPE_CHECKING:
    from collections.abc import Sequence

_ROWS_TO_CHOOSE = 20_000
"""Rows that the strength is chosen on; more take longer and choose alike."""


class LogisticHead(LayeredHead):
    """Logistic regression whose regularisation is chosen by cross-validation.

    Columns are standardised, then the multinomial likelihood with an L2 penalty is maximised
    (lbfgs). Each strength is tried on the same stratified folds, from strong to weak, each fit
    starting where the last one ended; the one with the least log loss on held-out rows is used
    for a fit on all rows.

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
        None or ``balanced``, as in scikit-learn.
    random_state
        Seed of the folds.

    Attributes
    ----------
    classes_ : ndarray, (n_classes,)
    strength_ : float
        The C that was chosen.
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
        mean, scale = standardisation(X)
        rows = X - mean
        rows /= scale  # in place: of large arrays one copy is enough
        with warnings.catch_warnings():
            # On separable rows with a weak penalty the optimum is far away, and the predictions
            # have long stopped changing.
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.strength_, self.scores_, start = self._choose_strength(rows, codes)
            fitted = self._fit(rows, codes, self.strength_, start)
        kernel, bias = fitted.coef_.T, np.asarray(fitted.intercept_)  # (d, k), (k,)
        if len(self.classes_) == 2:  # one sigmoid is a softmax whose first logit is 0
            kernel, bias = np.hstack([np.zeros_like(kernel), kernel]), np.append(0, bias)
        self.layers_ = Layers(mean, scale, [kernel.astype(np.float32)], [bias.astype(np.float32)])
        return self

    def _choose_strength(
        self, rows: np.ndarray, codes: np.ndarray
    ) -> tuple[float, dict[float, float], LogisticRegression | None]:
        """The strength with the least held-out loss, the losses, and a fit to start from."""
        ascending = sorted(self.strengths)
        n_folds = min(self.n_folds, int(np.bincount(codes).min()))
        if len(ascending) == 1 or n_folds < 2:
            return ascending[(len(ascending) - 1) // 2], {}, None
        if len(rows) > _ROWS_TO_CHOOSE:
            sample = self._sample(codes, _ROWS_TO_CHOOSE, at_least=n_folds)
            rows, codes = rows[sample], codes[sample]
        folds = StratifiedKFold(n_folds, shuffle=True, random_state=self.random_state)

        def try_fold(fold: tuple[np.ndarray, np.ndarray]) -> list[tuple[float, LogisticRegression]]:
            train_rows, held_out_rows = (rows[side] for side in fold)
            train_codes, held_out_codes = (codes[side] for side in fold)
            tried, fitted = [], None
            for strength in ascending:
                fitted = self._fit(train_rows, train_codes, strength, fitted)
                probabilities = fitted.predict_proba(held_out_rows)
                every = np.arange(len(self.classes_))
                tried.append((log_loss(held_out_codes, probabilities, labels=every), fitted))
            return tried

        # A fold a thread, each with one BLAS thread: the products are narrow (a column a class),
        # and threads that share them wait for one another more than they compute.
        with threadpool_limits(1, "blas"), ThreadPoolExecutor(available_cores()) as pool:
            tried = list(pool.map(try_fold, folds.split(rows, codes)))
        losses = np.array([[loss for loss, _ in fold] for fold in tried]).mean(axis=0)
        best = int(losses.argmin())
        scores = dict(zip(ascending, losses.tolist(), strict=True))
        return ascending[best], scores, tried[0][best][1]

    def _sample(self, codes: np.ndarray, n_rows: int, at_least: int) -> np.ndarray:
        """Positions of about `n_rows` rows: of each class its share, or `at_least` so many."""
        random = np.random.default_rng(self.random_state)
        kept = np.zeros(len(codes), bool)
        for code, count in enumerate(np.bincount(codes)):
            n_kept = min(count, max(at_least, round(count * n_rows / len(codes))))
            kept[random.choice(np.flatnonzero(codes == code), n_kept, replace=False)] = True
        return np.flatnonzero(kept)

    def _fit(
        self,
        rows: np.ndarray,
        codes: np.ndarray,
        strength: float,
        start: LogisticRegression | None,
    ) -> LogisticRegression:
        model = LogisticRegression(
            C=strength,
            max_iter=self.max_iterations,
            class_weight=self.class_weight,
            warm_start=True,
            tol=1e-3,
        )
        if start is not None:
            model.coef_, model.intercept_ = start.coef_.copy(), np.array(start.intercept_)
            model.classes_ = start.classes_
        return model.fit(rows, codes)
