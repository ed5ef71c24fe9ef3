"""Statistics of heads evaluated on the same rows: the folds, and which differences are real.

It sees arrays alone; `training.compare` trains the heads of a table and calls this.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...errors import UsageError
from .intervals import Interval, wilson_interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike


LEVEL = 0.05
"""Below which a p-value is taken for a difference."""


class Paired(NamedTuple):
    """Two heads, or one head before and after a change, on the same images."""

    images: int
    before: float
    """Accuracy of the first."""
    after: float
    """Accuracy of the second."""
    gained: int
    """Images that only the second has right."""
    lost: int
    """Images that only the first has right."""
    p_value: float
    """Of McNemar's exact test that both are equally often right."""
    before_interval: Interval
    """95 % of the accuracy, Wilson's."""
    after_interval: Interval

    @property
    def is_gain(self) -> bool:
        """Whether the second is right more often than chance explains."""
        return self.gained > self.lost and self.p_value < LEVEL

    @property
    def is_loss(self) -> bool:
        """Whether the first is."""
        return self.gained < self.lost and self.p_value < LEVEL

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        values = self._asdict()
        intervals = {name: list(values[name]) for name in ("before_interval", "after_interval")}
        return {**values, **intervals, "gain": self.is_gain}


class Candidate(NamedTuple):
    """How good one head is, and how it compares with the best."""

    name: str
    accuracy: float
    interval: Interval
    """95 % of the accuracy, Wilson's."""
    wins: int
    """Rows that it has right and the best has wrong."""
    losses: int
    """Rows that it has wrong and the best has right."""
    p_value: float | None
    """Of being as good as the best, corrected for the number of pairs; None for the best."""


class Comparison(NamedTuple):
    """Heads that were evaluated on the same rows."""

    images: int
    best: str
    candidates: list[Candidate]
    """From the most accurate to the least; equals in the order in which they were given."""

    def as_dict(self) -> dict[str, Any]:
        """JSON values, with the figures' names as keys."""
        candidates = [
            {**found._asdict(), "interval": list(found.interval)} for found in self.candidates
        ]
        return {**self._asdict(), "candidates": candidates}


def compare(right: Mapping[str, ArrayLike]) -> Comparison:
    """Find the best head, and which others may be as good.

    Parameters
    ----------
    right
        For each head, bool, (n,): whether its answer for a row was right when it had not been
        trained on the row. Row i is the same image for all heads. Among equally accurate heads
        the first is the best: name the simplest first.

    Returns
    -------
    Comparison

    Raises
    ------
    UsageError
        When there is no head, there are no rows, or the heads have different numbers of rows.

    Notes
    -----
    Two heads are compared by McNemar's exact test (`mcnemar`). The p-values are corrected by
    Holm's method (*A simple sequentially rejective multiple test procedure*, 1979) for all pairs
    of heads and not for those with the best alone: which head is the best is decided by the same
    rows, so that comparing with it is choosing among all pairs. Of heads that are equally good,
    one in twenty comparisons at most finds a difference.

    The rows are taken to be independent: near-duplicates among them make the intervals and the
    p-values too small. That a head comes out otherwise when trained on other images is not in
    them (Dietterich, *Approximate statistical tests for comparing supervised classification
    learning algorithms*, 1998).

    Examples
    --------
    >>> found = compare({"small": [True] * 8 + [False] * 12, "large": [True] * 16 + [False] * 4})
    >>> found.best, round(found.candidates[1].p_value, 3)
    ('large', 0.008)
    """
    rows = {name: np.asarray(values, bool) for name, values in right.items()}
    shapes = {values.shape for values in rows.values()}
    if len(shapes) != 1 or len(shape := next(iter(shapes))) != 1 or not shape[0]:
        raise UsageError(
            f"expected heads that were evaluated on the same rows, one value per row; got "
            f"{', '.join(f'{name}: {values.shape}' for name, values in rows.items()) or 'none'}"
        )
    n = shape[0]
    names = sorted(rows, key=lambda name: -int(rows[name].sum()))  # stable: equals stay in order
    best = names[0]
    pairs = list(combinations(names, 2))
    p_values = dict(
        zip(pairs, holm([mcnemar(rows[one], rows[other]) for one, other in pairs]), strict=True)
    )
    candidates = []
    for name in names:
        found = paired(rows[best], rows[name])
        candidates.append(
            Candidate(
                name=name,
                accuracy=found.after,
                interval=found.after_interval,
                wins=found.gained,
                losses=found.lost,
                p_value=None if name == best else p_values[best, name],
            )
        )
    return Comparison(n, best, candidates)


def paired(before: ArrayLike, after: ArrayLike) -> Paired:
    """Compare two answers for the same images.

    Parameters
    ----------
    before, after
        bool, (n,) each, n at least 1: whether each answer was right.

    Examples
    --------
    >>> found = paired([True, False, False], [True, True, False])
    >>> found.gained, found.lost, found.p_value
    (1, 0, 1.0)
    """
    was, now = np.asarray(before, bool), np.asarray(after, bool)
    return Paired(
        images=len(was),
        before=float(was.mean()),
        after=float(now.mean()),
        gained=int((now & ~was).sum()),
        lost=int((was & ~now).sum()),
        p_value=mcnemar(was, now),
        before_interval=_accuracy_interval(was),
        after_interval=_accuracy_interval(now),
    )


