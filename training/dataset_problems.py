"""What is wrong with a dataset, image by image: near-duplicates and contradictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .split import near_duplicates

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..cache import ContentHash
    from ..datasets.splits import Split
    from ..extraction.feature_table import FeatureTable

LEAST_COSINE = 0.75
"""Between images of two classes that are looked at: higher than between two splits, since every
class is compared with all others, and what is labelled twice is mostly the same file or size."""


class Pair(NamedTuple):
    """Two rows of a table that show the same, or nearly."""

    row: int
    of: int
    """The row that it is compared with: of the earlier split, or the first in the dataset."""
    equal: bool
    """Whether the files are equal to the byte."""


def near_pairs(decided: Split) -> list[Pair]:
    """Images that show nearly the same as one of an earlier split, in the dataset's order."""
    return [Pair(row, other, equal=False) for row, other in sorted(decided.near.items())]


def contradictions(table: FeatureTable, decided: Split) -> list[Pair]:
    """Images under two labels, of any split, and equal files in two splits.

    Equal files come first, then those that show nearly the same: of these only such as have two
    labels, since near-duplicates in two splits are `near_pairs`.
    """
    labels, splits = table.labels.tolist(), decided.of_row.tolist()
    every = table.weighed
    every = every[table.labels[every] != ""]  # an image without a label contradicts none
    found = [*_equal_files(table.contents, labels, splits, every)]
    _, codes = np.unique(table.labels, return_inverse=True)
    near = near_duplicates(table, every, every, differing=codes, least_cosine=LEAST_COSINE)
    pairs = sorted({(max(pair), min(pair)) for pair in near})
    return [*found, *(Pair(row, other, equal=False) for row, other in pairs)]


def _equal_files(
    contents: Sequence[ContentHash], labels: list[str], splits: list[str], rows: np.ndarray
) -> Iterator[Pair]:
    """Each file with the first equal one that has another label or split."""
    seen: dict[ContentHash, dict[tuple[str, str], int]] = {}
    for row in rows.tolist():
        label, split = labels[row], splits[row]
        firsts = seen.setdefault(contents[row], {})
        others = [other for (was, _), other in firsts.items() if was != label] or [
            other for (_, stood), other in firsts.items() if stood != split
        ]
        if others:
            yield Pair(row, others[0], equal=True)
        firsts.setdefault((label, split), row)


def describe(pairs: list[Pair], table: FeatureTable, decided: Split) -> list[dict[str, Any]]:
    """JSON values: path, label and split of both images of each pair."""
    labels, splits = table.labels.tolist(), decided.of_row.tolist()
    left_out = set() if decided.declared else {*decided.near}
    return [
        {
            "path": table.paths[row],
            "label": labels[row],
            "split": splits[row],
            "of": table.paths[other],
            "of_label": labels[other],
            "of_split": splits[other],
            "equal": equal,
            "left_out": row in left_out,
        }
        for row, other, equal in pairs
    ]


def without_contradictions(
    near: Sequence[dict[str, Any]], contradictions: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Near-duplicates that are not named among the contradictions, having one label."""
    named = {frozenset((pair["path"], pair["of"])) for pair in contradictions}
    return [pair for pair in near if frozenset((pair["path"], pair["of"])) not in named]
