"""Weights of images as people write them into a CSV file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...arguments import LEAST_WEIGHT, MOST_WEIGHT, received
from ...errors import DatasetError
from ...formatting import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

_NUMBER = re.compile(r"[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d+)?")
_USUAL = 3.0
"""A mean weight that is so many times more or less than 1 is remarked on."""


def weight_of(value: str, where: str) -> float:
    """The number in a cell; 1 where it is empty.

    A comma may stand for the decimal point, as spreadsheets write it in many countries.

    Raises
    ------
    DatasetError
        When it is no number, below 0 or out of range; `where` says in which file and line.
    """
    if not value:
        return 1.0
    number = float(value.replace(",", ".")) if _NUMBER.fullmatch(value) else -1.0
    is_zero = number == 0 and not re.search("[1-9]", re.split("[eE]", value)[0])
    if is_zero or LEAST_WEIGHT <= number <= MOST_WEIGHT:
        return abs(number)
    raise DatasetError(
        f"{where}: the weight is {received(value)}; expected 0, a number from {LEAST_WEIGHT:g} to "
        f"{MOST_WEIGHT:g}, or nothing for 1"
    )


def remarks(weights: Sequence[float]) -> list[str]:
    """What should be known of the weights of a dataset.

    Raises
    ------
    DatasetError
        When all are 0.
    """
    heavy = [weight for weight in weights if weight]
    if weights and not heavy:
        raise DatasetError("every weight is 0: no image is left")
    found = []
    if n_left_out := len(weights) - len(heavy):
        are = "weighs 0 and is" if n_left_out == 1 else "weigh 0 and are"
        found.append(f"{counted(n_left_out, 'image')} {are} left out")
    mean = sum(heavy) / len(heavy) if heavy else 1.0
    if not 1 / _USUAL <= mean <= _USUAL:
        found.append(
            f"the weights have a mean of {mean:.3g}, so that {counted(len(heavy), 'image')} count "
            f"as {sum(heavy):,.4g}: divide them by {mean:.3g} if only their proportions are meant"
        )
    return found
