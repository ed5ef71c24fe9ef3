"""Units of a network that tell classes apart: what excites them, and how much in each class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from matplotlib.ticker import MaxNLocator

from ..figure_file import in_theme
from ..palette import class_style
from ..text import before_words, shown_name, text_style
from ..theme import LIGHT, Theme
from .sheet import Sheet

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

N_EXCITING: Final = 6
"""Photographs that are shown for each unit."""
MOST_BARS: Final = 12
_SIDES_IN: Final = (0.85, 1.4)
_GAP_IN: Final = 0.06
_BAR_IN: Final = 0.17
_PANEL_IN: Final = 3.0
_NAME_LENGTH: Final = 22
_LETTER_IN: Final = 0.075
"""Width of a letter of a name, on average; wide scripts reach into the gap."""


class Unit(NamedTuple):
    """One of the transfer values."""

    number: int
    """Its place among them, from 0."""
    share: float
    """Of its variance, what lies between the classes: 0 to 1."""
    values: NDArray[np.float32]
    """float32, (n,): of each image."""
    exciting: Sequence[NDArray[np.uint8]]
    """The images of its greatest values, the greatest first."""
    tells: str | None = None
    """The class that it tells from all others, which `share` is about; None for all classes."""


def draw_units(
    units: Sequence[Unit],
    labels: Sequence[str],
    output: Path,
    title: str,
    caption: str,
    theme: Theme = LIGHT,
) -> None:
    """Draw, for each unit, the images that excite it most and its distribution in each class.

    The distribution is a line from the 10th to the 90th percentile of a class, with a dot at the
    median. Of more than 12 classes, the six of the greatest and the six of the smallest medians are
    shown.

    Parameters
    ----------
    units
        In order.
    labels
        The class of each image, (n,).
    output
        A ``.png`` or ``.svg`` file in a folder that exists.
    title, caption
        Above and below.
    theme
        Light or dark.
    """
    names, codes = np.unique(np.asarray(labels, object).astype(str), return_inverse=True)
    n_bars = min(len(names), MOST_BARS)
    side_in = float(np.clip(n_bars * _BAR_IN, *_SIDES_IN))
    strip_in = N_EXCITING * (side_in + _GAP_IN)
    block_in = 0.3 + max(side_in, n_bars * _BAR_IN + 0.1) + 0.25
    shown = {name: before_words(shown_name(name, _NAME_LENGTH)) for name in names.tolist()}
    name_in = 0.3 + _LETTER_IN * max(map(len, shown.values()))
    sheet = Sheet(strip_in + name_in + _PANEL_IN, len(units) * block_in, theme)
    for number, unit in enumerate(units):
        y = number * block_in
        sheet.words(_in_words(unit), 0, y + 0.2, strong=True)
        for place, pixels in enumerate(unit.exciting):
            sheet.image(pixels, place * (side_in + _GAP_IN), y + 0.3, side_in)
        panel = sheet.panel(strip_in + name_in, y + 0.2, _PANEL_IN, n_bars * _BAR_IN)
        _draw_distribution(panel, unit.values, list(shown.values()), codes, theme)
    sheet.write(output, title, caption)


def _in_words(unit: Unit) -> str:
    share = f"{unit.share:.0%}".replace("%", " %")
    if unit.tells is None:
        return f"unit {unit.number}: {share} of its variance lies between classes"
    name = before_words(shown_name(unit.tells, _NAME_LENGTH))
    return (
        f"{name}, unit {unit.number}: {share} of its variance lies between this class and the "
        f"others"
    )


def _draw_distribution(
    axes: Axes, values: NDArray[np.float32], names: list[str], codes: np.ndarray, theme: Theme
) -> None:
    in_theme(axes, theme, 7)
    low, middle, high = np.array(
        [np.percentile(values[codes == code], (10, 50, 90)) for code in range(len(names))]
    ).T
    order = np.argsort(-middle, kind="stable")
    if len(order) > MOST_BARS:
        order = np.r_[order[: MOST_BARS // 2], order[-MOST_BARS // 2 :]]
    for place, code in enumerate(order.tolist()):
        colour = class_style(code, theme.name).colour
        axes.plot([low[code], high[code]], [place, place], color=colour, linewidth=3, alpha=0.6)
        axes.plot([middle[code]], [place], marker="o", markersize=5, color=colour)
    shown = [names[code] for code in order.tolist()]
    axes.set_yticks(range(len(order)), shown, color=theme.ink, **text_style(8))
    axes.set_ylim(len(order) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(4))
