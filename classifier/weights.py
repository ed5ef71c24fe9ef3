"""What rows weigh in training: a row of weight 2 is the row twice, one of weight 0 is not there."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import LEAST_WEIGHT, MOST_WEIGHT, received
from ..errors import UsageError
from ..rows_on_disk import Rows, columns_of

_ROWS_AT_ONCE = 1024
_FIRST_COLUMNS = 16
_BYTES_TO_SORT = 1 << 26
"""Of rows whose first columns are equal, compared at once."""


def require_sample_weight(value: Any, n_rows: int) -> np.ndarray:
    """What each row weighs.

    Parameters
    ----------
    value
        None: each weighs 1. Or one number for each row, or one for all.
    n_rows
        Rows that there are.

    Returns
    -------
    ndarray
        float64, (n_rows,), 0 or from `LEAST_WEIGHT` to `MOST_WEIGHT`, and not all 0.

    Raises
    ------
    UsageError
        When it is something else.
    """
    if value is None:
        return np.ones(n_rows)
    wanted = f"expected 0, or a number from {LEAST_WEIGHT:g} to {MOST_WEIGHT:g}, for each row"
    try:
        weights = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise UsageError(f"sample_weight is {received(value)}; {wanted}") from None
    if weights.ndim == 0:
        weights = np.full(n_rows, weights)
    if weights.shape != (n_rows,):
        raise UsageError(
            f"sample_weight has the shape {weights.shape}; {wanted}, which is ({n_rows},)"
        )
    wrong = ~((weights == 0) | ((weights >= LEAST_WEIGHT) & (weights <= MOST_WEIGHT)))
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise UsageError(f"sample_weight[{first}] is {float(weights[first])!r}; {wanted}")
    if n_rows and not weights.any():
        raise UsageError("sample_weight is zero for every row: no row is left to train on")
    return weights


def distinct(rows: Rows, codes: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows without copies, which weigh together.

    The order is that of class and content, whatever order the rows have: what is trained on them
    depends on neither copies nor order, to the last bit.

    Parameters
    ----------
    rows
        float32, (n, d), d at least 1; in memory or on disk.
    codes
        int, (n,): the class of each. Equal rows of two classes are no copies.
    weights
        float64, (n,).

    Returns
    -------
    positions, weights : ndarray
        int and float64, (m,): a row of each kind, and the sum of the weights of its copies.
    """
    rank = _ranks(rows, codes)
    order = np.argsort(rank, kind="stable")
    is_first = np.diff(rank[order], prepend=-1) != 0
    summed = np.bincount(is_first.cumsum() - 1, weights[order])
    return order[is_first], summed


def _ranks(rows: Rows, codes: np.ndarray) -> np.ndarray:
    """int (n,): how many rows come before each, by class and by the bytes of the row.

    A few columns tell most rows apart; only rows that are equal so far are compared further.
    """
    width = rows.shape[1]
    kinds = np.unique(codes, return_inverse=True)[1]
    sizes = np.bincount(kinds)
    rank = (sizes.cumsum() - sizes)[kinds]
    equal, column, n_columns = np.arange(len(codes)), 0, _FIRST_COLUMNS
    while len(equal) and column < width:
        past = min(column + n_columns, width)
        content = np.ascontiguousarray(columns_of(rows, equal, slice(column, past)))
        as_bytes = content.view(np.dtype((np.void, content.shape[1] * content.itemsize)))[:, 0]
        order = np.argsort(as_bytes, kind="stable")
        order = order[np.argsort(rank[equal[order]], kind="stable")]
        before = rank[equal[order]]
        is_new_group = np.diff(before, prepend=-1) != 0
        is_first = is_new_group.copy()
        as_numbers = content.view(np.uint32)  # a float that is -0.0 equals 0.0
        for start in range(1, len(order), _ROWS_AT_ONCE):
            here = order[start : start + _ROWS_AT_ONCE]
            last = order[start - 1 : start - 1 + len(here)]
            differs = (as_numbers[here] != as_numbers[last]).any(axis=1)
            is_first[start : start + len(here)] |= differs
        place = np.arange(len(order))
        of_group = np.maximum.accumulate(np.where(is_new_group, place, 0))
        of_equal = np.maximum.accumulate(np.where(is_first, place, 0))
        rank[equal[order]] = before + of_equal - of_group
        is_alone = is_first & np.append(is_first[1:], True)
        equal, column = np.sort(equal[order[~is_alone]]), past
        n_columns = max(1, _BYTES_TO_SORT // (4 * max(1, len(equal))))
    return rank
