"""What the heads share as scikit-learn estimators: checking rows, and predicting from layers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from ..arguments import received, type_of
from ..errors import UsageError, WrongTypeError, in_brief
from ..rows_on_disk import Rows, RowsOnDisk, some_rows
from .weights import require_sample_weight

if TYPE_CHECKING:
    from .layers import Layers


class HeadEstimator(ClassifierMixin, BaseEstimator, ABC):
    """A classifier of transfer values; what it predicts follows from its probabilities."""

    kind: str
    """What the head file calls it."""
    classes_: np.ndarray

    @abstractmethod
    def fit(self, X: Any, y: Any, *, sample_weight: Any = None) -> Self:
        """Train on transfer values, float (n, d), and labels (n,) of at least two classes.

        A row of weight 2 counts as the row twice, one of weight 0 is not there; None: all weigh 1.
        """

    @abstractmethod
    def predict_proba(self, X: Any) -> np.ndarray:
        """float64 (n, n_classes) of transfer values (n, d), in the order of `classes_`."""

    def predict(self, X: Any) -> np.ndarray:
        """(n,): the most probable class of each row."""
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(axis=1)]

    def _check_training_rows(
        self, X: Any, y: Any, sample_weight: Any = None
    ) -> tuple[Rows, np.ndarray, np.ndarray]:
        """float32 rows (n, d) that weigh more than 0, the class of each as int (n,), and its
        weight, float64 (n,); sets `classes_`.
        """
        given = np.asarray(y, object)
        if given.ndim == 1 and 0 < sum(isinstance(label, str) for label in given) < len(given):
            stranger = next(label for label in given if not isinstance(label, str))
            raise UsageError(
                f"the labels are of several types, some strings and {received(stranger)}: expected "
                f"all strings, or all numbers"
            )
        X = rows_in(X)
        try:
            if isinstance(X, RowsOnDisk):
                for _, block in X.blocks():
                    some: Any = block
                    validate_data(self, some, dtype=np.float32)
                y = column_or_1d(y)
                check_consistent_length(X, y)
            else:
                X, y = validate_data(self, X, y, dtype=np.float32)
            check_classification_targets(y)
        except ValueError as error:  # in scikit-learn's words, which name the array and the fault
            raise UsageError(str(error)) from error
        except TypeError as error:
            raise WrongTypeError(in_brief(error)) from error
        weights = require_sample_weight(sample_weight, len(X))
        if not weights.all():
            there = weights > 0
            X, y, weights = some_rows(X, there), y[there], weights[there]
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            only = self.classes_.tolist()[0]
            raise UsageError(
                f"Classifier can't train when only one class is present: {received(only)}"
            )
        return X, codes, weights

    def _rows_to_predict(self, X: Any, **settings: Any) -> Any:
        """Rows (n, d) as those that were trained on; on disk they are as they are."""
        if isinstance(X, RowsOnDisk):
            some: Any = X[:1]
            validate_data(self, some, reset=False)  # of another width, it is refused
            return X
        return validate_data(self, rows_in(X), reset=False, **settings)


class LayeredHead(HeadEstimator):
    """A classifier that comes down to `layers_`, which a head file keeps.

    Its `fit` calls `_check_training_rows`, which sets `classes_`, then sets `layers_`.
    """

    layers_: Layers

    def training_facts(self) -> dict[str, Any]:
        """What training has found besides the layers: JSON values, kept in the head file."""
        return {}

    def predict_proba(self, X: Any) -> np.ndarray:
        """float64 (n, n_classes) of transfer values (n, d), in the order of `classes_`."""
        check_is_fitted(self)
        return self.layers_.probabilities(self._rows_to_predict(X))


def rows_in(X: Any) -> Any:
    """`X`, which scikit-learn checks, unless it is something that has rows, such as a table.

    Raises
    ------
    WrongTypeError
        When it is.
    """
    if hasattr(X, "features") and not hasattr(X, "__array__"):
        raise WrongTypeError(
            f"expected transfer values (n, d), received {type_of(X)}: give its features"
        )
    return X
