"""Which images to label next: those that say most of the others, and that nobody is sure of.

Facility location weighted by uncertainty (Wei, Iyer & Bilmes, *Submodularity in data subset
selection and active learning*, ICML 2015): an image is worth how much nearer it brings the images
that are not yet near a labelled one, each weighed by how uncertain its class is, times its own
uncertainty. Before any image has a label all are equally uncertain, and coverage alone decides, as
Hacohen, Dekel & Weinshall (*Active learning on a budget*, ICML 2022) find best.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

import numpy as np

from .finding import NEXT, Finding
from .nearest import units_of

if TYPE_CHECKING:
    from .material import Material

MOST_COMPARED = 6000
"""Images among which the choice is made where there are more: a random sample of them."""
_ROWS_AT_ONCE = 1024


def find(material: Material, n_next: int) -> list[Finding]:
    """The images without a label that are best labelled next, the best first."""
    labels = material.table.labels
    unlabelled = np.flatnonzero(labels == "")
    has_classes = bool(material.judged.classes)
    uncertain = np.ones(len(labels))
    if has_classes:
        uncertain = uncertainty(material.judged.probabilities)
    rows = next_to_label(
        material.table.features,
        unlabelled,
        np.flatnonzero(labels != ""),
        uncertain,
        n_next,
        material.seed,
    )
    findings = []
    for place, row in enumerate(rows.tolist()):
        suggested = ""
        reason = "like many that have no label, and unlike those that have or come before it"
        if has_classes:
            suggested = str(material.judged.predicted[row])
            reason = f"perhaps with {100 * material.judged.confidence[row]:.0f} %"
        findings.append(Finding(NEXT, row, 1 - place / len(rows), reason, suggested))
    return findings


def uncertainty(probabilities: np.ndarray) -> np.ndarray:
    """float64 (n,): 1 less the margin between the two most probable classes, 0 to 1."""
    if probabilities.shape[1] < 2:
        return np.ones(len(probabilities))
    best = np.partition(probabilities, probabilities.shape[1] - 2, axis=1)[:, -2:]
    return np.clip(1 - (best[:, 1] - best[:, 0]), 0, 1)


def next_to_label(
    features: np.ndarray,
    unlabelled: np.ndarray,
    labelled: np.ndarray,
    uncertain: np.ndarray,
    n_next: int,
    seed: int = 0,
) -> np.ndarray:
    """Choose images to label.

    Parameters
    ----------
    features
        float32, (n, d).
    unlabelled, labelled
        int: rows to choose from, and rows that have a label.
    uncertain
        float, (n,), 0 to 1: how uncertain the class of each row is.
    n_next
        How many to choose; fewer where there are fewer.
    seed
        Of the sample, where there are more rows than are compared.

    Returns
    -------
    ndarray
        int: rows, the best first.

    Examples
    --------
    >>> rows = np.eye(3, dtype="float32")[[0, 0, 0, 1, 1, 2]]
    >>> next_to_label(rows, np.arange(1, 6), np.array([0]), np.ones(6), 2)
    array([3, 5])
    """
    random = np.random.default_rng(seed)
    if len(unlabelled) > MOST_COMPARED:
        unlabelled = np.sort(random.choice(unlabelled, MOST_COMPARED, replace=False))
    n_next = min(n_next, len(unlabelled))
    units = units_of(features)
    mine = units[unlabelled]
    weights = np.maximum(uncertain[unlabelled], 1e-9)
    near = np.zeros(len(mine))  # of each, how near its nearest labelled image is, squared cosine
    for first in range(0, len(labelled), _ROWS_AT_ONCE):
        some = units[labelled[first : first + _ROWS_AT_ONCE]]
        near = np.maximum(near, _nearness(mine, some).max(axis=1))

    def gain(row: int) -> float:
        nearer = np.maximum(_nearness(mine, mine[row, None])[:, 0] - near, 0)
        return float(nearer @ weights) * weights[row]

    gains = np.concatenate(
        [np.empty(0)]
        + [
            weights[first : first + _ROWS_AT_ONCE]
            * (
                weights
                @ np.maximum(
                    _nearness(mine, mine[first : first + _ROWS_AT_ONCE]) - near[:, None], 0
                )
            )
            for first in range(0, len(mine), _ROWS_AT_ONCE)
        ]
    )
    # What an image gains only shrinks as others are chosen (it is submodular), so that an image
    # that still has more than the next had before is the best.
    queue = [(-value, row) for row, value in enumerate(gains.tolist())]
    heapq.heapify(queue)
    chosen: list[int] = []
    while len(chosen) < n_next:
        _, row = heapq.heappop(queue)
        value = gain(row)
        if queue and value < -queue[0][0]:
            heapq.heappush(queue, (-value, row))
            continue
        chosen.append(row)
        near = np.maximum(near, _nearness(mine, mine[row, None])[:, 0])
    return unlabelled[chosen]


def _nearness(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """float64 (n, m): squared cosines of unit rows; 0 where they point away from one another."""
    return np.square(np.maximum(rows @ others.T, 0)).astype(np.float64)
