"""Evaluating a head: the transfer values that it needs, and how well it does on them."""

from __future__ import annotations

import logging
import os
from functools import partial
from textwrap import indent
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..arguments import is_one_of, received
from ..cache import CacheFolder, Variant
from ..classifier.given_head import as_head
from ..classifier.head import HeadAnswer
from ..classifier.metrics.evaluation import Evaluation, evaluate
from ..datasets import as_dataset
from ..datasets.splits import SPLITS, Split
from ..datasets.unlabelled import require_labels
from ..errors import DatasetError, EngineError, HeadMismatchError, UsageError
from ..extraction.extract_dataset import extract_recipe
from ..extraction.feature_table import require_table
from ..features import open_extractor
from ..features.engines.registry import require_known
from ..features.golden_files import transfer_values_of
from ..features.images.decoder import MAX_PIXELS, require_max_pixels
from ..features.images.decoding_shares import require_allowed
from ..formatting import counted, percent
from ..prediction.head_extractor import read_recipe, weights_finder
from ..prediction.loading import views_for
from ..prediction.neighbours import trained_on
from ..prediction.parity import check_parity, require_known_parity
from ..prediction.rows import answer_to
from ..progress import Progress
from ..rows_on_disk import some_rows
from .cross_validation import CrossValidated, cross_validate
from .split import near_duplicates, split_table
from .within_memory import with_views, within_memory
from .without_views import without_views

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..classifier import Head
    from ..classifier.given_head import HeadLike
    from ..classifier.metrics.comparison import Paired
    from ..datasets import Dataset
    from ..extraction.feature_table import FeatureTable

SEEN_IS_UNKNOWN = (
    "whether the head was trained on some of these images is unknown: this cache has no list of "
    "its training images"
)

_ROWS_AT_ONCE = 4096
"""Of images and their views, which are read together."""

logger = logging.getLogger(__name__)


def extract_for_head(
    dataset: Dataset | str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    head: HeadLike,
    *,
    cache: str | os.PathLike[str] | None = None,
    extractor: str | os.PathLike[str] | None = None,
    weights: str | os.PathLike[str] | None = None,
    engine: str = "auto",
    precision: str = "auto",
    parity: str = "refuse",
    max_pixels: int = MAX_PIXELS,
    workers: int | None = None,
    memory: int | str | None = None,
    views: int = 0,
    view_rule: str | None = None,
    progress: bool | None = None,
) -> tuple[FeatureTable, Head]:
    """Load a head, and extract with its recipe the images that it is evaluated on.

    `dataset`, `workers` and `memory` are what `extract` takes, and `progress` is shown as there.
    Other parameters and errors are those of `load_predictor`, and the table has the views; of the
    cached variants, ``auto`` prefers the head's own.
    """
    require_known(engine, precision)
    require_known_parity(parity)
    max_pixels = require_max_pixels(max_pixels)
    allowed = require_allowed(workers, memory)
    dataset = as_dataset(dataset)
    loaded = as_head(head)
    source = head if isinstance(head, (str, os.PathLike)) else f"the head {loaded.version}"
    trained_on = read_recipe(loaded, source)
    chosen_views = views_for(loaded, views, view_rule)
    with CacheFolder(cache, create=True) as folder:
        find = weights_finder(trained_on, folder, source, extractor, weights, None)
        names = folder.variants(trained_on.fingerprint)
        cached = {Variant.parse(name).precision for name in names}
        extract_in = partial(
            extract_recipe,
            dataset,
            trained_on,
            find,
            folder,
            engine=engine,
            max_pixels=max_pixels,
            allowed=allowed,
            views=chosen_views,
            progress=progress,
        )
        if precision != "auto" or loaded.precision not in cached:
            table = extract_in(precision=precision)
        else:
            try:
                table = extract_in(precision=loaded.precision)
            except EngineError as error:
                logger.warning(
                    "new images are computed in float32, not in the head's %s: %s",
                    loaded.precision,
                    error,
                )
                table = extract_in(precision="float32")
        computed_in = table.report.precision

        def compute(files: Sequence[bytes]) -> np.ndarray:
            if table.golden is not None and list(table.golden.files) == list(files):
                return table.golden.features
            extractor = open_extractor(
                trained_on,
                find,
                engine=engine,
                precisions=[computed_in],
                networks=folder.networks,
                progress=progress,
            )
            return transfer_values_of(extractor, files)

        check_parity(loaded, source, computed_in, compute, parity)
    return table, loaded


