"""One or two words for an image, or the admission that none fits."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

SURE = 0.9
"""A class that is more probable than this stands alone."""
LIKELY = 0.5
"""Two classes that are more probable than this together are both named."""
UNKNOWN = "Unknown"


def tags(ranked: Sequence[tuple[str, float]]) -> list[str]:
    """Tags of an image.

    Parameters
    ----------
    ranked
        (label, probability), the highest first; at least one.

    Returns
    -------
    list of str
        The most probable class; or the two most probable; or ``Unknown``. Each begins with a
        capital.

    Examples
    --------
    >>> tags([("nature", 0.6), ("coast", 0.3), ("city", 0.1)])
    ['Nature', 'Coast']
    """
    label, probability = ranked[0]
    if probability > SURE:
        return [_capitalised(label)]
    if sum(probability for _, probability in ranked[:2]) > LIKELY:
        return [_capitalised(label) for label, _ in ranked[:2]]
    return [UNKNOWN]


def _capitalised(label: str) -> str:
    return label[:1].upper() + label[1:]
