"""The map of all images: one point each, one look per class."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.offsetbox import AnnotationBbox, OffsetImage

from ..errors import UsageError
from ..formatting import counted
from .figure_file import (
    DPI,
    INK,
    new_figure,
    require_picture_path,
    write_picture,
)
from .map_methods import METHODS
from .palette import Style, class_style
from .text import (
    NAME_LENGTH,
    font_families,
    shown_name,
    text_style,
    wrapped,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from .reduction import Embedding

_SIDE_IN: Final = 7.0
_LEGEND_ROWS: Final = 34
_LEGEND_COLUMNS: Final = 3
_NAME_LENGTH_IN_COLUMNS: Final = 22
# An SVG with more points than this is slow to open; they become one image inside it.
_MOST_VECTOR_POINTS: Final = 20_000
_THUMBNAIL_PT: Final = (15.0, 44.0)
"""Longer side of a thumbnail, where there are many images and where there are few."""


class _Class(NamedTuple):
    name: str
    rows: list[int]
    style: Style


def draw_map(
    embedding: Embedding,
    labels: Sequence[str],
    output: Path,
    title: str,
    thumbnail_of: Callable[[int], NDArray[np.uint8] | None] | None = None,
) -> None:
    """Draw an embedding as a PNG or SVG, by the ending of `output`.

    Small classes are drawn over large ones. The legend names the classes in order, with their
    numbers of images; of more than 102 it names the largest and counts the rest.

    Parameters
    ----------
    embedding
        From `reduce`.
    labels
        The class of each point, (n,).
    output
        A ``.png`` or ``.svg`` file in a folder that exists.
    title
        Stands above the map; the method and its parameters stand below.
    thumbnail_of
        Gives the picture of a point, by its row: uint8, (height, width, 3), RGB, 0-255, of any
        size; None where there is none. As many are drawn, framed in the colours of their classes,
        as fit without lying on one another; None draws points alone.

    Raises
    ------
    UsageError
        When `output` ends otherwise, or the number of labels is not that of the points.
    OSError
        When `output` cannot be written; it is then as it was.
    """
    require_picture_path(output)
    if len(labels) != len(embedding.points):
        raise UsageError(
            f"{counted(len(embedding.points), 'point')} and {counted(len(labels), 'label')}: a "
            f"map needs one label "
            f"for each point"
        )
    classes = _classes(labels)
    figure = new_figure(_SIDE_IN, _SIDE_IN)
    in_space = embedding.points.shape[1] == 3
    axes = figure.add_axes((0, 0, 1, 1), projection="3d" if in_space else None)
    _draw_points(axes, embedding, classes)
    if thumbnail_of is not None and not in_space:
        _draw_thumbnails(axes, embedding, classes, thumbnail_of)
    if any(each.name for each in classes):  # else there are no classes to tell apart
        _draw_legend(axes, classes)
    axes.set_title(wrapped(title, 62), loc="left", pad=10, **text_style(14))
    axes.annotate(
        wrapped(f"{counted(len(labels), 'image')}. {embedding.caption}", 102),
        (0, 0),
        xytext=(0, -42 if _axis_of(embedding) else -8),
        xycoords="axes fraction",
        textcoords="offset points",
        va="top",
        color=INK,
        **text_style(9),
    )
    write_picture(figure, output)


def _classes(labels: Sequence[str]) -> list[_Class]:
    rows: dict[str, list[int]] = {}
    for row, label in enumerate(labels):
        rows.setdefault(str(label), []).append(row)
    return [_Class(name, rows[name], class_style(index)) for index, name in enumerate(sorted(rows))]


def _draw_points(axes: Axes, embedding: Embedding, classes: list[_Class]) -> None:
    n_images = len(embedding.points)
    size_pt2 = float(np.clip(600 / n_images**0.5, 2.0, 60.0))
    for drawn, each in enumerate(sorted(classes, key=lambda each: -len(each.rows))):
        axes.scatter(
            *embedding.points[each.rows].T,
            s=size_pt2,
            color=each.style.colour,
            marker=each.style.marker,
            alpha=0.9 if n_images <= 500 else 0.75,
            edgecolors="white" if n_images <= 5000 else "none",
            linewidths=0.3,
            zorder=2 + drawn / len(classes),
            rasterized=n_images > _MOST_VECTOR_POINTS,
        )
    # The limits give way, not the frame: a flat map keeps the size of the picture.
    axes.set_aspect("equal", adjustable="datalim")
    if embedding.points.shape[1] == 3:
        return
    axes.spines[["top", "right", "bottom", "left"]].set_color("#bbbbbb")
    if axis := _axis_of(embedding):
        axes.set_xlabel(f"{axis} 1", **text_style(9))
        axes.set_ylabel(f"{axis} 2", **text_style(9))
        axes.tick_params(labelsize=8, color="#bbbbbb")
    else:
        axes.set_xticks([])
        axes.set_yticks([])


def _draw_thumbnails(
    axes: Axes,
    embedding: Embedding,
    classes: list[_Class],
    thumbnail_of: Callable[[int], NDArray[np.uint8] | None],
) -> None:
    """Over their points, as many as fit."""
    n_images = len(embedding.points)
    side_pt = float(np.clip(500 / n_images**0.5, *_THUMBNAIL_PT))
    colours = {row: each.style.colour for each in classes for row in each.rows}
    axes.autoscale_view()
    axes.apply_aspect()  # else the limits change when the map is drawn
    places_pt = axes.transData.transform(embedding.points) * 72 / DPI
    for row in _apart(places_pt, side_pt + 4):
        pixels = thumbnail_of(row)
        if pixels is None:
            continue
        axes.add_artist(
            AnnotationBbox(
                OffsetImage(pixels, zoom=side_pt / max(pixels.shape[:2])),
                embedding.points[row],
                pad=0,
                bboxprops={"edgecolor": colours[row], "linewidth": 1.6},
                zorder=4,
            )
        )


def _apart(places: NDArray[np.float64], least: float) -> list[int]:
    """Rows of which any two are at least so far apart, in x or in y; spread over all of them."""
    kept: dict[tuple[int, int], int] = {}
    for row in np.random.default_rng(0).permutation(len(places)).tolist():
        x, y = places[row]
        column, line = int(x // least), int(y // least)
        near = (kept.get((column + right, line + up)) for right in (-1, 0, 1) for up in (-1, 0, 1))
        if all(other is None or abs(places[other] - (x, y)).max() >= least for other in near):
            kept[column, line] = row
    return sorted(kept.values())


def _axis_of(embedding: Embedding) -> str:
    """What an axis means; empty where it means nothing."""
    return METHODS[embedding.method].axis if embedding.method in METHODS else ""


def _draw_legend(axes: Axes, classes: list[_Class]) -> None:
    most = _LEGEND_ROWS * _LEGEND_COLUMNS
    named = classes
    if len(classes) > most:
        largest = Counter({index: len(each.rows) for index, each in enumerate(classes)})
        named = [classes[index] for index, _ in sorted(largest.most_common(most - 1))]
    n_columns = -(-min(len(classes), most) // _LEGEND_ROWS)
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
    words = [f"{name} ({len(each.rows):,})" for name, each in zip(names, named, strict=True)]
    if len(named) < len(classes):
        handles.append(Line2D([], [], linestyle="none"))
        words.append(f"… and {len(classes) - len(named):,} more")
    legend = axes.legend(
        handles,
        # matplotlib leaves labels out that begin with "_": the words are set afterwards.
        ["class"] * len(handles),
        loc="upper left",
        bbox_to_anchor=(1.02, 1.0),
        borderaxespad=0,
        ncols=n_columns,
        frameon=False,
        handletextpad=0.3,
        columnspacing=1.0,
        prop=FontProperties(family=font_families(), size=9),
    )
    for text, word in zip(legend.get_texts(), words, strict=True):
        text.set_parse_math(False)
        text.set_text(word)
