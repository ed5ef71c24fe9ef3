"""Comparing heads and extractors on the same images, in the same folds."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..classifier.comparison import Candidate, stratified_folds
from ..classifier.comparison import compare as compare_right
from ..classifier.cross_validation import out_of_fold
from ..classifier.registry import make_head, require_heads
from ..datasets import as_dataset
from ..datasets.splits import TEST
from ..errors import DatasetError, UsageError
from ..extraction.extract_dataset import extract
from ..formatting import counted
from ..progress import Progress
from .split import groups_of_alike, split_table
from .train import require_two_classes

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    from ..classifier.estimator import HeadEstimator
    from ..datasets import Dataset
    from ..extraction.feature_table import FeatureTable


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
    rejected: int
    """Images that take no part, since they cannot be read."""
    in_test: int
    """Images that take no part, since they are in the test split."""


def compare(
    dataset: Dataset | str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    heads: Sequence[str],
    extractors: Sequence[str],
    *,
    n_folds: int = 5,
    seed: int = 0,
    on_fold: Callable[[str, int], object] = lambda name, fold: None,
    extract_with: Callable[[Dataset, str], FeatureTable] | None = None,
    progress: bool | None = None,
) -> Trials:
    """Cross-validate every head on every extractor's transfer values.

    The folds are the same for all: stratified by class, with equal files, near-duplicates and
    declared groups kept together. Images of the test split take no part, so that the choice made
    here can still be judged by them.

    Parameters
    ----------
    dataset
        What `extract` takes.
    heads
        Names in the registry of heads, such as ``logistic``, ``dense`` and ``knn``.
    extractors
        Names in the table of backbones.
    n_folds
        At least 2; fewer are made where fewer images differ.
    seed
        Random seed of the folds and heads.
    on_fold
        Called before each fit.
    extract_with
        Brings a dataset's transfer values of one extractor into the cache; None: `extract`.
    progress
        Show extractions and fits on stderr, as in `extract`.

    Raises
    ------
    UsageError
        When a head is unknown or nothing is compared.
    DatasetError
        When there are fewer than two classes, or fewer than two different images.
    """
    require_heads(heads)
    if not extractors:
        raise UsageError("expected at least one extractor, received none")
    dataset = as_dataset(dataset)
    if extract_with is None:
        extract_with = partial(extract, progress=progress)
    tables = [extract_with(dataset, name) for name in extractors]
    for table in tables:
        table.require_rows()
        if list(table.keys) != list(tables[0].keys):
            raise DatasetError("the images have changed while they were extracted: run it again")
    first = tables[0]
    require_two_classes(first.labels, "the dataset, without its rejected images,")
    rows = np.flatnonzero(split_table(first).sides != TEST)
    labels = first.labels[rows]
    require_two_classes(labels, "the dataset, without the images of its test split,")
    groups = groups_of_alike(first)[rows]
    n_different = len(set(groups.tolist()))
    if n_different < 2:
        raise DatasetError(
            f"the {counted(len(rows), 'image')} outside the test split are all alike, or of one "
            f"group: "
            f"cross-validation needs two different ones at least; add images"
        )
    fewer = []
    if n_different < n_folds:
        fewer.append(
            f"{n_folds} folds were requested, {counted(n_different, 'image')} differ: as many folds"
        )
    folds, thin = stratified_folds(labels, groups, min(n_folds, n_different), seed)
    warnings = [*fewer, *thin]
    right: dict[str, np.ndarray] = {}
    fit_seconds: dict[str, float] = {}
    n_folds = len(np.unique(folds))
    n_fits = len(tables) * len(heads) * n_folds
    with Progress("Fitting", n_fits, unit="fits", show=progress) as bar:

        def begin(name: str, fold: int) -> None:
            bar.note(name)
            bar.reach(len(right) * n_folds + fold)
            on_fold(name, fold)

        for table in tables:
            features = table.features[rows]
            for head in heads:
                name = f"{table.recipe.extractor}, {head}"
                judged = out_of_fold(
                    partial(_make, head, seed), features, labels, folds, partial(begin, name)
                )
                right[name] = judged.predicted == labels
                fit_seconds[name] = float(np.median(judged.fit_seconds))
    trials = []
    for standing in compare_right(right).candidates:
        extractor, head = standing.name.split(", ")
        trials.append(Trial(extractor, head, fit_seconds[standing.name], standing))
    in_test = len(first) - len(rows)
    return Trials(len(rows), n_folds, trials, warnings, len(first.rejected), in_test)


def _make(head: str, seed: int, classes: list[str]) -> HeadEstimator:
    return make_head(head, random_state=seed)
