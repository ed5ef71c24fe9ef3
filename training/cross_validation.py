"""Figures of datasets of few images: cross-validated on all of them.

It decides when and on which rows; the folds' predictions come from `classifier.cross_validation`.
"""

from __future__ import annotations

from dataclasses import replace
from textwrap import indent
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..classifier.cross_validation import out_of_fold
from ..classifier.layers import softmax
from ..classifier.metrics.comparison import stratified_folds
from ..classifier.metrics.evaluation import LEAST_IMAGES, Evaluation, evaluate
from ..datasets.splits import (
    TEST,
    TRAIN,
    Split,
    rarest_class,
)
from ..errors import HeadFileError, MissingRowsError, UsageError
from ..formatting import counted
from ..prediction.loading import VIEWS, views_for
from ..prediction.neighbours import trained_on, tuned_on
from .head_settings import HeadSettings
from .split import groups_of_alike, split_table

if TYPE_CHECKING:
    from ..classifier import Head
    from ..extraction.feature_table import FeatureTable

N_FOLDS = 5
FINETUNED = "finetuned"
"""Entry of a head's training summary: how its extractor was trained on the same images."""
FEW_OF_A_CLASS = 20
"""Fewest different images of each class for which a test split suffices."""
MOST_IMAGES = 2000
"""Beyond, training five more heads takes long."""
WEIGHTED = "weighted"
"""In the training summary of a head: whether its images had weights."""
_LITTLE = 30  # test images below which their figures say little


class CrossValidated(NamedTuple):
    """How good heads like the trained one are on images that they were not trained on."""

    folds: int
    reason: str
    """Why the test split does not do."""
    rows: np.ndarray
    """int, (m,): the rows of the table that were evaluated."""
    probabilities: np.ndarray
    """float64, (m, k): predicted by the heads, in the order of `classes`."""
    classes: list[str]
    evaluation: Evaluation
    not_judged: list[str]
    """Classes whose images are all alike, or of one group: without them there is nothing to learn
    the class from."""
    images: int
    """Of the dataset, evaluated or not."""
    trained_on: int
    """Images that a head of a fold was trained on, in the mean."""
    head_trained_on: int
    """Images that the head itself was trained on."""

    def in_words(self) -> str:
        """One sentence: how the figures were got, and why."""
        n_judged = len(self.rows)
        part = "all" if n_judged == self.images else f"{n_judged} of"
        on = f"{part} {counted(self.images, 'image')}"
        text = f"cross-validated in {self.folds} folds on {on}: {self.reason}"
        if self.not_judged:
            shown = ", ".join(map(repr, self.not_judged[:5]))
            more = len(self.not_judged) - 5
            others = f" and {more} more" if more > 0 else ""
            it_has = "it has" if len(self.not_judged) == 1 else "they have"
            text += (
                f"; {shown}{others} cannot be evaluated, because {it_has} only one image, or only "
                f"images that are alike: add different ones"
            )
        if self.evaluation.caution:
            text = f"figures of {self.evaluation.images_in_words}: {text}"
        return text

    def __repr__(self) -> str:
        return f"<CrossValidated {self.in_words()}\n{indent(repr(self.evaluation), '  ')}>"

    def about_heads(self) -> str:
        """Which heads the figures are of."""
        return (
            f"of {self.folds} heads like it, each trained on about "
            f"{counted(self.trained_on, 'image')}; the "
            f"head itself was trained on {self.head_trained_on}"
        )

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "folds": self.folds,
            "reason": self.reason,
            "trained_on": self.trained_on,
            "not_judged": self.not_judged,
            **self.evaluation.as_dict(),
        }


