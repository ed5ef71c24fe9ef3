"""The logistic head: multinomial logistic regression on standardised transfer values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..arguments import require_seed, require_whole
from .estimator import LayeredHead
from .groups import require_groups
from .logistic_solver import (
    MAX_ITERATIONS,
    N_FOLDS,
    STRENGTHS,
    fit_logistic,
)
from .settings import class_weights, require_strengths

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class LogisticHead(LayeredHead):
    """Logistic regression whose regularisation is chosen by cross-validation.

    Columns are standardised, then the multinomial likelihood with an L2 penalty is maximised
    (L-BFGS; Byrd, Lu, Nocedal & Zhu, 1995): the same optimum as scikit-learn's
    `LogisticRegression`. Each strength is tried on the same stratified folds, from strong to
    weak as long as that helps, each fit starting where the last one ended; the one with the least
    log loss on held-out rows is used for a fit on all rows.

    Equal rows of a class count as one that weighs as much as all of them, and no part of the
    result depends on the order of the rows.

    Of more than 10,000 rows, that many choose the strength. It is then multiplied by their share,
    since the more rows there are, the less each of them should weigh against the penalty.

    Parameters
    ----------
    strengths
        Inverse strengths C of the penalty to choose from, as in scikit-learn; a single one is
        used as it is.
    n_folds
        Folds of the cross-validation; fewer where a class has fewer different rows. A class with
        one leaves nothing to hold out: the middle strength is used.
    max_iterations
        Of the optimiser, per fit.
    class_weight
        None; ``balanced``: rows of a class weigh by the inverse of its frequency; or a dict of
        class names and weights, in which a missing class weighs 1: as in scikit-learn. They
        weigh the same in the loss on held-out rows.
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
        strengths: Sequence[float] | float = STRENGTHS,
        n_folds: int = N_FOLDS,
        max_iterations: int = MAX_ITERATIONS,
        class_weight: str | Mapping[Any, float] | None = None,
        random_state: int = 0,
    ) -> None:
        self.strengths = strengths
        self.n_folds = n_folds
        self.max_iterations = max_iterations
        self.class_weight = class_weight
        self.random_state = random_state

    def fit(self, X: Any, y: Any, *, sample_weight: Any = None, groups: Any = None) -> LogisticHead:
        """Choose the strength and fit.

        Parameters
        ----------
        X
            float, (n, d): transfer values.
        y
            (n,): labels of at least two classes.
        sample_weight
            float, (n,), ≥ 0: a row of weight 2 counts as the row twice, in the penalty as well,
            and one of weight 0 is not there; None: all weigh 1.
        groups
            (n,): rows of one group, such as views of an image, are held out together where the
            strength is chosen; None: each is on its own.

        Raises
        ------
        UsageError
            When a parameter is out of range, or the rows cannot be trained on.
        """
        strengths = require_strengths(self.strengths)
        n_folds = require_whole("n_folds", self.n_folds, 2)
        max_iterations = require_whole("max_iterations", self.max_iterations, 1)
        seed = require_seed("random_state", self.random_state)
        X, codes, weights = self._check_training_rows(X, y, sample_weight)
        groups = require_groups(groups, sample_weight, y)
        found = fit_logistic(
            X,
            codes,
            len(self.classes_),
            strengths=strengths,
            n_folds=n_folds,
            max_iterations=max_iterations,
            class_weights=class_weights(self.class_weight, self.classes_, codes, weights),
            weights=weights,
            groups=groups,
            seed=seed,
        )
        self.layers_, self.strength_, self.scores_ = found
        return self

    def training_facts(self) -> dict[str, Any]:
        """The C of the penalty."""
        return {"strength": self.strength_}
