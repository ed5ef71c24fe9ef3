"""Predictions for every row, from heads that were trained without the row's fold.

It sees arrays alone; `training.cross_validation` decides when a table is cross-validated.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from ..rows_on_disk import Rows, RowsOnDisk, some_rows
from .training_rows import training_rows

if TYPE_CHECKING:
    from collections.abc import Callable


class _Head(Protocol):
    def fit(self, X: Any, y: Any, /, *, sample_weight: Any = None) -> Any: ...

    def predict_proba(self, X: Any, /) -> np.ndarray: ...


class OutOfFold(NamedTuple):
    """Predictions for rows by heads that were not trained on them."""

    classes: np.ndarray
    """(k,): ascending."""
    probabilities: np.ndarray
    """float64, (n, k); 0 for a class of which all rows are in the row's own fold."""
    fit_seconds: list[float]
    """Of each fold, with its predictions."""

    @property
    def predicted(self) -> np.ndarray:
        """(n,): the most probable class of each row."""
        return self.classes[self.probabilities.argmax(axis=1)]


def out_of_fold(
    make_head: Callable[[list[Any]], _Head],
    features: Rows,
    labels: np.ndarray,
    folds: np.ndarray,
    on_fold: Callable[[int], object] = lambda fold: None,
    *,
    weights: np.ndarray | None = None,
    views: Rows | None = None,
) -> OutOfFold:
    """Train a head without each fold in turn, and predict the fold with it.

    Parameters
    ----------
    make_head
        Given the classes that it is to be trained on, makes a head.
    features, labels, folds
        float32, (n, d), (n,) and int, (n,): from `stratified_folds`.
    on_fold
        Called before each fit.
    weights
        float, (n,): what each row weighs in training; None: 1.
    views
        float32, (n, views, d): rows of views of the images, to train on beside them where they are
        not held out; None: there are none. On disk, in the file of `features`, (n * views, d).

    Notes
    -----
    Where one class alone is left to train on, it is always the answer.

    Examples
    --------
    >>> from bottlebank.classifier import NearestHead
    >>> rows = np.eye(2, dtype="float32")[[0, 0, 1, 1]]
    >>> found = out_of_fold(
    ...     lambda classes: NearestHead(1), rows, np.array([*"aabb"]), np.array([0, 1, 0, 1])
    ... )
    >>> found.predicted.tolist()
    ['a', 'a', 'b', 'b']
    """
    from sklearn.utils.validation import has_fit_parameter

    classes = np.unique(labels)
    probabilities = np.zeros((len(labels), len(classes)))
    seconds = []
    for fold in np.unique(folds):
        on_fold(int(fold))
        held_out = folds == fold
        start = time.perf_counter()
        learned = np.unique(labels[~held_out])
        answers: np.ndarray | float = 1.0
        if len(learned) > 1:
            head: Any = make_head(learned.tolist())
            rows = training_rows(
                some_rows(features, ~held_out),
                labels[~held_out],
                None if weights is None else weights[~held_out],
                _of_images(views, ~held_out),
            )
            about = {
                name: value
                for name, value in rows.about().items()
                if name == "sample_weight" or has_fit_parameter(head, name)
            }
            head.fit(rows.features, rows.labels, **about)
            answers = head.predict_proba(some_rows(features, held_out))
        probabilities[np.ix_(held_out, np.isin(classes, learned))] = answers
        seconds.append(time.perf_counter() - start)
    return OutOfFold(classes, probabilities, seconds)


def _of_images(views: Rows | None, chosen: np.ndarray) -> Rows | None:
    """The rows of the views of some images, bool (n,)."""
    if isinstance(views, RowsOnDisk):
        return views.some(np.repeat(chosen, len(views) // len(chosen)))
    return None if views is None else views[chosen]
