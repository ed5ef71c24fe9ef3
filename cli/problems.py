"""Problems of a dataset in words: contradictions and near-duplicates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..figures import counted
from .answers import tell

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_PRINTED = 5


def print_pairs(title: str, pairs: Sequence[dict[str, Any]]) -> None:
    """Name the first pairs, and say where the others are."""
    if not pairs:
        return
    tell(f"  {title}:")
    for pair in pairs[:MOST_PRINTED]:
        how = "equals" if pair["equal"] else "shows nearly the same as"
        tell(
            f"    {pair['path']} ({pair['split']}, {pair['label']}) {how} "
            f"{pair['of']} ({pair['of_split']}, {pair['of_label']})"
        )
    if len(pairs) > MOST_PRINTED:
        tell(f"    and {len(pairs) - MOST_PRINTED:,} more: --json lists them")


def print_contradictions(pairs: Sequence[dict[str, Any]]) -> None:
    """Images under two labels, and equal files in two splits."""
    print_pairs(
        f"{counted(len(pairs), 'contradiction')} (one image under two labels or in two splits)",
        pairs,
    )