class TrainedOn(NamedTuple):
    """How many of the images that a head is evaluated on it was trained on."""

    images: int
    near_duplicates: int
    """Others that show nearly the same as one of these, or as another image that it was trained on:
    as far as they were looked for, which is where not all images are in one split."""
    without: Evaluation | None
    """How it does without both; None where none is left."""

    def in_words(self, n_images: int) -> str:
        """One sentence; empty where none of the images is concerned."""
        found = []
        these = f"{'these ' if n_images > 1 else ''}{counted(n_images, 'image')}"
        if self.images:
            found.append(f"the head was trained on {self.images} of {these}")
        if self.near_duplicates:
            are = "is a near-duplicate" if self.near_duplicates == 1 else "are near-duplicates"
            found.append(
                f"{self.near_duplicates} of {counted(n_images, 'image')} {are} of training images"
            )
        return f"{', and '.join(found)}: these figures are too good" if found else ""

    def __repr__(self) -> str:
        rest = "no image is left without them"
        if self.without is not None:
            rest = f"accuracy {percent(self.without.accuracy)} without them"
        n_images, n_near = self.images, self.near_duplicates
        return (
            f"<TrainedOn {counted(n_images, 'image')}, {counted(n_near, 'near-duplicate')}; {rest}>"
        )

    def as_dict(self) -> dict[str, Any]:
        """JSON values; of the figures those of all classes together."""
        figures = None if self.without is None else self.without.as_dict()
        if figures is not None:
            figures = {name: figures[name] for name in figures if name not in _PER_CLASS}
        return {**self._asdict(), "without": figures}


_PER_CLASS = ("classes", "confusion_matrix", "per_class")


class SplitEvaluation(NamedTuple):
    """How a head does on one split of a table."""

    name: str
    """``train``, ``validation``, ``test`` or ``all``."""
    rows: np.ndarray
    """int, (n,): the rows of the table that are in it."""
    answer: HeadAnswer
    """The predictions of the head for them."""
    evaluation: Evaluation
    split: Split
    trained_on: TrainedOn | None
    """None where the cache does not know what the head was trained on."""
    cross_validated: CrossValidated | None = None
    """Figures on all images, where no split was requested and the default one says too little."""
    without_views: Paired | None = None
    """Figures of the images themselves, where those above are of averages over views."""

    def __repr__(self) -> str:
        seen = "on images that this cache does not know"
        if self.trained_on is not None:
            seen = self.trained_on.in_words(self.evaluation.images) or "on none of these images"
        facts = [repr(self.answer), repr(self.split), f"trained: {seen}", repr(self.evaluation)]
        if self.cross_validated is not None:
            facts.insert(0, repr(self.cross_validated))
        return f"<SplitEvaluation of {self.name}\n{indent(chr(10).join(facts), '  ')}>"


def evaluate_head(
    head: HeadLike,
    table: FeatureTable,
    split: str | None = None,
    *,
    views: bool = False,
    memory: int | str | None = None,
    progress: bool | None = None,
) -> tuple[str, Evaluation]:
    """Evaluate a head on one split of a table.

    A warning is logged when the head was trained on some of the images, with its accuracy on the
    others, or when that is unknown; and when the images are so few that cross-validation says
    more, with its accuracy.

    Parameters
    ----------
    head
        From `load_head` or `train_head`; or the path of a head file.
    table
        From `extract`, of the head's extractor.
    split
        ``train``, ``validation``, ``test`` or ``all``; None for test, or validation where test
        has no images.
    views
        Whether probabilities are averaged over each image and the views of it that the table has.
    memory
        What evaluating may take: as in `train_head`.
    progress
        Show on stderr how long it has run, as in `extract`.

    Returns
    -------
    (str, Evaluation)
        The split and its figures.

    Raises
    ------
    UsageError
        When the split is unknown, or `head` or `table` is something else.
    HeadFileError
        When the head cannot be loaded.
    HeadMismatchError
        When the table has another recipe than the head.
    DatasetError
        When the split has no images.
    TemporaryFileError
        When there is no room for the file.
    """
    require_table(table, "bb.evaluate_head(head, {})")
    with Progress("Evaluating the head", show=progress), within_memory(table, memory) as within:
        found = evaluate_split(head, within, split, views=views)
    seen = found.trained_on
    if seen is None:
        logger.warning("warning: %s", SEEN_IS_UNKNOWN)
    elif warning := seen.in_words(found.evaluation.images):
        without = "" if seen.without is None else f"; {seen.without.accuracy:.1%} without them"
        logger.warning("warning: %s%s", warning, without)
    if (better := found.cross_validated) is not None:
        logger.warning(
            "warning: %s; accuracy %.1f %%", better.in_words(), 100 * better.evaluation.accuracy
        )
    return found.name, found.evaluation


