"""Precision against recall, as the probability from which a class is answered falls."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class PrecisionRecall(NamedTuple):
    """One class against all others; each array is (t,), from the highest threshold on."""

    label: str
    recall: np.ndarray
    """float, 0-1: share of the class's images that are answered with it."""
    precision: np.ndarray
    """float, 0-1: share of these answers that are right."""

    @property
    def f1(self) -> np.ndarray:
        """float, (t,), 0-1: the harmonic mean of both; 0 where both are."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / np.where(total > 0, total, 1)

    @property
    def average_precision(self) -> float:
        """Precision at each recall that is reached, weighed by how much it adds."""
        return float(np.diff(self.recall, prepend=0) @ self.precision)


def precision_recall(
    label: str, probabilities: np.ndarray, is_true: np.ndarray
) -> PrecisionRecall | None:
    """The curve of one class.

    Parameters
    ----------
    label
        Its name.
    probabilities
        float, (n,), 0-1: of the class, for each image. Equal ones are answered together.
    is_true
        bool, (n,): whether the image is of the class.

    Returns
    -------
    PrecisionRecall or None
        None where no image is of the class.

    Examples
    --------
    >>> found = precision_recall("cat", np.array([0.9, 0.8, 0.3]), np.array([True, False, True]))
    >>> found.recall.tolist(), found.precision.round(2).tolist()
    ([0.5, 0.5, 1.0], [1.0, 0.5, 0.67])
    """
    if not is_true.any():
        return None
    order = np.argsort(-probabilities, kind="stable")
    right = is_true[order].cumsum()
    ends = np.append(np.diff(probabilities[order]) != 0, True)
    n_answered = 1 + np.flatnonzero(ends)
    return PrecisionRecall(label, right[ends] / right[-1], right[ends] / n_answered)
