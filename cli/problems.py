"""Problems of a dataset in words: contradictions and near-duplicates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..formatting import counted
from ..training.dataset_problems import without_contradictions
from .output import say, tell

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MOST_PRINTED = 5


def warn_of_unknown(classes: Iterable[str], known: Sequence[str]) -> None:
    """Say which classes of images a head does not know, if there are some."""
    unknown = sorted(set(classes) - set(known))
    if unknown:
        say(
            f"warning: the head does not know {', '.join(map(repr, unknown[:5]))}"
            f"{' and others' if len(unknown) > 5 else ''}; its images count as wrong. It knows "
            f"{', '.join(map(repr, known[:10]))}"
        )


def print_problems(
    near: Sequence[dict[str, Any]], contradictions: Sequence[dict[str, Any]]
) -> None:
    """Contradictions, then near-duplicates in two splits."""
    about = "(one image under two labels or in two splits)"
    _print_pairs(f"{counted(len(contradictions), 'contradiction')} {about}", contradictions)
    rest = without_contradictions(near, contradictions)
    more = "" if len(rest) == len(near) else "more "
    _print_pairs(f"{counted(len(rest), f'{more}near-duplicate')} in two splits", rest)


def _print_pairs(title: str, pairs: Sequence[dict[str, Any]]) -> None:
    """Name the first pairs, and how to list the others."""
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
