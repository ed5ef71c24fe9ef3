"""The nearest head: what the most similar training rows are, as a check without tuning."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from .estimator import HeadEstimator
from .settings import require_whole

_SIMILARITIES_AT_ONCE = 2**24
"""64 MiB of float32, whatever the number of training rows."""


class NearestHead(HeadEstimator):
    """The k nearest neighbours by cosine similarity; each votes for its class.

    A check on the other heads that trains nothing and needs no tuning: where it does better, they
    were trained badly, and where all are poor, the transfer values do not tell the classes apart.
    It keeps every training row, so it is no head for a head file.

    A vote weighs ``(1 + similarity) / 2``, 0 to 1. Transfer values lie in a narrow cone, so that
    these are nearly plain votes; similarity decides between classes with equally many. Before
    the votes are counted, one more is shared equally among all classes, so that no class has
    probability 0 for not being among a few neighbours.

    Parameters
    ----------
    n_neighbours
        Training rows that vote; all of them where there are fewer.

    Attributes
    ----------
    classes_ : ndarray, (n_classes,)
    rows_ : ndarray, float32, (n, d)
        The training rows, each of length 1.
    codes_ : ndarray, int, (n,)
        Their classes as positions in `classes_`.
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

    def fit(self, X: Any, y: Any) -> NearestHead:
        """Keep the rows.

        Parameters
        ----------
        X
            float, (n, d): transfer values.
        y
            (n,): labels of at least two classes.
        """
        require_whole("n_neighbours", self.n_neighbours, 1)
        X, self.codes_ = self._check_training_rows(X, y)
        self.rows_ = _of_length_one(X)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """float64 (n, n_classes) of transfer values (n, d), in the order of `classes_`."""
        check_is_fitted(self)
        checked: Any = validate_data(self, X, dtype=np.float32, reset=False)
        rows = _of_length_one(checked)
        n_together = max(1, _SIMILARITIES_AT_ONCE // len(self.rows_))
        blocks = [rows[start : start + n_together] for start in range(0, len(rows), n_together)]
        return np.concatenate([self._probabilities(block) for block in blocks])

    def _probabilities(self, rows: np.ndarray) -> np.ndarray:
        n_neighbours = min(self.n_neighbours, len(self.rows_))
        n_classes = len(self.classes_)
        similarities = rows @ self.rows_.T  # (block, n)
        nearest = np.argpartition(similarities, -n_neighbours, axis=1)[:, -n_neighbours:]
        weights = (1 + np.take_along_axis(similarities, nearest, axis=1)) / 2  # (block, k)
        votes = np.full((len(rows), n_classes), 1 / n_classes)
        np.add.at(votes, (np.arange(len(rows))[:, None], self.codes_[nearest]), weights)
        return votes / votes.sum(axis=1, keepdims=True)


def _of_length_one(rows: np.ndarray) -> np.ndarray:
    """The rows divided by their lengths; a row of zeros, like nothing, stays."""
    lengths = np.sqrt(np.einsum("nd,nd->n", rows, rows))[:, None]
    return rows / np.where(lengths > 0, lengths, 1)
