"""The look of each class: a colour of its own for twenty classes, marker shapes beyond.

The colours maximise the smallest distance in OKLab (Björn Ottosson, "A perceptual color space for
image processing", 2020) between any two of them, as seen with normal vision and with the red-green
and blue-yellow deficiencies as Machado, Oliveira and Fernandes simulate them
(doi:10.1109/TVCG.2009.113). The first eight count the deficiencies as much as normal vision, so
that they can be told apart without shapes; twenty colours cannot, in the plane that is left of a
colour space with two kinds of cones. `tests/viz/test_palette.py` measures the distances.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from .theme import require_theme

# On a dark ground, most classes keep the hue that they have on a light one.
COLOURS: Final = {
    "light": (
        *("#145afa", "#f0a800", "#789650", "#a04600", "#00b4ff", "#ff64b4", "#006478", "#500096"),
        *("#aa28c8", "#64d278", "#e6aad2", "#503c00", "#b40a64", "#9678ff", "#6e1446", "#ff5000"),
        *("#be9682", "#826e96", "#3ca0aa", "#0a00be"),
    ),
    "dark": (
        *("#b4aafa", "#fff014", "#46dc8c", "#d28200", "#148cb4", "#f01e82", "#c8faff", "#a050ff"),
        *("#ff82d2", "#8caa96", "#fabedc", "#b4b400", "#d25050", "#c878fa", "#a06e96", "#ff786e"),
        *("#fab46e", "#dc3cd2", "#3ce6ff", "#7878dc"),
    ),
}
"""By theme, ``#rrggbb``, of the first twenty classes; class 20 has that of class 0 again."""

# Filled shapes alone, so that all take an edge; neighbours in the list differ most.
_MARKERS: Final = ("o", "^", "s", "X", "v", "D", "P", "*", "<", "d", ">", "p", "h", "8", "H")
_LINES: Final = ("-", "--", ":", "-.")


class Style(NamedTuple):
    """How the points of one class are drawn."""

    colour: str
    """``#rrggbb``."""
    marker: str
    """A marker of matplotlib's."""
    line: str
    """A line style of matplotlib's; classes of one colour differ in it, the first 80."""


def class_style(index: int, theme: str = "light") -> Style:
    """The style of class number `index`, the same in every picture.

    The first twenty classes differ in colour alone, which reads best in a dense map; after 300 the
    styles begin again.

    Raises
    ------
    UsageError
        When `theme` is neither ``light`` nor ``dark``.
    """
    colours = COLOURS[require_theme(theme).name]
    shape, colour = divmod(index % (len(colours) * len(_MARKERS)), len(colours))
    return Style(colours[colour], _MARKERS[shape], _LINES[shape % len(_LINES)])
