"""Light and dark: the colours of everything in a picture that is not data."""

from __future__ import annotations

from typing import Final, NamedTuple

from ..errors import UsageError


class Theme(NamedTuple):
    """Colours as ``#rrggbb``, but for the name."""

    name: str
    """``light`` or ``dark``."""
    paper: str
    """Behind everything."""
    strong: str
    """Titles and names: what is read first."""
    ink: str
    """Captions, labels of axes, tick labels."""
    quiet: str
    """Words that may be overlooked; still 4.5 times as bright or dark as the paper."""
    line: str
    """Frames and tick marks."""
    grid: str
    """Lines behind the data."""
    bar: str
    """Bars without a class."""
    first: str
    """The curve that matters."""
    second: str
    """The one beside it."""


LIGHT: Final = Theme(
    name="light",
    paper="#ffffff",
    strong="#000000",
    ink="#333333",
    quiet="#666666",
    line="#bbbbbb",
    grid="#e5e5e5",
    bar="#999999",
    first="#0072b2",
    second="#e69f00",
)
DARK: Final = Theme(
    name="dark",
    paper="#1b211e",
    strong="#f4f6f4",
    ink="#d3d9d5",
    quiet="#a3aea7",
    line="#55605a",
    grid="#313935",
    bar="#7f8a84",
    first="#56b4e9",
    second="#e69f00",
)
THEMES: Final = {theme.name: theme for theme in (LIGHT, DARK)}
"""By name."""


def require_theme(name: str) -> Theme:
    """The theme of that name.

    Raises
    ------
    UsageError
        When there is none.
    """
    if name not in THEMES:
        raise UsageError(f"expected the theme {' or '.join(THEMES)}, received {name!r}")
    return THEMES[name]
