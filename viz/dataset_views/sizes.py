"""How large images are: width, height, bytes and format."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from matplotlib.ticker import MaxNLocator

from ..figure_file import in_theme
from ..text import shown_name, text_style
from ..theme import LIGHT, Theme
from .sheet import Sheet

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

MOST_ODD: Final = 8
"""Images that are named."""
_WIDTH_IN: Final = 9.2
_ROW_IN: Final = 0.22


class Odd(NamedTuple):
    """An image that is much unlike the others."""

    row: int
    name: str
    why: str


def draw_sizes(
    widths: Sequence[int],
    heights: Sequence[int],
    n_bytes: Sequence[int],
    formats: Sequence[str],
    odd: Sequence[Odd],
    output: Path,
    title: str,
    caption: str,
    theme: Theme = LIGHT,
) -> None:
    """Draw width by height, file sizes and formats; name images that are much unlike the others.

    Parameters
    ----------
    widths, heights
        Pixels, (n,).
    n_bytes
        Of the files, (n,).
    formats
        What people call them, (n,).
    odd
        The oddest first; 8 of them are named.
    output
        A ``.png`` or ``.svg`` file in a folder that exists.
    title, caption
        Above and below.
    theme
        Light or dark.
    """
    named = odd[:MOST_ODD]
    list_in = (0.55 + _ROW_IN * len(named)) if named else 0
    sheet = Sheet(_WIDTH_IN, 5.1 + list_in, theme)
    _draw_shapes(sheet.panel(0.4, 0, 4.8, 4.7), widths, heights, [each.row for each in odd], theme)
    _draw_bytes(sheet.panel(5.9, 0, 3.3, 2.0), n_bytes, theme)
    _draw_formats(sheet.panel(6.4, 2.85, 2.8, 1.85), formats, theme)
    if named:
        y = 5.55
        n_more = len(odd) - len(named)
        more = f" ({n_more:,} more are not named)" if n_more > 0 else ""
        sheet.words(f"Much unlike the others{more}:", 0, y, strong=True)
        for number, each in enumerate(named, 1):
            y_line = y + number * _ROW_IN
            sheet.words(shown_name(each.name, 48), 0, y_line)
            sheet.words(each.why, 4.4, y_line)
    sheet.write(output, title, caption)


def _draw_shapes(
    axes: Axes, widths: Sequence[int], heights: Sequence[int], odd: list[int], theme: Theme
) -> None:
    in_theme(axes, theme, 8)
    x, y = np.asarray(widths, float), np.asarray(heights, float)
    sizes, counts = np.unique(np.column_stack([x, y]), axis=0, return_counts=True)
    # Images of one size share a point, whose area grows with their number.
    areas = np.clip(12 * counts**0.5, 12, 400)
    order = np.argsort(-areas)
    axes.scatter(*sizes[order].T, s=areas[order], color=theme.first, alpha=0.5, linewidths=0)
    if odd:
        axes.scatter(
            x[odd], y[odd], s=70, facecolors="none", edgecolors=theme.second, linewidths=1.4
        )
    low, high = min(x.min(), y.min()) / 1.3, max(x.max(), y.max()) * 1.3
    axes.plot([low, high], [low, high], color=theme.line, linewidth=1, linestyle=":", zorder=1)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    _plain_ticks(axes, low, high)
    axes.set_xlabel("width in pixels", color=theme.ink, **text_style(9))
    axes.set_ylabel("height in pixels", color=theme.ink, **text_style(9))


def _plain_ticks(axes: Axes, low: float, high: float) -> None:
    """Ticks at numbers that people read, such as 50, 100 and 200."""
    steps = [m * 10.0**e for e in range(6) for m in (1, 1.5, 2, 3, 4, 5, 7)]
    ticks = [step for step in steps if low <= step <= high]
    while len(ticks) > 8:
        ticks = ticks[::2]
    if len(ticks) < 2:
        ticks = sorted({float(round(low * 1.3)), float(round(high / 1.3))})
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(ticks, [f"{tick:,.0f}" for tick in ticks])
        axis.set_ticks([], minor=True)


def _draw_bytes(axes: Axes, n_bytes: Sequence[int], theme: Theme) -> None:
    in_theme(axes, theme, 8)
    values = np.maximum(np.asarray(n_bytes, float), 1) / 1000
    low, high = values.min(), values.max()
    edges = np.geomspace(low / 1.05, high * 1.05, 1 + int(np.clip(len(values) ** 0.5, 5, 40)))
    axes.hist(values, bins=edges.tolist(), color=theme.bar)
    axes.set_xscale("log")
    ticks = [m * 10.0**e for e in range(-3, 7) for m in (1, 2, 5)]
    ticks = [tick for tick in ticks if edges[0] <= tick <= edges[-1]]
    while len(ticks) > 6:
        ticks = ticks[::2]
    if len(ticks) < 2:
        ticks = sorted({float(f"{low:.2g}"), float(f"{high:.2g}")})
    axes.xaxis.set_ticks(ticks, [f"{tick:,.10g}" for tick in ticks])
    axes.xaxis.set_ticks([], minor=True)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("file size in kB", color=theme.ink, **text_style(9))
    axes.set_ylabel("images", color=theme.ink, **text_style(9))


def _draw_formats(axes: Axes, formats: Sequence[str], theme: Theme) -> None:
    in_theme(axes, theme, 8)
    counts = Counter(formats).most_common(7)
    places = np.arange(len(counts))
    axes.barh(places, [count for _, count in counts], height=0.6, color=theme.bar)
    for place, (_, count) in zip(places, counts, strict=True):
        axes.annotate(
            f"{count:,}",
            (count, place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            color=theme.ink,
            **text_style(8),
        )
    axes.set_yticks(places, [name for name, _ in counts], color=theme.ink, **text_style(9))
    axes.set_ylim(max(len(counts), 3) - 0.4, -0.6)
    axes.set_xlim(0, counts[0][1] * 1.2)
    axes.set_xticks([])
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "bottom", "left"]].set_visible(False)
    axes.set_title("formats", loc="left", color=theme.ink, **text_style(9))
