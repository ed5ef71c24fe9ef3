"""Judging a head: the transfer values it needs, and how well it does on them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from ..cache import CacheFolder, Variant
from ..classifier import load_head
from ..classifier.evaluation import Evaluation, evaluate
from ..classifier.splits import SPLITS, split
from ..errors import DatasetError, HeadMismatchError, UsageError
from ..features.extractor import require_known
from .extraction import bank
from .rebuild import read_recipe, weights_finder

if TYPE_CHECKING:
    from ..classifier import Head
    from ..features import Dataset
    from .table import FeatureTable


def extract_for_head(
    dataset: Dataset,
    head: str | os.PathLike[str],
    *,
    cache: str | os.PathLike[str] | None = None,
    extractor: str | None = None,
    weights: str | None = None,
    engine: str = "auto",
    precision: str = "auto",
) -> tuple[FeatureTable, Head]:
    """Load a head and bring the transfer values that it judges into the cache.

    Parameters and errors are those of `load_predictor`; of the cached variants, ``auto``
    prefers the head's own.
    """
    require_known(engine, precision)
    loaded = load_head(head)
    trained_on = read_recipe(loaded, head)
    with CacheFolder(cache, create=True) as folder:
        find = weights_finder(trained_on, folder, head, extractor, weights, None)
        names = folder.variants(trained_on.fingerprint)
        if precision == "auto" and loaded.precision in {Variant.parse(n).precision for n in names}:
            precision = loaded.precision
        table = bank(dataset, trained_on, find, folder, engine=engine, precision=precision)
    return table, loaded


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
