"""What is predicted of each image of a table: by a head, or by heads that had not seen it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..classifier.given_head import as_head
from ..classifier.logistic_held_out import held_out_logistic
from ..classifier.metrics.comparison import stratified_folds
from ..errors import DatasetError
from ..extraction.feature_table import require_table
from ..formatting import counted
from ..prediction.neighbours import trained_on, tuned_on
from ..progress import Progress
from .evaluate import require_same_recipe
from .split import groups_of_alike

if TYPE_CHECKING:
    from ..classifier.given_head import HeadLike
    from ..extraction.feature_table import FeatureTable

N_FOLDS = 5
_LEAST_COSINE = 0.85
"""Of near-duplicates that are looked for: lower finds few more and reads many more files."""


class Judged(NamedTuple):
    """A prediction for each image of a table."""

    classes: list[str]
    """Ascending, without the empty label of images that have none; a head's in its own order."""
    probabilities: np.ndarray
    """float64, (n, k), each row adding up to 1."""
    predicted: np.ndarray
    """str, (n,): the most probable class."""
    confidence: np.ndarray
    """float64, (n,): its probability."""
    unknown: np.ndarray
    """bool, (n,): whether the image is most likely of none of the classes. A head decides it; out
    of fold nothing does, and all are False."""
    fair: np.ndarray
    """bool, (n,): whether what predicted an image had not been trained on it or on a
    near-duplicate, and had learned its class from other images."""
    in_words: str
    """One sentence: who predicted."""


def judge(
    table: FeatureTable,
    head: HeadLike | None = None,
    *,
    teaching: np.ndarray | None = None,
    progress: bool | None = None,
) -> Judged:
    """Predict the class of each image of a table.

    Parameters
    ----------
    table
        From `extract`. Images of an empty label or of weight 0 are predicted and not trained on.
    head
        Of the table's extractor; it predicts all images, those too that it was trained on. None:
        each image is predicted by a logistic head that was trained on the other images, in 5 folds
        that are stratified by class, with equal files, near-duplicates and declared groups kept
        together.
    teaching
        bool, (n,): images from whose labels those heads may learn; None: all. The others are
        predicted by the mean of the heads.
    progress
        Show on stderr how long it has run, as in `extract`.

    Raises
    ------
    ImageRejectedError, DatasetError
        When the table has no images, or none with a label.
    HeadMismatchError
        When the head was trained on other transfer values.

    Examples
    --------
    >>> import bottlebank as bb  # doctest: +SKIP
    >>> judged = judge(bb.extract("photos/"))  # doctest: +SKIP
    >>> judged.predicted[judged.confidence.argmin()]  # doctest: +SKIP
    'Hat'
    """
    require_table(table, "judge({})")
    table.require_rows()
    with Progress("Predicting each image", show=progress):
        return _out_of_fold(table, teaching) if head is None else _by_head(table, head)


def _by_head(table: FeatureTable, given: HeadLike) -> Judged:
    head = as_head(given)
    require_same_recipe(head, table)
    answer = head.answer(table.features)
    seen = trained_on(head, table)
    words = f"by the head {head.version}"
    if seen is None:
        words += "; whether it was trained on some of these images is unknown"
    elif seen.any():
        words += f", which was trained on {int(seen.sum()):,} of {counted(len(table), 'image')}"
    fair = np.zeros(len(table), bool) if seen is None else ~seen
    return _judged(list(head.classes), answer.probabilities, answer.unknown, fair, words)


def _out_of_fold(table: FeatureTable, teaching: np.ndarray | None) -> Judged:
    n = len(table)
    has_label = np.zeros(n, bool)
    has_label[table.weighed] = True
    has_label &= table.labels != ""
    learned_from = has_label if teaching is None else has_label & teaching
    rows = np.flatnonzero(learned_from)
    if not len(rows):
        raise DatasetError(
            "none of the images has a label: label some, or name a head that is to predict them"
        )
    part = table if len(rows) == n else table.some(rows)
    classes, codes = np.unique(part.labels, return_inverse=True)
    known = np.flatnonzero(has_label)
    groups_of_known = groups_of_alike(
        table if len(known) == n else table.some(known), least_cosine=_LEAST_COSINE
    )
    groups = groups_of_known[learned_from[known]]
    n_folds = min(N_FOLDS, len(set(groups.tolist())))
    fair = np.zeros(n, bool)
    none = np.zeros(n, bool)
    names = classes.tolist()
    if len(classes) == 1 or n_folds == 1:
        shares = np.bincount(codes) / len(codes)
        words = "by the share of each class: there are no two different images of two classes"
        return _judged(names, np.tile(shares, (n, 1)), none, fair, words)
    folds_of_part, _ = stratified_folds(part.labels, groups, n_folds)
    codes_of_all, folds = np.zeros(n, int), np.full(n, -1)
    codes_of_all[rows], folds[rows] = codes, folds_of_part
    found = held_out_logistic(
        table.features, codes_of_all, folds, len(classes), weights=table.weights
    )
    # A class of one fold alone cannot be predicted where it is.
    in_folds = np.zeros((len(classes), n_folds), bool)
    in_folds[codes, folds_of_part] = True
    fair[rows] = (in_folds.sum(axis=1) > 1)[codes]
    fair[~learned_from] = True
    taught = np.isin(groups_of_known, groups) & ~learned_from[known]
    fair[known[taught]] = False  # by something nearly the same
    fair &= ~tuned_on(table)
    words = (
        f"out of fold: {n_folds} logistic heads, each trained on about "
        f"{counted(round(len(rows) * (1 - 1 / n_folds)), 'image')} without those that it predicts"
    )
    return _judged(names, found.probabilities, none, fair, words)


def _judged(
    classes: list[str],
    probabilities: np.ndarray,
    unknown: np.ndarray,
    fair: np.ndarray,
    in_words: str,
) -> Judged:
    best = probabilities.argmax(axis=1)
    confidence = probabilities[np.arange(len(best)), best]
    predicted = np.array(classes)[best]
    return Judged(classes, probabilities, predicted, confidence, unknown, fair, in_words)