def evaluate_split(
    head: HeadLike, table: FeatureTable, split: str | None = None, *, views: bool = False
) -> SplitEvaluation:
    """Evaluate a head on one split of a table.

    Parameters
    ----------
    head
        As in `evaluate_head`.
    table
        From `extract`, of the head's extractor.
    split
        ``train``, ``validation``, ``test`` or ``all``; None takes test, or validation where
        test has no images, and cross-validates where they are few (`cross_validate`).
    views
        Whether probabilities are averaged over each image and the views of it that the table has;
        those of the cross-validation are not.

    Raises
    ------
    UsageError
        When the split is unknown, or `head` or `table` is something else.
    HeadFileError
        When the head cannot be loaded.
    HeadMismatchError
        When the table has another recipe than the head.
    DatasetError
        When the split has no images, or images have no class.
    """
    if split is not None and not is_one_of(split, ("all", *SPLITS)):
        raise UsageError(f"unknown split {received(split)}: expected {', '.join(SPLITS)} or all")
    head = as_head(head)
    require_table(table, "bb.evaluate_head(head, {})")
    require_same_recipe(head, table)
    table.require_rows()
    require_labels(table.labels, "the table")
    if views and not table.n_views:
        raise UsageError("the table has no views: extract with views=4, or some other number")
    decided = split_table(table)
    counts = decided.counts()
    better = cross_validate(head, table, decided) if split is None else None
    if split is None:
        split = next((name for name in ("test", "validation") if counts[name]), "test")
    rows = table.weighed if split == "all" else decided.rows(split)
    if not len(rows):
        present = ", ".join(f"{name} ({n})" for name, n in counts.items() if n)
        raise DatasetError(
            f"no images in the split {split!r}; there are {present or 'none'}: choose one with "
            f"--split, or --split all"
        )
    answer = _answer(head, table, rows, views)
    found = evaluate(table.labels[rows].tolist(), answer.probabilities, head.classes)
    seen = _trained_on(head, table, rows, answer, decided)
    alone = without_views(head, table, rows, answer.probabilities) if views else None
    return SplitEvaluation(split, rows, answer, found, decided, seen, better, alone)


def _answer(head: Head, table: FeatureTable, rows: np.ndarray, views: bool) -> HeadAnswer:
    """What a head says of rows, int (n,), of a table; or of them and their views."""
    if not views:
        return head.answer(some_rows(table.features, rows))
    n_together = max(1, _ROWS_AT_ONCE // (1 + table.n_views))
    found = [answer_to(head, block) for block in with_views(table, rows, n_together)]
    return HeadAnswer(*map(np.concatenate, zip(*found, strict=True)))


def require_same_recipe(head: Head, table: FeatureTable) -> None:
    """Raise HeadMismatchError where a head was trained on other transfer values than a table's."""
    changes = table.recipe.changes_since(head.recipe)
    if changes:
        raise HeadMismatchError(
            f"the head was trained on other transfer values: {'; '.join(changes)}. Extract with "
            f"what it was trained on, or train it again on these"
        )


def _trained_on(
    head: Head, table: FeatureTable, rows: np.ndarray, answer: HeadAnswer, decided: Split
) -> TrainedOn | None:
    every = trained_on(head, table)
    if every is None:
        return None
    seen = every[rows]
    near = np.zeros(len(table), bool)
    near[[row for row, other in decided.near.items() if every[other]]] = True
    if seen.any() and not seen.all():  # the head had another split than this table has
        pairs = near_duplicates(table, rows[~seen], np.flatnonzero(every))
        near[[row for row, _ in pairs]] = True
    near_here = near[rows] & ~seen
    rest = np.flatnonzero(~seen & ~near_here)
    without = None
    if len(rest):
        labels = table.labels[rows[rest]].tolist()
        without = evaluate(labels, answer.probabilities[rest], head.classes)
    return TrainedOn(int(seen.sum()), int(near_here.sum()), without)


def evaluate_splits(
    head: Head, table: FeatureTable, decided: Split
) -> dict[str, Evaluation | None]:
    """Evaluate a head on each split of a table; None for a split without images."""
    found: dict[str, Evaluation | None] = {}
    for name in SPLITS:
        rows = decided.rows(name)
        found[name] = None
        if len(rows):
            probabilities = head.predict_proba(some_rows(table.features, rows))
            found[name] = evaluate(table.labels[rows].tolist(), probabilities, head.classes)
    return found


def is_right(head: Head, table: FeatureTable, rows: np.ndarray) -> np.ndarray:
    """bool, (n,): whether the most probable class of rows (n,) of a table is theirs."""
    columns = head.predict_proba(some_rows(table.features, rows)).argmax(axis=1)
    return np.array(head.classes)[columns] == table.labels[rows]


def accuracy_of(head: Head, table: FeatureTable, rows: np.ndarray) -> float:
    """Share of rows (n,) of a table whose most probable class is theirs."""
    return float(is_right(head, table, rows).mean())
