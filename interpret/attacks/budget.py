"""Budgets: by how much a value of a pixel may change, in whole levels of 255."""

from __future__ import annotations

import re
from numbers import Real
from typing import TYPE_CHECKING

from ...arguments import received
from ...errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

LARGEST = "16/255"
"""Up to which the smallest change is looked for."""
OF_CURVE = ("1/255", "2/255", "4/255", "8/255")
"""At which robustness is measured."""

_OF_255 = re.compile(r"\s*([0-9]{1,3})\s*/\s*255\s*")
_NEAR = 0.02  # of a level: 0.0157 is 4/255


def levels_of(budget: object) -> int:
    """A budget in levels, 1 to 255.

    Parameters
    ----------
    budget
        As text, ``4/255``; or the share itself, such as 0.0157, as text or number.

    Raises
    ------
    UsageError
        When it is none, or is not a whole number of levels: an image file of 8 bits has no others.
    """
    levels = None
    if isinstance(budget, str) and (found := _OF_255.fullmatch(budget)):
        levels = float(found[1])
    elif isinstance(budget, (str, Real)) and not isinstance(budget, bool):
        try:
            share = float(budget)
            # A bare 1 is one level to some, and all of them to others.
            levels = None if str(budget).strip() == "1" else 255 * share
        except (ValueError, OverflowError):
            levels = None
    if levels is None or not 1 - _NEAR < levels < 255 + _NEAR:
        raise UsageError(
            f"expected a budget of 1/255 to 255/255, such as 4/255, received {received(budget)}"
        )
    if abs(levels - round(levels)) > _NEAR:
        raise UsageError(
            f"expected a budget of whole levels of an image file, such as "
            f"{max(1, round(levels))}/255, received {received(budget)}"
        )
    return round(levels)


def all_levels_of(budgets: object) -> list[int]:
    """Several budgets in levels, ascending, each once; as text, commas stand between them.

    Raises
    ------
    UsageError
        When there is none, or one is no budget.
    """
    several: Iterable[object] = (
        [each for each in budgets.split(",") if each.strip()]
        if isinstance(budgets, str)
        else budgets
        if isinstance(budgets, (list, tuple))
        else [budgets]
    )
    levels = sorted({levels_of(each) for each in several})
    if not levels:
        raise UsageError("expected budgets such as 1/255,4/255, received none")
    return levels


def in_words(levels: int) -> str:
    """A budget as people write it."""
    return f"{levels}/255"
