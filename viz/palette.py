"""The look of each class: a colour-blind-safe colour times a marker shape."""

from __future__ import annotations

from typing import Final, NamedTuple

# Okabe & Ito, "Color Universal Design" (2008), without yellow, which is lost on white.
_COLOURS: Final = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#cc79a7", "#000000")
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
    """A line style of matplotlib's; classes of one colour differ in it, the first 28."""


def class_style(index: int) -> Style:
    """The style of class number `index`, the same in every picture.

    The first seven classes differ in colour alone, which reads best in a dense map; after 105 the
    styles begin again.
    """
    shape, colour = divmod(index, len(_COLOURS))
    return Style(_COLOURS[colour], _MARKERS[shape % len(_MARKERS)], _LINES[shape % len(_LINES)])
