"""What it brings to average predictions over views of each image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..classifier.metrics.comparison import Paired, paired
from ..formatting import percent
from ..rows_on_disk import some_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..classifier import Head
    from ..extraction.feature_table import FeatureTable


def in_words(found: Paired) -> str:
    """One line about the images themselves and the averages."""
    return (
        f"without views: accuracy {percent(found.before)}; averaging gains {found.gained} and "
        f"loses {found.lost} (p = {found.p_value:.3f})"
    )


def without_views(
    head: Head, table: FeatureTable, rows: np.ndarray, averaged: np.ndarray
) -> Paired:
    """Compare averages with what a head says of the images themselves.

    Parameters
    ----------
    head, table
        What is evaluated, on what.
    rows
        int, (n,): of the table.
    averaged
        float, (n, classes): the probabilities over all views.
    """
    labels = table.labels[rows]
    alone = _right(head.predict_proba(some_rows(table.features, rows)), head.classes, labels)
    together = _right(averaged, head.classes, labels)
    return paired(alone, together)


def _right(probabilities: np.ndarray, classes: Sequence[str], labels: np.ndarray) -> np.ndarray:
    return np.array(classes)[probabilities.argmax(axis=1)] == labels
