"""A curve: how accurate a head is when an attack may change each picture a little."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from matplotlib.ticker import PercentFormatter

from ...errors import UsageError
from ..figure_file import in_theme, new_figure, write_picture
from ..picture_path import require_picture_path
from ..text import text_style, wrapped
from ..theme import LIGHT, Theme

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_WIDTH_IN: Final = 4.3
_HEIGHT_IN: Final = 2.9


def draw_robustness(
    levels: Sequence[int],
    accuracy: Sequence[float],
    output: Path,
    title: str,
    *,
    silent: Sequence[float] | None = None,
    theme: Theme = LIGHT,
) -> None:
    """Draw accuracy by budget as a PNG or SVG, by the ending of `output`.

    Parameters
    ----------
    levels
        Budgets in levels of 255, ascending; 0 for no change.
    accuracy
        The share of images that are answered rightly at each, 0-1.
    output
        A ``.png`` or ``.svg`` file in a folder that exists.
    title
        Stands above.
    silent
        The share of images at each budget that are answered rightly, or are flipped but called
        unknown; None where the head calls nothing unknown.
    theme
        Colours of all that is drawn.

    Raises
    ------
    UsageError
        When `output` ends otherwise, or there is not one share for each budget.
    OSError
        When `output` cannot be written; it is then as it was.
    """
    require_picture_path(output)
    shares = [accuracy] if silent is None else [accuracy, silent]
    if any(len(each) != len(levels) for each in shares):
        raise UsageError(
            f"expected one share for each of {len(levels)} budgets, received "
            f"{' and '.join(str(len(each)) for each in shares)}"
        )
    figure = new_figure(_WIDTH_IN, _HEIGHT_IN, theme)
    axes = in_theme(figure.add_axes((0, 0, 1, 1)), theme)
    places = range(len(levels))  # evenly: most budgets are small, and nothing lies between
    if silent is not None:
        axes.plot(
            *(places, silent, "o--"),
            color=theme.second,
            clip_on=False,
            zorder=2,
            label="right, or called unknown",
        )
    axes.plot(places, accuracy, "o-", color=theme.first, clip_on=False, zorder=3, label="right")
    for place, share, above in zip(places, accuracy, shares[-1], strict=True):
        axes.annotate(
            f"{share:.0%}".replace("%", " %"),
            (place, max(share, above)),
            (0, 7),
            textcoords="offset points",
            ha="center",
            color=theme.first,
            **text_style(8.5),
        )
    axes.set_xticks(list(places), [f"{each}/255" if each else "0" for each in levels])
    axes.set_xlabel("largest change of a value", **text_style(9))
    axes.set_ylabel("images", **text_style(9))
    axes.set_ylim(0, 1.1)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    axes.grid(axis="y", color=theme.grid)
    axes.set_axisbelow(True)
    if silent is not None:
        legend = axes.legend(
            loc="lower left",
            bbox_to_anchor=(-0.02, 1.01),
            ncols=2,
            frameon=False,
            prop={"size": 9},
        )
        for text in legend.get_texts():
            text.set_color(theme.ink)
    figure.text(
        *(0, 1 + (0.42 if silent is not None else 0.15) / _HEIGHT_IN, wrapped(title, 46)),
        va="bottom",
        color=theme.strong,
        **text_style(12),
    )
    write_picture(figure, output)
