"""What it brings to average predictions over views of each image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..classifier.metrics.comparison import mcnemar
from ..formatting import percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..classifier import Head
    from ..extraction.feature_table import FeatureTable


class WithoutViews(NamedTuple):
    """How a head does on the images themselves, against the averages over views of them."""

    accuracy: float
    """Of the images themselves."""
    gained: int
    """Images that are right in the average alone."""
    lost: int
    """Images that are right by themselves alone."""
    p_value: float
    """McNemar's exact test."""

    def in_words(self) -> str:
        """One line for people."""
        return (
            f"without views: accuracy {percent(self.accuracy)}; averaging gains {self.gained} and "
            f"loses {self.lost} (p = {self.p_value:.3f})"
        )

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return self._asdict()


def without_views(
    head: Head, table: FeatureTable, rows: np.ndarray, averaged: np.ndarray
) -> WithoutViews:
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
    alone = _right(head.predict_proba(table.features[rows]), head.classes, labels)
    together = _right(averaged, head.classes, labels)
    return WithoutViews(
        float(alone.mean()),
        int((together & ~alone).sum()),
        int((alone & ~together).sum()),
        mcnemar(together, alone),
    )


def _right(probabilities: np.ndarray, classes: Sequence[str], labels: np.ndarray) -> np.ndarray:
    return np.array(classes)[probabilities.argmax(axis=1)] == labels
