"""The split that each image of a table is in, near-duplicates looked for."""

from __future__ import annotations

import itertools
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

from ..datasets.near_duplicates import LEAST_COSINE, candidates
from ..datasets.splits import (
    TEST,
    TRAIN,
    VALIDATION,
    Split,
    split,
)
from ..errors import ImageRejectedError
from ..extraction.prefetch import threads
from ..features.images.decoder import read
from ..hardware import available_cores
from .perceptual_hash import PerceptualHash, differing_bits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..extraction.feature_table import FeatureTable

MOST_DIFFERENT_BITS = 14
"""By which the perceptual hashes of near-duplicates differ."""

_PAIRS_AT_ONCE = 1000


def split_table(table: FeatureTable) -> Split:
    """Decide the split of every image: as declared, or else by content.

    Of each pair of images in different splits that show nearly the same, the one of the later split
    (train, validation, test) is noted: see `Split.near`. Images of weight 0 are in none, and change
    that of no other.
    """
    weighed = table.weighed
    if len(weighed) < len(table):
        return spread(split_table(table.some(weighed)), weighed, len(table))
    return split(
        table.contents,
        table.labels.tolist(),
        table.splits,
        table.groups,
        partial(_find_near, table),
    )


def spread(decided: Split, rows: np.ndarray, n_rows: int) -> Split:
    """The split of some of n rows as one of all, of which the others are in none."""
    of_row = np.full(n_rows, "", decided.of_row.dtype)
    of_row[rows] = decided.of_row
    near = {int(rows[row]): int(rows[other]) for row, other in decided.near.items()}
    return decided._replace(of_row=of_row, near=near)


def _find_near(table: FeatureTable, splits: np.ndarray) -> dict[int, int]:
    near: dict[int, int] = {}
    for name, earlier in ((VALIDATION, (TRAIN,)), (TEST, (TRAIN, VALIDATION))):
        against = np.flatnonzero(np.isin(splits, earlier))
        for row, other in near_duplicates(table, np.flatnonzero(splits == name), against):
            near.setdefault(row, other)
    return near


def near_duplicates(
    table: FeatureTable,
    rows: np.ndarray,
    others: np.ndarray,
    *,
    differing: np.ndarray | None = None,
    least_cosine: float = LEAST_COSINE,
) -> Iterator[tuple[int, int]]:
    """Pairs of rows that show nearly the same, by transfer values and perceptual hash.

    Files that are equal to the byte are left out: they are found by their keys. The options are
    those of `datasets.near_duplicates.candidates`.
    """

    def look(row: int) -> PerceptualHash | None:
        try:
            return PerceptualHash(read(table.paths[row])[0], table.recipe.grey16)
        except ImageRejectedError:
            return None  # gone since it was extracted

    pairs = (
        (row, other)
        for row, other, _ in candidates(
            table.features, rows, others, differing=differing, least_cosine=least_cosine
        )
        if table.keys[row].content != table.keys[other].content
    )
    with threads(available_cores()) as pool:
        while some := list(itertools.islice(pairs, _PAIRS_AT_ONCE)):
            needed = sorted({row for pair in some for row in pair})
            with threadpool_limits(1, "blas"):  # small products, in threads of our own
                seen = dict(zip(needed, pool.map(look, needed), strict=True))
            for row, other in some:
                mine, its = seen[row], seen[other]
                if mine is None or its is None:
                    continue
                if differing_bits(mine, its) <= MOST_DIFFERENT_BITS:
                    yield row, other


def groups_of_alike(table: FeatureTable, *, least_cosine: float = LEAST_COSINE) -> np.ndarray:
    """int, (n,): equal for images that must be in one fold, whose last row it is.

    Those are equal files, near-duplicates, and images of one declared group. The folds of a seed
    depend on the order of these numbers. A higher `least_cosine` reads fewer files, and misses
    near-duplicates that were scaled or cropped most.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(table)
    every = np.arange(n)
    first_of: dict[object, int] = {}
    pairs = [*near_duplicates(table, every, every, least_cosine=least_cosine)]
    for row, (key, group) in enumerate(zip(table.keys, table.groups or [None] * n, strict=True)):
        pairs.append((row, first_of.setdefault(key, row)))
        if group is not None:
            pairs.append((row, first_of.setdefault(group, row)))
    rows, others = np.array(pairs).T
    graph = coo_array((np.ones(len(pairs), bool), (rows, others)), shape=(n, n))
    n_groups, group_of = connected_components(graph, directed=False)
    last = np.zeros(n_groups, int)
    np.maximum.at(last, group_of, every)
    return last[group_of]
