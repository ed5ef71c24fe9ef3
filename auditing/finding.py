"""One thing that a person may look at: an image, why, and what to compare it with."""

from __future__ import annotations

from typing import NamedTuple

LABEL, DUPLICATE, OUTLIER, NEXT = KINDS = ("label", "duplicate", "outlier", "next")


class Finding(NamedTuple):
    """An image that is worth looking at."""

    kind: str
    """One of `KINDS`."""
    row: int
    """Of the table."""
    score: float
    """0 to 1, the higher the more suspicious; comparable within a kind."""
    reason: str
    """A few words, without names."""
    suggested: str = ""
    """Another label; empty where none is suggested."""
    of_given: tuple[int, ...] = ()
    """Rows to compare with: the most similar images of its own label; of a duplicate, the other."""
    of_suggested: tuple[int, ...] = ()
    """The most similar images of the suggested label."""
