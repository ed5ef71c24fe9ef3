"""Labels that are likely wrong: confident learning on predictions out of fold.

Northcutt, Jiang & Chuang, *Confident learning: Estimating uncertainty in dataset labels*, Journal
of Artificial Intelligence Research 70 (2021). An image is counted for a class when its probability
is at least what is usual for images of that label. Those that are counted for another class than
their own are flagged; all images are ranked by the probability of their own label.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .finding import LABEL, Finding

if TYPE_CHECKING:
    from .material import Material

_TOLERANCE = 1e-6
"""By which a probability may miss its class's mean: the mean of equal numbers is not exactly one of
them."""

_OF_TEST = "a test image, predicted to be of another class (--include-test names it)"


class Suspicions(NamedTuple):
    """How likely it is that labels are wrong, of n rows."""

    score: np.ndarray
    """float64, (n,): 1 less the probability of the own label; 0 where nothing is known."""
    flagged: np.ndarray
    """bool, (n,): most probably of another class, and either counted for another or among as many
    least probable labels as are estimated to be wrong."""
    suggested: np.ndarray
    """int, (n,): the most probable class; -1 where that is their own, or nothing is known."""
    n_judged: int
    """Rows of which something is known."""
    n_wrong: float
    """How many of them are estimated to be wrong, by the confident joint."""

    def but_of(self, rows: np.ndarray, others: Suspicions) -> Suspicions:
        """With what is said elsewhere of some rows, bool (n,)."""
        return self._replace(
            score=np.where(rows, others.score, self.score),
            flagged=np.where(rows, others.flagged, self.flagged),
            suggested=np.where(rows, others.suggested, self.suggested),
        )


def confident_joint(probabilities: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Count rows by their label and by the class that they are confidently of.

    Parameters
    ----------
    probabilities
        float, (n, k): predicted out of fold.
    codes
        int, (n,): the label of each row, 0 to k - 1.

    Returns
    -------
    ndarray
        int, (k, k): rows with the label i that are confidently of class j. A row is confidently of
        the most probable of the classes whose probability is at least the mean of that probability
        over the rows of their label; rows that are so of none are not counted.

    Examples
    --------
    >>> confident_joint(np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.1, 0.9]]), [0, 0, 1, 1])
    array([[1, 0],
           [0, 1]])
    """
    k = probabilities.shape[1]
    confident = confidently_of(probabilities, np.asarray(codes))
    counts = np.zeros((k, k), int)
    counted = confident >= 0
    np.add.at(counts, (np.asarray(codes)[counted], confident[counted]), 1)
    return counts


def confidently_of(probabilities: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """int (n,): the class that each row is confidently of (`confident_joint`); -1 for none."""
    k = probabilities.shape[1]
    own = np.take_along_axis(probabilities, codes[:, None], axis=1)[:, 0]
    n_of_class = np.bincount(codes, minlength=k)
    totals = np.bincount(codes, own, minlength=k)
    # A class without rows has no usual probability: nothing is confidently of it.
    usual = np.where(n_of_class > 0, totals / np.maximum(n_of_class, 1), np.inf)
    above = np.where(probabilities >= usual - _TOLERANCE, probabilities, -1)
    return np.where(above.max(axis=1) >= 0, above.argmax(axis=1), -1)


def normalised_margin(probabilities: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """float (n,): probability of the own label less that of the best other, -1 to 1."""
    rows = np.arange(len(codes))
    others = probabilities.copy()
    others[rows, codes] = -np.inf
    best = others.max(axis=1) if probabilities.shape[1] > 1 else np.zeros(len(codes))
    return probabilities[rows, codes] - best


def suspicions(probabilities: np.ndarray, codes: np.ndarray, fair: np.ndarray) -> Suspicions:
    """Judge the label of each row.

    Parameters
    ----------
    probabilities, codes
        As in `confident_joint`; the code of a row without a label is -1.
    fair
        bool, (n,): rows whose prediction says something about their label.
    """
    n, k = probabilities.shape
    score, flagged, suggested = np.zeros(n), np.zeros(n, bool), np.full(n, -1)
    rows = np.flatnonzero((codes >= 0) & fair)
    if not len(rows) or k < 2:
        return Suspicions(score, flagged, suggested, 0, 0.0)
    own, of_rows = codes[rows], probabilities[rows]
    best = of_rows.argmax(axis=1)
    n_of_class = np.bincount(own, minlength=k)
    if np.count_nonzero(best == own) <= n_of_class.max():
        # No better than naming the largest class: such predictions say nothing of a label.
        return Suspicions(score, flagged, suggested, 0, 0.0)
    confident = confidently_of(of_rows, own)
    score[rows] = 1 - of_rows[np.arange(len(rows)), own]
    suggested[rows] = np.where(best != own, best, -1)
    joint = confident_joint(of_rows, own).astype(float)
    # Each label's counts are scaled to its rows, of which some are confidently of no class.
    shares = joint / np.maximum(joint.sum(axis=1, keepdims=True), 1)
    wrong = (n_of_class * (1 - np.diag(shares)))[joint.sum(axis=1) > 0].sum()
    ranked = np.argsort(-score[rows], kind="stable")
    is_among_worst = np.zeros(len(rows), bool)
    is_among_worst[ranked[: round(wrong)]] = True
    is_counted = (confident >= 0) & (confident != own)
    flagged[rows] = (is_counted | is_among_worst) & (best != own)
    return Suspicions(score, flagged, suggested, len(rows), float(wrong))


def find(material: Material, found: Suspicions) -> list[Finding]:
    """The flagged images, the least probable label first, each with what to compare it with."""
    judged = material.judged
    findings = []
    if not found.flagged.any():
        return findings
    margins = normalised_margin(judged.probabilities, np.maximum(material.codes, 0))
    rows = np.flatnonzero(found.flagged)
    rows = rows[np.lexsort((margins[rows], -found.score[rows]))]
    others = [judged.classes[code] for code in found.suggested[rows].tolist()]
    of_given = material.examples(rows, [material.labels[row] for row in rows], found.flagged)
    # What is not suggested is not given away by what it is compared with, either.
    may = np.flatnonzero(material.may_change[rows])
    like_others = material.examples(rows[may], [others[place] for place in may], found.flagged)
    of_suggested = dict(zip(may.tolist(), like_others, strict=True))
    for place, row in enumerate(rows.tolist()):
        other = others[place]
        share = float(judged.probabilities[row, found.suggested[row]])
        may_change = bool(material.may_change[row])
        findings.append(
            Finding(
                LABEL,
                row,
                float(found.score[row]),
                f"{'predicted' if may_change else _OF_TEST} with {100 * share:.0f} %, "
                f"its own label with {100 * (1 - found.score[row]):.0f} %",
                other if may_change else "",
                of_given[place],
                of_suggested.get(place, ()),
            )
        )
    return findings
