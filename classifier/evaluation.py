"""How good predictions are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence


class Evaluation(NamedTuple):
    """Figures of predictions on labelled rows; the means are over classes, unweighted."""

    images: int
    accuracy: float
    precision_macro: float
    recall_macro: float
    f1_macro: float
    classes: list[str]
    confusion_matrix: np.ndarray
    """int, (n_classes, n_classes): row is the true class, column the predicted one."""

    def as_dict(self) -> dict[str, Any]:
        """JSON values, with the figures' names as keys."""
        return {**self._asdict(), "confusion_matrix": self.confusion_matrix.tolist()}


def evaluate(labels: Sequence[str], predicted: Sequence[str], classes: Sequence[str]) -> Evaluation:
    """Compare predictions with labels.

    Parameters
    ----------
    labels, predicted
        (n,) each.
    classes
        What the head can answer. Labels that it cannot are classes too: never right.

    Returns
    -------
    Evaluation
        Precision of a class that is never predicted, and recall of one that never occurs,
        count as 0, as does their F1; a class that neither occurs nor is predicted is left out
        of the means.
    """
    from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

    every = sorted({*classes, *labels})
    seen = sorted({*labels, *predicted})
    zero: Any = 0  # scikit-learn's annotation says str
    precision, recall, f1, _ = precision_recall_fscore_support(
        labels, predicted, labels=seen, average="macro", zero_division=zero
    )
    return Evaluation(
        images=len(labels),
        accuracy=float(accuracy_score(labels, predicted)),
        precision_macro=float(precision),
        recall_macro=float(recall),
        f1_macro=float(f1),
        classes=every,
        confusion_matrix=confusion_matrix(labels, predicted, labels=every),
    )
