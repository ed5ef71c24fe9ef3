"""The map of all images: one point each, in colours that say what is known of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from matplotlib.offsetbox import AnnotationBbox, OffsetImage

from ..errors import UsageError
from ..formatting import counted
from .colourings import COLOURINGS, Colouring
from .figure_file import write_picture
from .map_axes import names_of_axes, new_map, places_px, points_of_px
from .map_colours import groups_of, scale_of_colours
from .map_key import draw_bar, draw_legend
from .map_names import draw_names
from .map_points import draw_density, draw_groups, draw_values
from .picture_path import require_picture_path
from .text import boxes_allowed, text_style, wrapped
from .theme import LIGHT, Theme

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from .reduction import Embedding

_BY_LABEL: Final = Colouring("label")
_THUMBNAIL_PT: Final = (15.0, 44.0)
"""Longer side of a thumbnail, where there are many images and where there are few."""
_GAP_PT: Final = 4


def draw_map(
    embedding: Embedding,
    labels: Sequence[str],
    output: Path,
    title: str,
    thumbnail_of: Callable[[int], NDArray[np.uint8] | None] | None = None,
    *,
    colouring: Colouring = _BY_LABEL,
    theme: Theme = LIGHT,
) -> None:
    """Draw an embedding as a PNG or SVG, by the ending of `output`.

    The frame is as large as the points. Points are mixed, so that no class hides another that it
    shares a place with, and rare classes lie on top; of more than 5,000 points, lines surround the
    densest places, which hold 25, 50 and 75 % of them. Names of classes stand at their medians,
    where they fit. The legend names the classes in order, with their numbers of images; of more
    than 102 it names the largest and counts the rest.

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
        size; None where there is none. As many are drawn, framed in the colours of their points,
        as fit without lying on one another; None draws points alone.
    colouring
        What the colours say; by default, the label.
    theme
        Light or dark.

    Raises
    ------
    UsageError
        When `output` ends otherwise, or the number of labels is not that of the points.
    OSError
        When `output` cannot be written; it is then as it was.
    """
    require_picture_path(output)
    points = embedding.points
    if len(labels) != len(points):
        raise UsageError(
            f"{counted(len(points), 'point')} and {counted(len(labels), 'label')}: a "
            f"map needs one label "
            f"for each point"
        )
    labels = [str(label) for label in labels]
    groups = groups_of(colouring, labels, theme)
    side_pt = float(np.clip(500 / len(points) ** 0.5, *_THUMBNAIL_PT))
    room_pt = 0.0 if thumbnail_of is None else side_pt / 2 + _GAP_PT / 2
    figure, axes = new_map(embedding, theme, room_pt)
    if groups:
        draw_groups(axes, points, groups, theme)
        if any(group.name for group in groups):  # else there are no classes to tell apart
            draw_legend(figure, axes, groups, theme)
        colours = {row: group.style.colour for group in groups for row in group.rows}
    else:
        values, shades = np.asarray(colouring.values, np.float64), scale_of_colours(theme)
        drawn = draw_values(axes, points, values, shades, theme)
        draw_bar(figure, drawn, "probability of the predicted class", theme)
        colours = dict(enumerate(shades(values)))
    draw_density(axes, points, theme)
    if thumbnail_of is not None:
        _draw_thumbnails(axes, points, colours, thumbnail_of, side_pt)
    named = labels
    if colouring.by == "prediction":
        named = [str(name) for name in colouring.values]
    with boxes_allowed():
        draw_names(axes, points, named, theme, has_halo=output.suffix.lower() == ".png")
    title_style = {"loc": "left", "pad": 10, "color": theme.strong, **text_style(14)}
    axes.set_title(wrapped(title, 66), **title_style)
    caption = f"{counted(len(labels), 'image')}. {embedding.caption}"
    if colouring.in_words:
        caption += f". Colour: {COLOURINGS[colouring.by]}, {colouring.in_words}"
    below_pt = -42 if names_of_axes(embedding) else -8
    axes.annotate(
        wrapped(caption, 106),
        (0, 0),
        xytext=(0, below_pt),
        xycoords="axes fraction",
        textcoords="offset points",
        va="top",
        color=theme.ink,
        **text_style(9),
    )
    write_picture(figure, output)


def _draw_thumbnails(
    axes: Axes,
    points: NDArray[np.float32],
    colours: Mapping[int, Any],
    thumbnail_of: Callable[[int], NDArray[np.uint8] | None],
    side_pt: float,
) -> None:
    """Over their points, as many as fit."""
    places = places_px(axes, points)
    in_axes = axes.transAxes.inverted().transform(places)
    for row in _apart(points_of_px(1) * places, side_pt + _GAP_PT):
        pixels = thumbnail_of(row)
        if pixels is None:
            continue
        box = AnnotationBbox(
            OffsetImage(pixels, zoom=side_pt / max(pixels.shape[:2])),
            in_axes[row],
            xycoords="axes fraction",
            pad=0,
            bboxprops={"edgecolor": colours[row], "linewidth": 1.6},
        )
        box.set_zorder(4)
        axes.add_artist(box)


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
