"""Comparing heads and extractors on the same images, in the same folds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..classifier.comparison import Candidate, stratified_folds
from ..classifier.comparison import compare as compare_right
from ..classifier.splits import TEST
from ..errors import DatasetError, UsageError
from .extraction import extract
from .sides import groups_of_alike, split_table
from .train import require_two_classes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..classifier import DenseHead, LogisticHead, NearestHead
    from ..features import Dataset
    from .table import FeatureTable

HEADS = ("logistic", "dense", "knn")


class Trial(NamedTuple):
    """A head on an extractor."""

    extractor: str
    head: str
    fit_seconds: float
    """Of one fold, the median."""
    standing: Candidate
    """How good it is on images that it had not seen, beside the others."""


class Trials(NamedTuple):
    """Heads and extractors on the same images and folds."""

    images: int
    folds: int
    trials: list[Trial]
    """From the most accurate to the least."""
    warnings: list[str]


def compare(
    dataset: Dataset,
    heads: Sequence[str],
    extractors: Sequence[str],
    *,
    n_folds: int = 5,
    seed: int = 0,
    on_fold: Callable[[str, int], object] = lambda name, fold: None,
    extract_with: Callable[[Dataset, str], FeatureTable] = extract,
) -> Trials:
    """Cross-validate every head on every extractor's transfer values.

    The folds are the same for all: stratified by class, with equal files, near-duplicates and
    declared groups kept together. Images of the test side take no part, so that the choice made
    here can still be judged by them.

    Parameters
    ----------
    dataset
        From `load_dataset`.
    heads
        Of ``logistic``, ``dense`` and ``knn``.
    extractors
        Names in the table of backbones.
    n_folds
        At least 2.
    seed
        Of the folds and heads.
    on_fold
        Called before each fit.
    extract_with
        Brings a dataset's transfer values of one extractor into the cache.

    Raises
    ------
    UsageError
        When a head is unknown or nothing is compared.
    DatasetError
        When there are fewer than two classes, or fewer images than folds.
    """
    if not heads or not set(heads) <= set(HEADS):
        raise UsageError(f"expected heads of {', '.join(HEADS)}, received {', '.join(heads)!r}")
    if not extractors:
        raise UsageError("expected at least one extractor, received none")
    tables = [extract_with(dataset, name) for name in extractors]
    for table in tables:
        table.require_rows()
        if list(table.keys) != list(tables[0].keys):
            raise DatasetError("the images have changed while they were extracted: run it again")
    first = tables[0]
    require_two_classes(first.labels, "the dataset, without its rejected images,")
    rows = np.flatnonzero(split_table(first).sides != TEST)
    if len(rows) < n_folds:
        raise DatasetError(
            f"{len(rows)} images outside the test side are fewer than {n_folds} folds: take fewer"
        )
    labels = first.labels[rows]
    folds, warnings = stratified_folds(labels, groups_of_alike(first)[rows], n_folds, seed)
    right: dict[str, np.ndarray] = {}
    fit_seconds: dict[str, float] = {}
    for table in tables:
        features = table.features[rows]
        for head in heads:
            name = f"{table.recipe.extractor}, {head}"
            right[name] = np.zeros(len(rows), bool)
            seconds = []
            for fold in np.unique(folds):
                on_fold(name, int(fold))
                held_out = folds == fold
                start = time.perf_counter()
                fitted = _make_head(head, seed).fit(features[~held_out], labels[~held_out])
                seconds.append(time.perf_counter() - start)
                right[name][held_out] = fitted.predict(features[held_out]) == labels[held_out]
            fit_seconds[name] = float(np.median(seconds))
    trials = []
    for standing in compare_right(right).candidates:
        extractor, head = standing.name.split(", ")
        trials.append(Trial(extractor, head, fit_seconds[standing.name], standing))
    return Trials(len(rows), len(np.unique(folds)), trials, warnings)


def _make_head(kind: str, seed: int) -> LogisticHead | DenseHead | NearestHead:
    from .. import classifier

    if kind == "logistic":
        return classifier.LogisticHead(random_state=seed)
    if kind == "dense":
        return classifier.DenseHead(random_state=seed)
    return classifier.NearestHead()
