"""The points of a map: small and transparent where there are many, with a line around crowds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from matplotlib.colors import to_rgba

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.colors import Colormap
    from numpy.typing import NDArray

    from .map_colours import Group
    from .theme import Theme

# An SVG with more points than this is slow to open; they become one image inside it.
_MOST_VECTOR_POINTS: Final = 20_000
_MOST_WITH_EDGES: Final = 5_000
_RARE: Final = 1 / 20
"""Of the largest group: classes that are smaller lie on top, where they are seen."""
_LARGER: Final = 1.8


def draw_groups(axes: Axes, points: NDArray[np.float32], groups: list[Group], theme: Theme) -> None:
    """Draw points in the colours of their groups.

    They are mixed: drawn group after group, the last would seem to own all that they share. Only
    rare groups lie on top, the rarest last.
    """
    n = len(points)
    largest = max(len(group.rows) for group in groups)
    random = np.random.default_rng(0)
    order, colours = np.empty(n), np.empty((n, 4))
    markers, sizes = np.empty(n, object), np.ones(n)
    for group in groups:
        rare = len(group.rows) <= _RARE * largest
        order[group.rows] = 2 - len(group.rows) / n if rare else random.random(len(group.rows))
        order[group.rows] += 2 * group.stands_out
        colours[group.rows] = to_rgba(group.style.colour)
        markers[group.rows] = group.style.marker
        sizes[group.rows] = _LARGER if group.stands_out else 1.0
    drawn = np.argsort(order, kind="stable")
    # Markers with what lies on top come last.
    for number, marker in enumerate(reversed(dict.fromkeys(markers[drawn[::-1]]))):
        rows = drawn[markers[drawn] == marker]
        look = {"marker": marker, "color": colours[rows], "sizes": sizes[rows]}
        _scatter(axes, points[rows], n, theme, number, **look)


def draw_values(
    axes: Axes,
    points: NDArray[np.float32],
    values: NDArray[np.float64],
    shades: Colormap,
    theme: Theme,
) -> PathCollection:
    """Draw points in the shades of values from 0 to 1, the lowest on top."""
    drawn = np.argsort(-values, kind="stable")
    return _scatter(
        axes, points[drawn], len(points), theme, 0, c=values[drawn], cmap=shades, vmin=0, vmax=1
    )


def _scatter(
    axes: Axes,
    points: NDArray[np.float32],
    n: int,
    theme: Theme,
    level: int,
    sizes: NDArray[np.float64] | float = 1.0,
    **look: Any,
) -> PathCollection:
    if points.shape[1] == 3:
        look["depthshade"] = False  # a paler colour would be that of another class
    return axes.scatter(
        *points.T,
        s=np.clip(600 / n**0.5, 2.0, 60.0) * sizes,
        alpha=_alpha(n),
        edgecolors=theme.paper if n <= _MOST_WITH_EDGES else "none",
        linewidths=0.3,
        zorder=2 + level / 100,
        rasterized=n > _MOST_VECTOR_POINTS,
        **look,
    )


def _alpha(n: int) -> float:
    if n <= 500:
        return 0.9
    return 0.75 if n <= _MOST_WITH_EDGES else max(0.3, 0.75 * (_MOST_WITH_EDGES / n) ** 0.35)


def draw_density(axes: Axes, points: NDArray[np.float32], theme: Theme) -> None:
    """Draw lines around where most points are, of a map whose points hide one another."""
    n = len(points)
    if n <= _MOST_WITH_EDGES or points.shape[1] != 2:
        return
    from scipy.ndimage import gaussian_filter

    limits = [axes.get_xlim(), axes.get_ylim()]
    counts, x, y = np.histogram2d(*points.T, bins=160, range=limits)
    smooth = gaussian_filter(counts, 2.0)
    # Lines around the densest places that hold 25, 50 and 75 % of the points.
    descending = np.sort(smooth, axis=None)[::-1]
    held = np.cumsum(descending) / descending.sum()
    levels = sorted(
        {float(descending[np.searchsorted(held, share)]) for share in (0.25, 0.5, 0.75)}
    )
    if levels[-1] >= smooth.max():
        return
    axes.contour(
        (x[:-1] + x[1:]) / 2,
        (y[:-1] + y[1:]) / 2,
        smooth.T,
        levels=levels,
        colors=theme.ink,
        linewidths=(0.5, 0.8, 1.1),
        alpha=0.55,
        zorder=3,
    )
