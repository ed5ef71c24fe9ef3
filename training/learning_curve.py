"""How accuracy grows with the training images of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..classifier.learning_curve import LearningCurve, learning_curve
from ..datasets.splits import TRAIN

if TYPE_CHECKING:
    import numpy as np

    from ..classifier import Head, LogisticHead
    from ..extraction.feature_table import FeatureTable
    from .evaluate import SplitEvaluation

N_REPEATS = 3
STRENGTH = 1e-3
"""Of the logistic heads, where the head itself is none."""


def train_learning_curve(
    head: Head, table: FeatureTable, evaluated: SplitEvaluation
) -> LearningCurve | None:
    """Train heads on more and more training images, and evaluate them on a split.

    They are logistic heads, which train in a moment, with the penalty of a logistic head.

    Parameters
    ----------
    head
        Whose curve it is.
    table, evaluated
        What it was evaluated on, and what `evaluate_split` returned.

    Returns
    -------
    LearningCurve or None
        None where training images are evaluated, and where fewer than two classes have any.
    """
    train = evaluated.split.rows(TRAIN)
    if evaluated.name in (TRAIN, "all") or len(set(table.labels[train].tolist())) < 2:
        return None
    from ..classifier import LogisticHead

    strength = head.training.get("strength", STRENGTH)

    def fit(features: np.ndarray, labels: np.ndarray) -> LogisticHead:
        return LogisticHead(strengths=(strength,)).fit(features, labels)

    return learning_curve(
        fit,
        table.features[train],
        table.labels[train],
        table.features[evaluated.rows],
        table.labels[evaluated.rows],
        n_repeats=N_REPEATS,
    )
