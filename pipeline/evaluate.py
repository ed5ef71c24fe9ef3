"""Judging a head: the transfer values it needs, and how well it does on them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..cache import CacheFolder, Variant
from ..classifier import load_head
from ..classifier.evaluation import Evaluation, evaluate
from ..classifier.splits import SPLITS, Split
from ..errors import DatasetError, HeadMismatchError, UsageError
from ..features.extractor import open_extractor, require_known
from ..features.images import MAX_PIXELS
from ..features.parity import transfer_values_of
from .extraction import bank
from .parity import check_parity, require_known_parity
from .rebuild import read_recipe, weights_finder
from .sides import split_table

if TYPE_CHECKING:
    from ..classifier import Head
    from ..classifier.artifact import HeadAnswer, Probe
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
    parity: str = "refuse",
    max_pixels: int = MAX_PIXELS,
) -> tuple[FeatureTable, Head]:
    """Load a head and bring the transfer values that it judges into the cache.

    Parameters and errors are those of `load_predictor`; of the cached variants, ``auto``
    prefers the head's own.
    """
    require_known(engine, precision)
    require_known_parity(parity)
    loaded = load_head(head)
    trained_on = read_recipe(loaded, head)
    with CacheFolder(cache, create=True) as folder:
        find = weights_finder(trained_on, folder, head, extractor, weights, None)
        names = folder.variants(trained_on.fingerprint)
        if precision == "auto" and loaded.precision in {Variant.parse(n).precision for n in names}:
            precision = loaded.precision
        table = bank(
            dataset,
            trained_on,
            find,
            folder,
            engine=engine,
            precision=precision,
            max_pixels=max_pixels,
        )
        computed_in = table.report.precision

        def compute(probe: Probe) -> np.ndarray:
            if table.probe is not None and list(table.probe.files) == list(probe.files):
                return table.probe.features
            extractor = open_extractor(
                trained_on,
                find,
                engine=engine,
                precisions=[computed_in],
                networks=folder.networks,
            )
            return transfer_values_of(extractor, probe.files)

        check_parity(loaded, head, computed_in, compute, parity)
    return table, loaded


class Judged(NamedTuple):
    """How a head does on one side of a table's split."""

    side: str
    rows: np.ndarray
    """int, (n,): the rows of the table that were judged."""
    answer: HeadAnswer
    """What the head says of them."""
    evaluation: Evaluation
    split: Split


def evaluate_head(
    head: Head, table: FeatureTable, side: str | None = None
) -> tuple[str, Evaluation]:
    """Judge a head on one side of a table's split; parameters and errors are those of `judge`.

    Returns
    -------
    (side, Evaluation)
    """
    judged = judge(head, table, side)
    return judged.side, judged.evaluation


def judge(head: Head, table: FeatureTable, side: str | None = None) -> Judged:
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
    decided = split_table(table)
    counts = decided.counts()
    if side is None:
        side = next((name for name in ("test", "validation") if counts[name]), "test")
    rows = np.arange(len(table)) if side == "all" else decided.rows(side)
    if not len(rows):
        present = ", ".join(f"{name} ({n})" for name, n in counts.items() if n)
        raise DatasetError(
            f"no images in the split {side!r}; there are {present or 'none'}: choose one with "
            f"--split, or --split all"
        )
    answer = head.answer(table.features[rows])
    found = evaluate(table.labels[rows].tolist(), answer.probabilities, head.classes)
    return Judged(side, rows, answer, found, decided)


def accuracy_of(head: Head, table: FeatureTable, rows: np.ndarray) -> float:
    """Share of rows (n,) of a table whose most probable class is theirs."""
    columns = head.predict_proba(table.features[rows]).argmax(axis=1)
    return float((np.array(head.classes)[columns] == table.labels[rows]).mean())
