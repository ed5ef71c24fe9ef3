"""Judging a head on a table of transfer values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..classifier.evaluation import Evaluation, evaluate
from ..classifier.splits import SPLITS, split
from ..errors import DatasetError, HeadMismatchError, UsageError

if TYPE_CHECKING:
    from ..classifier import Head
    from .table import FeatureTable


def evaluate_head(
    head: Head, table: FeatureTable, side: str | None = None
) -> tuple[str, Evaluation]:
    """Judge a head on one side of a table's split.

    Parameters
    ----------
    head
        From `load_head`.
    table
        From `extract`, of the head's extractor.
    side
        ``train``, ``validation``, ``test`` or ``all``; None takes test, or validation where
        test has no images.

    Returns
    -------
    (side, Evaluation)

    Raises
    ------
    UsageError
        When the side is unknown.
    HeadMismatchError
        When the table has another recipe than the head.
    DatasetError
        When the side has no images.
    """
    if side not in (None, "all", *SPLITS):
        raise UsageError(f"unknown split {side!r}: expected {', '.join(SPLITS)} or all")
    changes = table.recipe.changes_since(head.recipe)
    if changes:
        raise HeadMismatchError(
            f"the head was trained on other transfer values: {'; '.join(changes)}. Extract with "
            f"what it was trained on, or train it again on these"
        )
    table.require_rows()
    decided = split(table.keys, table.labels.tolist(), table.splits)
    counts = decided.counts()
    if side is None:
        side = next((name for name in ("test", "validation") if counts[name]), "test")
    rows = np.arange(len(table)) if side == "all" else decided.rows(side)
    found = evaluate_rows(head, table, rows)
    if found is None:
        present = ", ".join(f"{name} ({n})" for name, n in counts.items() if n)
        raise DatasetError(
            f"no images in the split {side!r}; there are {present or 'none'}: choose one with "
            f"--split, or --split all"
        )
    return side, found


def evaluate_rows(head: Head, table: FeatureTable, rows: np.ndarray) -> Evaluation | None:
    """Judge a head on rows (n,) of a table; None when there are none."""
    if len(rows) == 0:
        return None
    answers = head.predict_proba(table.features[rows]).argmax(axis=1)
    predicted = [head.classes[column] for column in answers]
    return evaluate(table.labels[rows].tolist(), predicted, head.classes)
