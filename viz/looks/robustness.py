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
_MOST_WIDTH_IN: Final = 12.0
_HEIGHT_IN: Final = 2.9
_COLUMN_IN: Final = 0.52
"""Of one budget; of more than there is room for, some are not named."""
_ROWS_BEGIN_PT, _ROW_PT = 38, 14
"""The figures below the axes: how far below, and how far apart."""


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
    n = len(levels)
    width_in = min(max(_WIDTH_IN, n * _COLUMN_IN), _MOST_WIDTH_IN)
    figure = new_figure(width_in, _HEIGHT_IN, theme)
    axes = in_theme(figure.add_axes((0, 0, 1, 1)), theme)
    places = range(n)  # evenly: most budgets are small, and nothing lies between
    lines = []
    if silent is not None:
        lines += axes.plot(
            *(places, silent, "o--"),
            color=theme.second,
            markersize=8,  # seen behind the other where both are equal
            label="right, or flipped but called unknown",
        )
    lines += axes.plot(places, accuracy, "o-", color=theme.first, markersize=5, label="right")
    shown = places[:: -(-n // int(width_in / _COLUMN_IN))]
    axes.set_xticks(shown, [f"{levels[each]}/255" if levels[each] else "0" for each in shown])
    axes.set_xlabel("largest change of a value", **text_style(9))
    axes.set_ylabel("images", **text_style(9))
    axes.set_xlim(-0.4, n - 0.6)
    axes.set_ylim(-0.06, 1.06)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    axes.grid(axis="y", color=theme.grid)
    axes.set_axisbelow(True)
    # Below the curves: beside points, figures would stand on the other curve, or on the frame.
    for row, (name, of_row) in enumerate(zip(("right", "or unknown"), shares, strict=False)):
        for place, words, align in (
            (-0.06, name, "right"),
            *((place, f"{of_row[place]:.0%}".replace("%", " %"), "center") for place in shown),
        ):
            axes.annotate(
                *(words, (place, 0)),
                (0, -(_ROWS_BEGIN_PT + row * _ROW_PT)),
                xycoords="axes fraction" if words is name else axes.get_xaxis_transform(),
                textcoords="offset points",
                ha=align,
                va="top",
                color=theme.ink if row else theme.first,
                **text_style(8.5),
            )
    if silent is not None:
        legend = axes.legend(
            *(lines[::-1], [line.get_label() for line in lines[::-1]]),
            loc="lower left",
            bbox_to_anchor=(-0.02, 1.01),
            ncols=2,
            frameon=False,
            prop={"size": 9},
        )
        for text in legend.get_texts():
            text.set_color(theme.ink)
    figure.text(
        *(
            0,
            1 + (0.42 if silent is not None else 0.15) / _HEIGHT_IN,
            wrapped(title, int(46 * width_in / _WIDTH_IN)),
        ),
        va="bottom",
        color=theme.strong,
        **text_style(12),
    )
    write_picture(figure, output)