def _accuracy_interval(right: np.ndarray) -> Interval:
    low, high = wilson_interval(int(right.sum()), len(right))
    return float(low), float(high)


def mcnemar(one: ArrayLike, other: ArrayLike) -> float:
    """Give the p-value of McNemar's exact test that two heads are equally often right.

    Among the rows that exactly one of the heads has right, each has half in expectation
    (McNemar, *Note on the sampling error of the difference between correlated proportions or
    percentages*, 1947; the binomial distribution in place of its approximation).

    Parameters
    ----------
    one, other
        bool, (n,) each.
    """
    from scipy.special import bdtr

    one, other = np.asarray(one, bool), np.asarray(other, bool)
    n_one, n_other = int((one & ~other).sum()), int((other & ~one).sum())
    return min(1.0, 2 * float(bdtr(min(n_one, n_other), n_one + n_other, 0.5)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's correction: p-values (m,) that can be compared with one level for all m tests."""
    values = np.asarray(p_values, float)
    order = values.argsort()
    steps = values[order] * np.arange(len(values), 0, -1)
    corrected = np.empty(len(values))
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return corrected.tolist()


def stratified_folds(
    labels: Sequence[str] | np.ndarray,
    groups: ArrayLike,
    n_folds: int = 5,
    random_state: int = 0,
) -> tuple[np.ndarray, list[str]]:
    """Deal rows to folds: each class evenly, and the rows of a group to one fold.

    Parameters
    ----------
    labels
        (n,).
    groups
        int, (n,): rows with the same number are the same image, or nearly. A head that is
        evaluated on one of them must not have been trained on another.
    n_folds
        At least 2, and not more than there are groups.
    random_state
        Decides which images go together.

    Returns
    -------
    folds : ndarray
        int, (n,): 0 to n_folds - 1. A class of single images has as many in each fold, or one
        more; and so have the folds.
    warnings : list of str
        The classes that cannot be in each fold, or are in one alone; with what to do.

    Raises
    ------
    UsageError
        When the lengths differ, or n_folds is out of range.

    Examples
    --------
    >>> stratified_folds(list("aaabbb"), [0, 0, 1, 2, 3, 4], n_folds=2)[0]
    array([0, 0, 1, 1, 1, 0])
    """
    # Not scikit-learn's StratifiedGroupKFold: before 1.8 it does not stratify what it shuffles, it
    # refuses rows of which every class has fewer than there are folds, and it takes some 50 times
    # as long (30 s for 78,619 rows).
    names, classes = np.unique(np.asarray(labels), return_inverse=True)
    group_numbers, members = np.unique(np.asarray(groups), return_inverse=True)
    n_groups = len(group_numbers)
    if len(classes) != len(members):
        raise UsageError(f"expected a group for each label; got {len(members)} for {len(classes)}")
    if not 2 <= n_folds <= n_groups:
        raise UsageError(
            f"expected from 2 to {n_groups} folds, as many as there are different images; got "
            f"{n_folds}"
        )
    counts = np.zeros((n_groups, len(names)), int)  # rows of each group and class
    np.add.at(counts, (members, classes), 1)
    sizes, class_of = counts.sum(axis=1), counts.argmax(axis=1)
    # Large groups first, since small ones can even out what they leave uneven; class by class, so
    # that the folds fill up alike.
    shuffled = np.random.default_rng(random_state).permutation(n_groups)
    order = shuffled[np.lexsort((class_of[shuffled], -sizes[shuffled]))]
    in_class, in_fold = np.zeros((len(names), n_folds), int).tolist(), [0] * n_folds
    fold_of = np.empty(n_groups, int)
    for group in order.tolist():
        filled = in_class[class_of[group]]
        fold = min(range(n_folds), key=lambda fold: (filled[fold], in_fold[fold]))
        filled[fold] += int(sizes[group])
        in_fold[fold] += int(sizes[group])
        fold_of[group] = fold
    folds = fold_of[members]
    return folds, _thin(names, classes, folds, n_folds)


def _thin(names: np.ndarray, classes: np.ndarray, folds: np.ndarray, n_folds: int) -> list[str]:
    """Name the classes that are not in every fold."""
    present = np.zeros((len(names), n_folds), bool)
    present[classes, folds] = True
    n_present = present.sum(axis=1)
    warnings = []
    for thin, consequence in (
        (n_present == 1, "is not in training when it is evaluated, so it is always wrong"),
        ((n_present > 1) & (n_present < n_folds), f"is evaluated in fewer than {n_folds} folds"),
    ):
        if thin.any():
            first = names[thin][:5].tolist()
            more = int(thin.sum()) - len(first)
            warnings.append(
                f"{', '.join(map(repr, first))}{f' and {more} more' if more else ''}: "
                f"a class with so few images {consequence}; add images, or use fewer folds"
            )
    return warnings
