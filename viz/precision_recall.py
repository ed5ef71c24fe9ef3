"""Precision against recall, a line for each class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from matplotlib.lines import Line2D

from .figure_file import in_theme, new_figure, write_picture
from .palette import class_style
from .picture_path import require_picture_path
from .text import font_families, shown_name, text_style, wrapped
from .theme import LIGHT, Theme

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_SIDE_IN: Final = 4.6
_MOST_NAMES: Final = 20
_F1: Final = (0.2, 0.4, 0.6, 0.8)


def draw_precision_recall(
    curves: Sequence[tuple[str, NDArray[np.float64], NDArray[np.float64]]],
    output: Path,
    title: str,
    *,
    theme: Theme = LIGHT,
) -> None:
    """Draw the curves of classes as a PNG or SVG, by the ending of `output`.

    Grey lines join what has the same F1. The point of each class is where its F1 is highest; the
    legend gives that F1, and names the first 20 classes.

    Parameters
    ----------
    curves
        Name, recall and precision, (t,) each, 0-1, of each class.
    output
        A ``.png`` or ``.svg`` file in a folder that exists.
    title
        Stands above.
    theme
        Colours of all that is drawn.

    Raises
    ------
    UsageError
        When `output` ends otherwise.
    OSError
        When `output` cannot be written; it is then as it was.
    """
    require_picture_path(output)
    figure = new_figure(_SIDE_IN, _SIDE_IN, theme)
    axes = in_theme(figure.add_axes((0, 0, 1, 1)), theme)
    for f1 in _F1:
        recall = np.linspace(f1 / (2 - f1), 1, 100)
        precision = f1 * recall / (2 * recall - f1)
        axes.plot(recall, precision, color=theme.line, linewidth=0.8, zorder=1)
        axes.annotate(
            f"F1 {f1:.0%}",
            (1, precision[-1]),
            xytext=(5, 0),
            textcoords="offset points",
            color=theme.quiet,
            fontsize=8,
            va="center",
        )
    handles, names = [], []
    for number, (name, recall, precision) in enumerate(curves):
        style = class_style(number, theme.name)
        f1 = 2 * recall * precision / np.maximum(recall + precision, 1e-12)
        best = int(f1.argmax())
        axes.plot(
            np.append(0, recall),
            np.append(precision[:1], precision),
            color=style.colour,
            linestyle=style.line,
            linewidth=1.3,
            drawstyle="steps-post",
            zorder=2,
        )
        look: dict[str, Any] = {
            "color": style.colour,
            "marker": style.marker,
            "markeredgecolor": theme.paper,
        }
        at_best: dict[str, Any] = {
            "linestyle": "none",
            "markersize": 6,
            "zorder": 3,
            "clip_on": False,
        }
        axes.plot(recall[best], precision[best], **look, **at_best)
        if number < _MOST_NAMES:
            handles.append(Line2D([], [], **{**look, "linestyle": style.line}))
            names.append(f"{shown_name(name, 24)}  {f1[best]:.0%}")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.xaxis.set_major_formatter("{x:.0%}")
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.set_xlabel(
        "recall: share of a class's images that are found", color=theme.ink, **text_style(9)
    )
    axes.set_ylabel(
        "precision: share of the answers that are right", color=theme.ink, **text_style(9)
    )
    axes.set_title(wrapped(title, 44), loc="left", pad=10, color=theme.strong, **text_style(13))
    if curves:
        legend = axes.legend(
            handles,
            ["…"] * len(names),
            handlelength=3.2,
            title="best F1",
            loc="upper left",
            bbox_to_anchor=(1.12, 1),
            frameon=False,
            labelcolor=theme.ink,
            prop={"size": 9, "family": font_families()},
            title_fontproperties={"size": 9},
        )
        legend.get_title().set_color(theme.ink)
        # Only now: matplotlib leaves out labels that begin with an underscore.
        for text, words in zip(legend.get_texts(), names, strict=True):
            text.set_parse_math(False)
            text.set_text(words)
    write_picture(figure, output)
