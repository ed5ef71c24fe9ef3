"""What rows weigh in training: a row of weight 2 is the row twice, one of weight 0 is not there."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import LEAST_WEIGHT, MOST_WEIGHT, received
from ..errors import UsageError

_ROWS_AT_ONCE = 1024


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


def distinct(
    rows: np.ndarray, codes: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Rows without copies, which weigh together.

    The order is that of class and content, whatever order the rows have: what is trained on them
    depends on neither copies nor order, to the last bit.

    Parameters
    ----------
    rows
        float32, (n, d), d at least 1.
    codes
        int, (n,): the class of each. Equal rows of two classes are no copies.
    weights
        float64, (n,).

    Returns
    -------
    positions, weights : ndarray
        int and float64, (m,): a row of each kind, and the sum of the weights of its copies.
    """
    content = np.ascontiguousarray(rows)
    as_bytes = content.view(np.dtype((np.void, content.shape[1] * content.itemsize)))[:, 0]
    order = np.argsort(as_bytes, kind="stable")
    order = order[np.argsort(codes[order], kind="stable")]
    is_first = np.ones(len(order), bool)
    as_numbers = content.view(np.uint32)  # a float that is -0.0 equals 0.0
    for start in range(1, len(order), _ROWS_AT_ONCE):
        here = order[start : start + _ROWS_AT_ONCE]
        before = order[start - 1 : start - 1 + len(here)]
        differs = (as_numbers[here] != as_numbers[before]).any(axis=1)
        is_first[start : start + len(here)] = differs | (codes[here] != codes[before])
    summed = np.bincount(is_first.cumsum() - 1, weights[order])
    return order[is_first], summed
