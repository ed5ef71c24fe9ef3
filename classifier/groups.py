"""Rows that belong together, such as views of one image: in training none is held out alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import UsageError
from .weights import require_sample_weight


def require_groups(groups: Any, sample_weight: Any, labels: Any) -> np.ndarray | None:
    """The group of each row that weighs more than 0, int (m,); None where each is on its own.

    Parameters
    ----------
    groups
        (n,): anything that can be compared; or None.
    sample_weight, labels
        float, (n,), ≥ 0, or None; and (n,), both sound.

    Raises
    ------
    UsageError
        When the shape is another.
    """
    if groups is None:
        return None
    groups, n_rows = np.asarray(groups), len(np.asarray(labels))
    if groups.shape != (n_rows,):
        raise UsageError(
            f"groups has the shape {groups.shape}; expected one of each row, ({n_rows},)"
        )
    numbers = np.unique(groups, return_inverse=True)[1]
    return numbers[require_sample_weight(sample_weight, n_rows) > 0]


def units_of(codes: np.ndarray, groups: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """What is held out as a whole: the rows of one class and group.

    Parameters
    ----------
    codes
        int, (n,): the class of each row.
    groups
        int, (n,), or None.

    Returns
    -------
    units, codes : ndarray
        int (n,): the unit of each row; int (m,): the class of each unit. Units are numbered as
        their first rows come.
    """
    if groups is None:
        return np.arange(len(codes)), codes
    pairs = np.stack([codes, groups], axis=1)
    _, first, units = np.unique(pairs, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    numbers = np.empty(len(order), int)
    numbers[order] = np.arange(len(order))
    return numbers[units.ravel()], codes[first[order]]
