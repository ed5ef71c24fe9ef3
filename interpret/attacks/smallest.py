"""The smallest change, in whole levels, with which an attack reaches its goal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .attack import FGSM

if TYPE_CHECKING:
    from collections.abc import Callable

    from .attack import Attack, Goal


def find_smallest(
    attack: Attack,
    pixels: np.ndarray,
    goal: Goal,
    most: int,
    *,
    method: str,
    seed: int,
    report: Callable[[int], object] = int,
) -> tuple[int | None, np.ndarray]:
    """Look for the smallest budget with which one picture is answered as wanted.

    PGD doubles the budget until it succeeds, and then bisects: what fails within a budget is taken
    to fail within all smaller ones. FGSM, whose one step can also be too long, tries each in turn.

    Parameters
    ----------
    attack
        What tries a budget.
    pixels
        uint8, (1, height, width, 3).
    goal
        Of the one picture.
    most
        The largest budget, in levels.
    method
        That of the attack.
    seed
        Of its random start.
    report
        Called with each budget before it is tried.

    Returns
    -------
    int or None, ndarray
        The budget, None where no attempt has succeeded; and the changed picture, uint8
        (height, width, 3): without success, the attempt of the largest budget.
    """

    def attempt(levels: int) -> tuple[np.ndarray, bool]:
        report(levels)
        changed, reached = attack(pixels, goal, levels, np.array([seed]))
        return changed[0], bool(reached[0])

    tries = range(1, most + 1) if method == FGSM else _doubling(most)
    failed, found, changed = 0, None, pixels[0]
    for levels in tries:
        changed, is_reached = attempt(levels)
        if is_reached:
            found = levels
            break
        failed = levels
    if found is None or method == FGSM:
        return found, changed
    while found - failed > 1:
        middle = (failed + found) // 2
        other, is_reached = attempt(middle)
        if is_reached:
            found, changed = middle, other
        else:
            failed = middle
    return found, changed


def _doubling(most: int) -> list[int]:
    powers = [1 << n for n in range(most.bit_length()) if 1 << n < most]
    return [*powers, most]
