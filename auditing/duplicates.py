"""The same photograph twice: under two labels, or in two splits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..training.dataset_problems import Pair, contradictions, near_pairs
from .finding import DUPLICATE, Finding

if TYPE_CHECKING:
    from .label_errors import Suspicions
    from .material import Material

EQUAL_FILES = 1.0
"""Score of the same file twice."""
_NEAR = 0.9
"""Score of what shows nearly the same: two photographs of one thing may differ in it."""


def find(material: Material, found: Suspicions) -> list[Finding]:
    """Equal files first; of a pair with two labels, the image whose label is the less probable."""
    labels, splits = material.labels, material.split.of_row.tolist()
    findings: list[Finding] = []
    pairs = contradictions(material.table, material.split)
    named = {frozenset(pair[:2]) for pair in pairs}
    pairs += [pair for pair in near_pairs(material.split) if frozenset(pair[:2]) not in named]
    for pair in pairs:
        row, other = _doubtful_first(material, found, pair)
        if "" in (labels[row], labels[other]):
            continue
        how = "is the same file as" if pair.equal else "shows nearly the same as"
        two_labels = labels[row] != labels[other]
        where = "one with another label" if two_labels else f"one in the split {splits[other]}"
        # Labels of test images are no answer, either.
        may = two_labels and material.may_change[row] and material.may_change[other]
        suggested = labels[other] if may else ""
        score = EQUAL_FILES if pair.equal else _NEAR
        findings.append(Finding(DUPLICATE, row, score, f"{how} {where}", suggested, (other,)))
    order = sorted(
        range(len(findings)), key=lambda at: (-findings[at].score, not findings[at].suggested, at)
    )
    return [findings[at] for at in order]


def _doubtful_first(material: Material, found: Suspicions, pair: Pair) -> tuple[int, int]:
    """The row that is more likely wrong; of one label, the row of the later split."""
    row, other = pair.row, pair.of
    if material.labels[row] == material.labels[other]:
        return row, other
    if material.may_change[row] != material.may_change[other]:
        return (row, other) if material.may_change[row] else (other, row)
    return (row, other) if found.score[row] >= found.score[other] else (other, row)
