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
    from matplotlib.transforms import Bbox
    from numpy.typing import NDArray

    from .theme import Theme

_NAME_PT: Final = 9.5
_NAME_LENGTH: Final = 22
_GAP_PX: Final = 3
_MOST: Final = 60
"""Names that are tried: a map with more of them shows nothing else."""
# From the median, in heights of a line: a name that meets another moves up or down a little.
_SHIFTS: Final = (0.0, 1.1, -1.1, 2.0, -2.0)


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
    taken: list[Bbox] = []
    drawn = []
    for code in np.argsort(-counts, kind="stable")[:_MOST].tolist():
        if not names[code] or shown.count(shown[code]) > 1:
            continue
        middle = np.median(places_px(axes, points[codes == code]), axis=0)
        text = _written(axes, shown[code], theme, has_halo=has_halo)
        for shift in _SHIFTS:
            box = _moved(axes, text, middle, shift)
            inside = frame.x0 <= box.x0 and box.x1 <= frame.x1
            inside = inside and frame.y0 <= box.y0 and box.y1 <= frame.y1
            if inside and not any(box.overlaps(other) for other in taken):
                taken.append(box)
                drawn.append(text)
                break
        else:
            text.remove()
    return drawn


def _written(axes: Axes, name: str, theme: Theme, *, has_halo: bool) -> Text:
    # The frame moves when room beside it is cut off: what is written goes with it.
    text = axes.figure.text(
        *(0, 0, name),
        transform=axes.transAxes,
        ha="center",
        va="center",
        color=theme.strong,
        weight="bold",
        zorder=6,
        **text_style(_NAME_PT),
    )
    if has_halo:
        text.set_path_effects([withStroke(linewidth=3, foreground=theme.paper, alpha=0.85)])
    else:
        plate = {"boxstyle": "round,pad=0.15", "fc": theme.paper, "ec": "none", "alpha": 0.7}
        text.set_bbox(plate)
    return text


def _moved(axes: Axes, text: Text, middle: NDArray[np.float64], shift: float) -> Bbox:
    """The place of a text, with some room around it, when it is moved there."""
    height = text.get_window_extent().height
    place = axes.transAxes.inverted().transform((middle[0], middle[1] + shift * height))
    text.set_position(place)
    return text.get_window_extent().padded(_GAP_PX)
