"""The nearest head: what the most similar training rows are, as a check without tuning."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.neighbors import NearestNeighbors
from sklearn.utils.validation import check_is_fitted, validate_data

from ..arguments import require_whole
from .estimator import HeadEstimator, rows_in
from .weights import distinct

_DISTANCES_AT_ONCE = 1 << 22
"""Of neighbours that are looked at together: 200 MB with all that is made of them."""


class NearestHead(HeadEstimator):
    """The k nearest neighbours by cosine similarity; each votes for its class.

    A check on the other heads that trains nothing and needs no tuning: where it does better, they
    were trained badly, and where all are poor, the transfer values do not separate the classes.
    It keeps every training row, so it is not a head for a head file.

    A vote weighs ``(1 + similarity) / 2``, 0 to 1. Transfer values lie in a narrow cone, so that
    these are nearly plain votes; similarity decides between classes with equally many. Before
    the votes are counted, one more is shared equally among all classes, so that no class has
    probability 0 for not being among a few neighbours. A row of weight 2 votes as two rows, and
    the last that votes counts for as much of its weight as there are votes left.

    Parameters
    ----------
    n_neighbours
        Training rows that vote, by their weight; all of them where there are fewer.

    Attributes
    ----------
    classes_ : ndarray, (n_classes,)
    rows_ : ndarray, float32, (n, d)
        The different training rows of each class.
    codes_ : ndarray, int, (n,)
        Their classes as positions in `classes_`.
    weights_ : ndarray, float64, (n,)
        What they weigh: copies of a row weigh together.
    n_features_in_ : int

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.array([[9, 1], [8, 2], [1, 7], [2, 9]], dtype="float32")
    >>> head = NearestHead(n_neighbours=2).fit(rows, ["cat", "cat", "dog", "dog"])
    >>> head.predict([[1, 0], [1, 5]]).tolist()
    ['cat', 'dog']
    """

    kind = "knn"

    def __init__(self, n_neighbours: int = 10) -> None:
        self.n_neighbours = n_neighbours

    def fit(self, X: Any, y: Any, *, sample_weight: Any = None) -> NearestHead:
        """Keep the rows.

        Parameters
        ----------
        X
            float, (n, d): transfer values.
        y
            (n,): labels of at least two classes.
        sample_weight
            float, (n,), ≥ 0: a row of weight 2 counts as the row twice, and one of weight 0 is
            not there; None: all weigh 1.
        """
        require_whole("n_neighbours", self.n_neighbours, 1)
        X, codes, weights = self._check_training_rows(X, y, sample_weight)
        positions, self.weights_ = distinct(X, codes, weights)
        self.rows_, self.codes_ = X[positions], codes[positions]
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """float64 (n, n_classes) of transfer values (n, d), in the order of `classes_`."""
        check_is_fitted(self)
        rows: Any = validate_data(self, rows_in(X), dtype=np.float32, reset=False)
        # As many as surely weigh enough: the lightest ones could be the nearest.
        weigh_enough = np.sort(self.weights_).cumsum() >= self.n_neighbours
        n_asked = int(weigh_enough.argmax()) + 1 if weigh_enough.any() else len(self.rows_)
        search = NearestNeighbors(n_neighbors=n_asked, metric="cosine", algorithm="brute")
        search.fit(self.rows_)
        at_once = max(1, _DISTANCES_AT_ONCE // n_asked)
        parts = [
            self._votes(search, rows[start : start + at_once])
            for start in range(0, len(rows), at_once)
        ]
        return np.concatenate(parts)

    def _votes(self, search: NearestNeighbors, rows: np.ndarray) -> np.ndarray:
        distances, nearest = search.kneighbors(rows)  # 1 - similarity; (n, k)
        weights = self.weights_[nearest]
        nearer = weights.cumsum(axis=1) - weights
        weights = np.clip(self.n_neighbours - nearer, 0, weights)
        votes = np.full((len(rows), len(self.classes_)), 1 / len(self.classes_))
        each = np.arange(len(rows))[:, None], self.codes_[nearest]
        np.add.at(votes, each, weights * (1 - distances / 2))
        return votes / votes.sum(axis=1, keepdims=True)
