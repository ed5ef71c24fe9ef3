"""Names of classes on a map, at the medians of their points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from matplotlib.patheffects import withStroke

from .map_axes import places_px
from .text import shown_name, text_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text
    from numpy.typing import NDArray

    from .theme import Theme

_NAME_PT: Final = 9.5
_SMALL_NAME_PT: Final = 7.5
_MOST_LARGE: Final = 30
"""Classes, beyond which names are small."""
_NAME_LENGTH: Final = 22
_GAP_PX: Final = 3
_MOST: Final = 60
"""Names that are tried: with more of them, a map would show nothing else."""
# From the median, in heights of a line: a name that meets another, or hides what it names, moves up
# or down a little.
_SHIFTS: Final = (0.0, 1.1, -1.1, 2.0, -2.0)
_HIDDEN: Final = 0.3
"""Most of the points of a class that its name may lie on."""


def draw_names(
    axes: Axes,
    points: NDArray[np.float32],
    labels: list[str],
    theme: Theme,
    *,
    has_halo: bool,
) -> list[Text]:
    """Draw the names of the largest classes where they fit: in the frame, none over another.

    Parameters
    ----------
    axes
        Of the map, with its limits set.
    points, labels
        (n, 2) or (n, 3), and (n,).
    has_halo
        Whether letters have a line around them; else there is a plate behind. A line makes shapes
        of the letters of an SVG, which could not be searched any more, nor drawn in the fonts of
        who looks at it.

    Returns
    -------
    list of Text
        What was drawn.
    """
    names, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    shown = [shown_name(name, _NAME_LENGTH) for name in names]
    frame = axes.get_window_extent()
    taken: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    drawn = []
    size_pt = _NAME_PT if len(names) <= _MOST_LARGE else _SMALL_NAME_PT
    for code in np.argsort(-counts, kind="stable")[:_MOST].tolist():
        if not names[code] or shown.count(shown[code]) > 1:
            continue
        places = places_px(axes, points[codes == code])
        middle = np.median(places, axis=0)
        text = _written(axes, shown[code], size_pt, theme, has_halo=has_halo)
        size = np.array(text.get_window_extent().size)
        for shift in _SHIFTS:
            centre = middle + np.array([0, shift * size[1]])
            low, high = centre - size / 2 - _GAP_PX, centre + size / 2 + _GAP_PX
            is_inside = (frame.min <= low).all() and (high <= frame.max).all()
            is_apart = all((high <= a).any() or (low >= b).any() for a, b in taken)
            hidden = ((low < places) & (places < high)).all(axis=1).mean()
            if is_inside and is_apart and hidden <= _HIDDEN:
                x, y = axes.transAxes.inverted().transform(centre)
                text.set_position((x, y))
                taken.append((low, high))
                drawn.append(text)
                break
        else:
            text.remove()
    return drawn


def _written(axes: Axes, name: str, size_pt: float, theme: Theme, *, has_halo: bool) -> Text:
    # The frame moves when room beside it is cut off: what is written goes with it.
    text = axes.figure.text(
        *(0, 0, name),
        transform=axes.transAxes,
        ha="center",
        va="center",
        color=theme.strong,
        weight="bold",
        zorder=6,
        **text_style(size_pt),
    )
    if has_halo:
        text.set_path_effects([withStroke(linewidth=3, foreground=theme.paper, alpha=0.85)])
    else:
        plate = {"boxstyle": "round,pad=0.15", "fc": theme.paper, "ec": "none", "alpha": 0.7}
        text.set_bbox(plate)
    return text
