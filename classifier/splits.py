"""Which rows train, which validate and which test: decided by content, so that nothing moves."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

TRAIN, VALIDATION, TEST = SPLITS = ("train", "validation", "test")
FRACTIONS = (0.70, 0.15, 0.15)


class Split(NamedTuple):
    """The side of every row."""

    sides: np.ndarray
    """str, (n,): ``train``, ``validation`` or ``test``."""
    declared: bool
    """Whether somebody declared it; otherwise the contents decided."""
    warnings: list[str]
    """A class without images on a side, and what to do."""

    def rows(self, side: str) -> np.ndarray:
        """Indices of the rows on a side, ascending."""
        return np.flatnonzero(self.sides == side)

    def counts(self) -> dict[str, int]:
        """Rows on each side."""
        return {side: len(self.rows(side)) for side in SPLITS}


def split_by_content(keys: Sequence[bytes]) -> np.ndarray:
    """The side that each image's own hash decides: 70 : 15 : 15 in expectation.

    An image keeps its side when others are added or removed and when files are renamed, and
    equal files share a side. The first 8 bytes of the key, as a fraction of 2**64, are uniform.

    Parameters
    ----------
    keys
        SHA-256 of each image, 32 bytes.

    Returns
    -------
    ndarray
        str, (n,).
    """
    uniform = np.array([int.from_bytes(key[:8], "big") / 2**64 for key in keys])
    return np.array(SPLITS)[np.searchsorted(np.cumsum(FRACTIONS)[:2], uniform, side="right")]


def split(
    keys: Sequence[bytes], labels: Sequence[str], declared: Sequence[str | None] | None = None
) -> Split:
    """Decide the side of every row: as declared, or else by content.

    Where some rows are declared and others not, those that are not train: an image without a
    split in the CSV must not end up judging the head.
    """
    if declared is not None and any(side is not None for side in declared):
        sides = np.array([side or TRAIN for side in declared])
        is_declared = True
    else:
        sides = split_by_content(keys)
        is_declared = False
    return Split(sides, is_declared, _missing(sides, labels, is_declared))


def _missing(sides: np.ndarray, labels: Sequence[str], declared: bool) -> list[str]:
    present = Counter(zip(labels, sides.tolist(), strict=True))
    wanted = [side for side in SPLITS if not declared or side in sides]
    remedy = "add images of it to that folder" if declared else "add images of it"
    consequence = {
        TRAIN: "it cannot be learned",
        VALIDATION: "it is not validated",
        TEST: "it is not tested",
    }
    return [
        f"class {label!r} has no image in {side} ({n} in all), so {consequence[side]}: {remedy}"
        for label, n in sorted(Counter(labels).items())
        for side in wanted
        if not present[label, side]
    ]
