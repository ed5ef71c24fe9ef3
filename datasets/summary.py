"""A few lines about many images: their classes, as text and as HTML for notebooks."""

from __future__ import annotations

from collections import Counter
from html import escape
from typing import TYPE_CHECKING

from ..formatting import counted
from ..untrusted.terminal import shown
from .split_names import SPLITS

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAMES_IN_WORDS = 8
_ROWS = 30
_NAME_LENGTH = 60


def short(name: str) -> str:
    """A name on one line, of bounded length, in characters that can be encoded."""
    if len(name) > _NAME_LENGTH:
        name = f"{name[: _NAME_LENGTH // 2]}…{name[-_NAME_LENGTH // 2 :]}"
    return shown(name)


def classes_in_words(labels: Sequence[str]) -> str:
    """Classes and their numbers of images: ``coat (1), hat (2)``."""
    counts = sorted(Counter(labels).items())
    words = [f"{short(label)} ({n})" for label, n in counts[:_NAMES_IN_WORDS]]
    if len(counts) > _NAMES_IN_WORDS:
        words.append(f"… {len(counts) - _NAMES_IN_WORDS} more")
    return ", ".join(words)


def classes_as_html(title: str, labels: Sequence[str], splits: Sequence[str | None]) -> str:
    """A table of classes and their numbers of images, also by declared split, below a title."""
    counts = Counter(labels)
    by_split = Counter(zip(labels, splits, strict=True))
    declared = [split for split in SPLITS if split in set(splits)]
    rows = [["class", "images", *declared]]
    for label in sorted(counts)[:_ROWS]:
        in_splits = [str(by_split[label, split]) for split in declared]
        rows.append([escape(short(label)), str(counts[label]), *in_splits])
    head, *body = rows
    lines = "".join(f"<tr>{_cells(row, 'td')}</tr>" for row in body)
    more = ""
    if len(counts) > _ROWS:
        more = f"<p>… {counted(len(counts) - _ROWS, 'more class', 'more classes')}</p>"
    return f"<p>{escape(title)}</p><table><tr>{_cells(head, 'th')}</tr>{lines}</table>{more}"


def _cells(row: Sequence[str], tag: str) -> str:
    return "".join(f"<{tag}>{cell}</{tag}>" for cell in row)
