"""Precision against recall, a line for each class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from matplotlib.lines import Line2D

from .figure_file import INK, new_figure, require_picture_path, write_picture
from .palette import class_style
from .text import shown_name, text_style, wrapped

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

    Raises
    ------
    UsageError
        When `output` ends otherwise.
    OSError
        When `output` cannot be written; it is then as it was.
    """
    require_picture_path(output)
    figure = new_figure(_SIDE_IN, _SIDE_IN)
    axes = figure.add_axes((0, 0, 1, 1))
    for f1 in _F1:
        recall = np.linspace(f1 / (2 - f1), 1, 100)
        precision = f1 * recall / (2 * recall - f1)
        axes.plot(recall, precision, color="#d4d4d4", linewidth=0.8, zorder=1)
        axes.annotate(
            f"F1 {f1:.0%}",
            (1, precision[-1]),
            xytext=(5, 0),
            textcoords="offset points",
            color="#8a8a8a",
            fontsize=7,
            va="center",
        )
    handles = []
    for number, (name, recall, precision) in enumerate(curves):
        style = class_style(number)
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
            "markeredgecolor": "white",
        }
        at_best: dict[str, Any] = {
            "linestyle": "none",
            "markersize": 6,
            "zorder": 3,
            "clip_on": False,
        }
        axes.plot(recall[best], precision[best], **look, **at_best)
        if number < _MOST_NAMES:
            label = f"{shown_name(name, 24)}  {f1[best]:.0%}"
            handles.append(Line2D([], [], label=label, **{**look, "linestyle": style.line}))
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.xaxis.set_major_formatter("{x:.0%}")
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.tick_params(labelsize=8)
    axes.set_xlabel("recall: share of a class's images that are found", color=INK, **text_style(9))
    axes.set_ylabel("precision: share of the answers that are right", color=INK, **text_style(9))
    axes.set_title(wrapped(title, 44), loc="left", pad=10, **text_style(13))
    if curves:
        legend = axes.legend(
            handles=handles,
            handlelength=3.2,
            title="best F1",
            loc="upper left",
            bbox_to_anchor=(1.12, 1),
            frameon=False,
            fontsize=8,
        )
        legend.get_title().set_fontsize(8)
    write_picture(figure, output)