def cross_validate(head: Head, table: FeatureTable, decided: Split) -> CrossValidated | None:
    """Evaluate heads like a trained one on all images, in folds, where a class has few.

    The folds are those of `compare`: stratified by class, with equal files, near-duplicates and
    declared groups kept together. In each, a head of the same kind and settings is trained on the
    other folds; the trained head's temperature is kept.

    Parameters
    ----------
    head
        From `train_head`.
    table
        What it was trained on.
    decided
        The split of the table.

    Returns
    -------
    CrossValidated or None
        None where the split is declared, where each class has `FEW_OF_A_CLASS` different images
        or more, where there are more than `MOST_IMAGES`, where the head was not trained on the
        train split of this split, with these labels, where no class has two different images, and
        where the extractor was fine-tuned: it has seen images on which the folds are evaluated.
    """
    weighed = table.weighed
    if len(weighed) < len(table):
        part = table.some(weighed)
        found = cross_validate(head, part, split_table(part))
        return None if found is None else found._replace(rows=weighed[found.rows])
    if head.training.get(WEIGHTED, False) != (table.weights is not None):
        return None
    if decided.declared or len(table) > MOST_IMAGES or tuned_on(table).any():
        return None
    rarest, n_rarest = rarest_class(table.contents, table.labels.tolist(), table.groups)
    if n_rarest >= FEW_OF_A_CLASS or not _was_trained_here(head, table, decided):
        return None
    groups = groups_of_alike(table)
    n_folds = min(N_FOLDS, len(set(groups.tolist())))
    if n_folds < 2:
        return None
    if sorted(set(table.labels.tolist())) != list(head.classes):
        return None  # labels have changed since
    settings = HeadSettings.of(head)
    folds, _ = stratified_folds(table.labels, groups, n_folds, settings.seed)
    try:
        views = _views(head, table)
    except MissingRowsError:  # without them, the heads would not be like it
        return None
    labels = table.labels
    alone = [
        name for name in np.unique(labels).tolist() if len(np.unique(folds[labels == name])) == 1
    ]
    rows = np.flatnonzero(~np.isin(labels, alone))
    if not len(rows):
        return None
    found = out_of_fold(
        settings.estimator,
        table.features[:],  # few: `MOST_IMAGES`
        labels,
        folds,
        weights=table.weights,
        views=views,
    )
    with np.errstate(divide="ignore"):  # a probability of 0 stays one
        probabilities = softmax(np.log(found.probabilities[rows]) / head.temperature)
    classes = found.classes.tolist()
    return CrossValidated(
        folds=len(np.unique(folds)),
        reason=_reason(len(decided.rows(TEST)), rarest, n_rarest),
        rows=rows,
        probabilities=probabilities,
        classes=classes,
        evaluation=evaluate(labels[rows].tolist(), probabilities, classes),
        not_judged=alone,
        images=len(table),
        trained_on=round(len(table) * (1 - 1 / len(np.unique(folds)))),
        head_trained_on=len(decided.rows(TRAIN)),
    )


def _views(head: Head, table: FeatureTable) -> np.ndarray | None:
    """Rows of those views that a head was trained on, float32 (n, views, width), of all images."""
    try:
        views = views_for(head, head.training.get(VIEWS, 0))
    except UsageError as error:
        raise HeadFileError(
            f"how the head {head.version} was trained is not in its training summary ({error}): "
            f"train it again"
        ) from error
    return replace(table, views=views).view_features() if views.numbers else None


def _was_trained_here(head: Head, table: FeatureTable, decided: Split) -> bool:
    """Whether it was trained on the train split and nothing else of the table."""
    every = trained_on(head, table)
    if every is None:
        return False
    mine = {table.keys[row] for row in np.flatnonzero(every).tolist()}
    return mine == {table.keys[row] for row in decided.rows(TRAIN).tolist()}


def _reason(n_test: int, rarest: str, n_rarest: int) -> str:
    if n_test == 0:
        return "the test split has no images"
    if n_test < _LITTLE:
        said = "nothing" if n_test < LEAST_IMAGES else "little"
        return f"a test split of {counted(n_test, 'image')} says {said}"
    different = "1 image" if n_rarest == 1 else f"{n_rarest} different images"
    return f"the class {rarest!r} has only {different}"
