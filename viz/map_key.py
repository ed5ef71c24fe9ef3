"""What the colours of a map mean: a legend of groups, or a bar of shades."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D

from .text import NAME_LENGTH, before_words, font_families, shown_name, text_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.figure import Figure

    from .map_colours import Group
    from .theme import Theme

_ROWS: Final = 34
_COLUMNS: Final = 3
_NAME_LENGTH_IN_COLUMNS: Final = 22
_GAP_IN: Final = 0.15
_BAR_IN: Final = (0.16, 2.6)


def draw_bar(figure: Figure, drawn: PathCollection, words: str, theme: Theme) -> None:
    """Draw a bar of shades from 0 to 1 beside a map."""
    width_in, height_in = figure.get_size_inches()
    place = ((width_in + _GAP_IN) / width_in, 1 - _BAR_IN[1] / height_in)
    size = (_BAR_IN[0] / width_in, _BAR_IN[1] / height_in)
    bar = figure.colorbar(drawn, cax=figure.add_axes((*place, *size)))
    if bar.solids is not None:
        bar.solids.set_alpha(1)  # else as transparent as the points
    bar.set_label(words, color=theme.ink, **text_style(9))
    bar.ax.tick_params(labelsize=8, color=theme.line, labelcolor=theme.ink)
    bar.outline.set_visible(False)  # type: ignore[operator]  # a Spine, typed as a method


def draw_legend(figure: Figure, axes: Axes, groups: list[Group], theme: Theme) -> None:
    """Name groups with their numbers beside a map; of more than 102 the largest."""
    most = _ROWS * _COLUMNS
    named = groups
    if len(groups) > most:
        largest = Counter({index: len(each.rows) for index, each in enumerate(groups)})
        named = [groups[index] for index, _ in sorted(largest.most_common(most - 1))]
    n_columns = -(-min(len(groups), most) // _ROWS)
    names = [shown_name(each.name, _NAME_LENGTH_IN_COLUMNS) for each in named]
    if n_columns == 1 or len(set(names)) < len(names):  # cut so short, some would look the same
        names = [shown_name(each.name, NAME_LENGTH) for each in named]
    handles = [
        Line2D(
            *([], []),
            linestyle="none",
            marker=each.style.marker,
            color=each.style.colour,
            markeredgecolor="none",
            markersize=7,
        )
        for each in named
    ]
    words = [
        f"{before_words(name)} ({len(each.rows):,})"
        for name, each in zip(names, named, strict=True)
    ]
    if len(named) < len(groups):
        handles.append(Line2D([], [], linestyle="none"))
        words.append(f"… and {len(groups) - len(named):,} more")
    legend = axes.legend(
        handles,
        # matplotlib leaves labels out that begin with "_": the words are set afterwards.
        ["class"] * len(handles),
        loc="upper left",
        bbox_to_anchor=(1 + _GAP_IN / figure.get_size_inches()[0], 1.0),
        borderaxespad=0,
        ncols=n_columns,
        frameon=False,
        handletextpad=0.3,
        columnspacing=1.0,
        labelcolor=theme.ink,
        prop=FontProperties(family=font_families(), size=9),
    )
    for text, word in zip(legend.get_texts(), words, strict=True):
        text.set_parse_math(False)
        text.set_text(word)
