"""How many images each class has in each split."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from matplotlib.ticker import MaxNLocator

from ...formatting import counted
from ..figure_file import in_theme
from ..palette import class_style
from ..text import before_words, shown_name, text_style
from ..theme import LIGHT, Theme
from .sheet import Sheet

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_MOST: Final = 80
"""Bars on a sheet: of more classes, the largest and the smallest are shown, half of each."""
_BAR_IN: Final = 0.24
_WIDTH_IN: Final = 6.5
_NAME_LENGTH: Final = 30


def draw_balance(
    classes: Sequence[str],
    counts: Mapping[str, Sequence[int]],
    output: Path,
    title: str,
    theme: Theme = LIGHT,
) -> str:
    """Draw a bar for each class, in parts for its splits, the largest class first.

    Parameters
    ----------
    classes
        Names, (k,).
    counts
        By the name of a split, images of each class, (k,); ``""`` for images without a split.
    output
        A ``.png`` or ``.svg`` file in a folder that exists.
    title
        Above.
    theme
        Light or dark.

    Returns
    -------
    str
        The caption.
    """
    parts = {split: np.asarray(numbers) for split, numbers in counts.items() if any(numbers)}
    totals = np.sum(list(parts.values()), axis=0)
    order = np.lexsort((np.arange(len(classes)), -totals))
    shown = order if len(order) <= _MOST else np.r_[order[: _MOST // 2], order[-_MOST // 2 :]]
    sheet = Sheet(_WIDTH_IN, max(0.8, len(shown) * _BAR_IN), theme)
    axes = in_theme(sheet.panel(0, 0, _WIDTH_IN, sheet.height_in), theme, 8)
    places, left = np.arange(len(shown)), np.zeros(len(shown))
    for number, (split, numbers) in enumerate(parts.items()):
        colour = class_style(number, theme.name).colour if split else theme.bar
        widths = numbers[shown]
        axes.barh(places, widths, left=left, height=0.72, color=colour, label=split or "no split")
        left += widths
    for place, row in zip(places, shown, strict=True):
        axes.annotate(
            f"{totals[row]:,}",
            (left[place], place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            color=theme.ink,
            **text_style(8),
        )
    axes.set_xlim(0, max(1, totals.max()) * 1.1)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    names = [before_words(shown_name(classes[row], _NAME_LENGTH)) for row in shown]
    axes.set_yticks(places, names, color=theme.ink, **text_style(9))
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if list(parts) != [""]:
        axes.legend(
            loc="lower right",
            bbox_to_anchor=(1, 1),
            ncols=len(parts),
            frameon=False,
            labelcolor=theme.ink,
            fontsize=9,
        )
    caption = _caption(totals, len(order) - len(shown))
    sheet.write(output, title, caption, below_in=0.36)
    return caption


def _caption(totals: np.ndarray, n_left_out: int) -> str:
    least = f"{int(totals.min()):,} to " if totals.min() < totals.max() else ""
    n_images, n_classes = counted(int(totals.sum()), "image"), len(totals)
    caption = f"{n_images} in {counted(n_classes, 'class', 'classes')}"
    if n_classes > 1:
        caption += f": {least}{int(totals.max()):,} each"
    if totals.min() > 0 and totals.max() >= 2 * totals.min():
        caption += f", the largest {totals.max() / totals.min():.1f} times the smallest"
    if n_left_out:
        are = "is" if n_left_out == 1 else "are"
        caption += f"; {counted(n_left_out, 'class', 'classes')} in between {are} not shown"
    return f"{caption}."
