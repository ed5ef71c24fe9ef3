"""The frame of a map: as wide and high as its points, in two or three dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from .figure_file import DPI, in_theme, new_figure
from .map_methods import METHODS
from .text import text_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from .reduction import Embedding
    from .theme import Theme

_WIDTH_IN: Final = 7.4
_SHAPES: Final = (0.5, 1.2)
"""Of the frame, height to width: flatter or higher maps have room beside them."""
_MARGIN: Final = 0.03
_AXIS_PT: Final = 9


def new_map(embedding: Embedding, theme: Theme, room_pt: float = 0.0) -> tuple[Figure, Axes]:
    """A picture with nothing but the axes of a map, as large as its points in the right scale.

    Where what is drawn at a point reaches `room_pt` beyond it, there is so much room to the frame.
    """
    points = embedding.points
    if points.shape[1] == 3:
        figure = new_figure(_WIDTH_IN, _WIDTH_IN, theme)
        return figure, _in_space(figure, embedding, theme)
    low, high = points.min(axis=0), points.max(axis=0)
    span = float((high - low).max()) or 1.0
    room = room_pt / (72 * _WIDTH_IN)
    margin = max(_MARGIN, room / (1 - 2 * room))
    middle, extent = (low + high) / 2, (high - low) + 2 * margin * span
    shape = float(np.clip(extent[1] / extent[0], *_SHAPES))
    width = max(extent[0], extent[1] / shape)
    half = np.array([width, width * shape]) / 2
    figure = new_figure(_WIDTH_IN, _WIDTH_IN * shape, theme)
    axes = in_theme(figure.add_axes((0, 0, 1, 1)), theme, 8)
    axes.set_xlim(middle[0] - half[0], middle[0] + half[0])
    axes.set_ylim(middle[1] - half[1], middle[1] + half[1])
    if names := names_of_axes(embedding):
        axes.set_xlabel(names[0], color=theme.ink, **text_style(_AXIS_PT))
        axes.set_ylabel(names[1], color=theme.ink, **text_style(_AXIS_PT))
    else:
        axes.set_xticks([])
        axes.set_yticks([])
    return figure, axes


def names_of_axes(embedding: Embedding) -> list[str]:
    """What each axis means, and what it holds of the variance; none where it means nothing."""
    axis = METHODS[embedding.method].axis if embedding.method in METHODS else ""
    if not axis:
        return []
    shares = embedding.shares or (None,) * embedding.points.shape[1]
    return [
        f"{axis} {number}" + ("" if share is None else f" ({_percent(share)} of the variance)")
        for number, share in enumerate(shares, 1)
    ]


def places_px(axes: Axes, points: NDArray[np.float32]) -> NDArray[np.float64]:
    """Where points are in the picture, (n, 2), in pixels from its lower left corner."""
    if points.shape[1] == 3:
        from mpl_toolkits.mplot3d import proj3d

        x, y, _ = proj3d.proj_transform(*points.T, axes.get_proj())  # pyright: ignore
        points = np.column_stack([x, y])
    return axes.transData.transform(points)


def size_px(axes: Axes) -> NDArray[np.float64]:
    """Width and height of the frame, in pixels."""
    box = axes.get_window_extent()
    return np.array([box.width, box.height])


def points_of_px(pixels: float) -> float:
    """A length in points of 1/72 inch."""
    return pixels * 72 / DPI


def _in_space(figure: Figure, embedding: Embedding, theme: Theme) -> Axes:
    axes = figure.add_axes((0, 0, 1, 1), projection="3d", facecolor=theme.paper)
    extent = np.ptp(embedding.points, axis=0)
    extent = np.maximum(extent, 0.35 * (extent.max() or 1.0))
    middle = (embedding.points.min(axis=0) + embedding.points.max(axis=0)) / 2
    names = names_of_axes(embedding)
    for number, name in enumerate("xyz"):
        limits = middle[number] + np.array([-0.5, 0.5]) * extent[number] * (1 + 2 * _MARGIN)
        getattr(axes, f"set_{name}lim")(*limits)
        axis = getattr(axes, f"{name}axis")
        axis.set_pane_color(theme.paper)
        axis.line.set_color(theme.line)
        axis._axinfo["grid"].update(color=theme.grid, linewidth=0.8)
        if names:
            getattr(axes, f"set_{name}label")(names[number], color=theme.ink, **text_style(8))
            axis.set_tick_params(colors=theme.ink, labelsize=7)
        else:
            axis.set_ticklabels([])
            axis.set_tick_params(length=0, color=theme.paper)
    axes.set_box_aspect(extent / extent.max(), zoom=1.0)  # pyright: ignore
    axes.set_proj_type("persp", focal_length=0.9)  # pyright: ignore
    return axes


def _percent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %")
