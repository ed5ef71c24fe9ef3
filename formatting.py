"""Figures and names as people write them, in one line or in an HTML table."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def percent(share: float) -> str:
    """A share as people write it."""
    return f"{100 * share:.1f} %"


def with_interval(value: float | None, interval: Sequence[float] | None) -> str:
    """A share and its 95 % interval as people write them."""
    if value is None:
        return "–"
    if interval is None:
        return percent(value)
    low, high = interval
    return f"{percent(value)} [{percent(low)}, {percent(high)}]"


def mebibytes(n_bytes: int) -> str:
    """``512 MiB``, rounded up; below one MiB, ``2 bytes``."""
    if n_bytes < 1 << 20:
        return counted(n_bytes, "byte")
    return f"{-(-n_bytes // (1 << 20)):,} MiB"


def counted(number: int, noun: str, plural: str = "") -> str:
    """``1 image``, ``2 images``, ``1,000 images``."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def in_brief_names(names: Sequence[str], most: int = 5, length: int = 30) -> str:
    """The first names, quoted and cut, with nothing that moves a cursor; and how many follow."""
    shown = [repr(name if len(name) <= length else f"{name[: length - 1]}…") for name in names]
    if len(shown) <= most + 1:
        return ", ".join(shown)
    return f"{', '.join(shown[:most])} and {len(shown) - most:,} more"


def html_table(caption: str, headings: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A paragraph and a table for a notebook; all words are taken literally."""
    heading = "".join(f"<th>{escape(name)}</th>" for name in headings)
    heading = f"<thead><tr>{heading}</tr></thead>" if headings else ""
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows
    )
    return f"<p>{escape(caption)}</p><table>{heading}<tbody>{body}</tbody></table>"
