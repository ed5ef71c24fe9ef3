"""Comparing heads and extractors on the same images, in the same folds.

It trains the heads of tables; the folds and the statistics are in `classifier.metrics.comparison`.
"""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..arguments import listed, require_whole, type_of
from ..classifier.cross_validation import out_of_fold
from ..classifier.metrics.comparison import Candidate, stratified_folds
from ..classifier.metrics.comparison import compare as compare_right
from ..classifier.registry import HEADS, require_heads
from ..datasets.splits import TEST
from ..errors import DatasetError, UsageError, WrongTypeError
from ..extraction.feature_table import FeatureTable
from ..formatting import counted
from ..prediction.neighbours import tuned_on
from ..progress import Progress
from ..rows_on_disk import some_rows
from .head_settings import HeadSettings
from .split import groups_of_alike, split_table
from .train import require_two_classes
from .within_memory import require_rows_in_memory, views_of, within_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


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
    tuned_on: int
    """Images that take no part, since a network was fine-tuned on them."""


def compare(
    tables: Iterable[FeatureTable],
    heads: Iterable[str],
    *,
    names: Sequence[str] | None = None,
    n_folds: int = 5,
    seed: int = 0,
    on_fold: Callable[[str, int], object] = lambda name, fold: None,
    memory: int | str | None = None,
    progress: bool | None = None,
) -> Trials:
    """Cross-validate every head on every extractor's transfer values.

    The folds are the same for all: stratified by class, with equal files, near-duplicates and
    declared groups kept together. Images of the test split take no part, so that the choice made
    here can still be evaluated on them; nor do those on which the network of a table was fine-tuned
    (`finetune`), which it knows. Where tables have views, those of the images of the other
    folds are trained on beside them; none is predicted.

    Parameters
    ----------
    tables
        From `extract`: one of each extractor, of the same dataset. An image of weight 2 counts as
        the image twice in training, and once in the figures.
    heads
        Names in the registry of heads, such as ``logistic``, ``dense`` and ``knn``.
    names
        What the extractor of each table is called; None: as in its recipe.
    n_folds
        At least 2; fewer are made where fewer images differ.
    seed
        Random seed of the folds and heads.
    on_fold
        Called before each fit.
    memory
        What it may take: as in `train_head`. A nearest head holds all rows.
    progress
        Show the fits on stderr, as in `extract`.

    Raises
    ------
    UsageError
        When a head is unknown or holds more rows than the memory does, `n_folds` is not a whole
        number of at least 2, nothing or something else than tables is compared, or two extractors
        have one name.
    DatasetError
        When the tables hold different images, fewer than two classes, or fewer than two different
        images.

    Examples
    --------
    >>> import bottlebank as bb  # doctest: +SKIP
    >>> names = "mobilenet_v2", "inception_v3"  # doctest: +SKIP
    >>> compare([bb.extract("photos/", name) for name in names], ["logistic"])  # doctest: +SKIP
    """
    heads = require_heads(heads)
    settings = [HeadSettings(head, seed=seed) for head in heads]
    n_folds = require_whole("n_folds", n_folds, 2)
    tables, names = _checked(tables, names)
    tables = [table.some(table.weighed) if table.weights is not None else table for table in tables]
    for table in tables:
        require_rows_in_memory(heads, table, memory)
    with contextlib.ExitStack() as stack:
        within = [stack.enter_context(within_memory(table, memory)) for table in tables]
        return _compare(within, names, settings, n_folds, seed, on_fold, progress)


def _compare(
    tables: Sequence[FeatureTable],
    names: Sequence[str],
    settings: Sequence[HeadSettings],
    n_folds: int,
    seed: int,
    on_fold: Callable[[str, int], object],
    progress: bool | None,
) -> Trials:
    first = tables[0]
    require_two_classes(first.labels, "the dataset, without its rejected images,")
    in_test = split_table(first).of_row == TEST
    tuned = np.any([tuned_on(table) for table in tables], axis=0) & ~in_test
    rows = np.flatnonzero(~in_test & ~tuned)
    labels = first.labels[rows]
    without = "the images of its test split"
    if tuned.any():
        without += (
            f" and those on which a network was fine-tuned ({counted(int(tuned.sum()), 'image')})"
        )
    require_two_classes(labels, f"the dataset, without {without},")
    groups = groups_of_alike(first)[rows]
    n_different = len(set(groups.tolist()))
    if n_different < 2:
        raise DatasetError(
            f"the {counted(len(rows), 'image')} without {without} are all alike, or of one group: "
            f"cross-validation needs at least two different ones; add images"
        )
    fewer = []
    if n_different < n_folds:
        fewer.append(
            f"using {n_different} folds instead of {n_folds}: there are only {n_different} "
            f"different images"
        )
    folds, thin = stratified_folds(labels, groups, min(n_folds, n_different), seed)
    warnings = [*fewer, *thin]
    right: dict[str, np.ndarray] = {}
    fitted: dict[str, tuple[str, str, float]] = {}
    n_folds = len(np.unique(folds))
    n_fits = len(tables) * len(settings) * n_folds
    with Progress("Fitting", n_fits, unit="fits", show=progress) as bar:

        def begin(name: str, fold: int) -> None:
            bar.note(name)
            bar.reach(len(right) * n_folds + fold)
            on_fold(name, fold)

        for table, extractor in zip(tables, names, strict=True):
            features = some_rows(table.features, rows)
            weights = None if table.weights is None else table.weights[rows]
            views = views_of(table, rows)
            for head in settings:
                name = f"{extractor}, {head.kind}"
                beginning = partial(begin, name)
                found = out_of_fold(
                    head.estimator,
                    features if HEADS[head.kind].from_disk else features[:],
                    labels,
                    folds,
                    beginning,
                    weights=weights,
                    views=views,
                )
                right[name] = found.predicted == labels
                fitted[name] = extractor, head.kind, float(np.median(found.fit_seconds))
    trials = [
        Trial(*fitted[standing.name], standing) for standing in compare_right(right).candidates
    ]
    return Trials(
        len(rows),
        n_folds,
        trials,
        warnings,
        len(first.rejected),
        int(in_test.sum()),
        int(tuned.sum()),
    )


def _checked(
    given: Iterable[FeatureTable], names: Sequence[str] | None
) -> tuple[list[FeatureTable], Sequence[str]]:
    """The tables, and what their extractors are called."""
    tables = listed(given)
    for table in [given] if tables is None else tables:
        if tables is None or not isinstance(table, FeatureTable):
            raise WrongTypeError(
                f"expected a list of tables from bb.extract, received {type_of(table)}"
                f"{' in it' if tables is not None else ''}: compare([bb.extract(…)], …)"
            )
    assert tables is not None, "then it has been refused"
    if not tables:
        raise UsageError("expected a table of at least one extractor, received none")
    if names is None:
        names = [table.recipe.extractor for table in tables]
    if len(names) != len(tables):
        raise UsageError(f"names: expected one for each of {len(tables)} tables, received {names}")
    if len(set(names)) < len(names):
        raise UsageError(
            f"expected a table of each extractor, received {', '.join(names)}: give them different "
            f"names with `names`"
        )
    for table, name in zip(tables, names, strict=True):
        table.require_rows()
        if list(table.keys) != list(tables[0].keys):
            raise DatasetError(
                f"the tables of {names[0]} and {name} hold different images: extract both again"
            )
    return tables, names
