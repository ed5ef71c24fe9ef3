"""What the colours of a map say of its images: their class, whether a head is right, …"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import LinearSegmentedColormap

from ..errors import UsageError
from ..formatting import counted
from .colourings import require_colouring
from .palette import Style, class_style
from .theme import DARK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.colors import Colormap

    from .colourings import Colouring
    from .theme import Theme

UNKNOWN: Final = "unknown"
_RIGHT: Final = "right"
_WRONG: Final = "wrong"
_NO_LABEL: Final = "no label"
_SPLITS: Final = ("train", "validation", "test")
_NO_SPLIT: Final = "no split"


class Group(NamedTuple):
    """Points of one look, and their line of the legend."""

    name: str
    rows: list[int]
    style: Style
    stands_out: bool = False
    """Whether its points are larger and lie on top."""


def groups_of(colouring: Colouring, labels: Sequence[str], theme: Theme) -> list[Group]:
    """The points of each colour, in the order of the legend; none for a scale of colours.

    Raises
    ------
    UsageError
        For another colouring, or where there is not one value for each label.
    """
    by, values = colouring.by, colouring.values
    require_colouring(by)
    if by != "label" and len(values) != len(labels):
        raise UsageError(
            f"{counted(len(labels), 'label')} and {counted(len(values), 'value')}: a map is "
            f"coloured by one value for each point"
        )
    if by == "confidence":
        return []
    classes = sorted(set(labels))
    styles = {name: class_style(index, theme.name) for index, name in enumerate(classes)}
    if by == "label":
        return _grouped(labels, styles)
    names = [str(value) for value in values]
    if by == "split":
        of_splits = {split: class_style(index, theme.name) for index, split in enumerate(_SPLITS)}
        names = [name or _NO_SPLIT for name in names]
        return _grouped(names, {**of_splits, _NO_SPLIT: _unremarkable(theme)})
    if by == "mistake":
        found = [_outcome(label, name) for name, label in zip(names, labels, strict=True)]
        wrong = Style("#ff7a3d" if theme is DARK else "#c8300a", "X", "-")
        unknown = class_style(0, theme.name)._replace(marker="^")
        no_label = _unremarkable(theme)._replace(marker="D")
        styles = {_WRONG: wrong, UNKNOWN: unknown, _RIGHT: _unremarkable(theme)}
        groups = _grouped(found, {**styles, _NO_LABEL: no_label})
        return [group._replace(stands_out=group.name in (_WRONG, UNKNOWN)) for group in groups]
    # A head may know classes that no image here has.
    for name in sorted(set(names) - set(styles) - {""}):
        styles[name] = class_style(len(styles), theme.name)
    unknown_name = UNKNOWN if UNKNOWN not in styles else "(unknown)"
    styles[unknown_name] = Style(theme.ink, "X", "-")
    return _grouped([name or unknown_name for name in names], styles)


def scale_of_colours(theme: Theme) -> Colormap:
    """For 0-1, from what stands out least from the ground to what stands out most."""
    viridis = colormaps["viridis"]
    # Its ends are as dark and as light as the grounds.
    shades = viridis(np.linspace(0.22, 1.0, 256) if theme is DARK else np.linspace(0.0, 0.9, 256))
    return LinearSegmentedColormap.from_list("confidence", shades)


def _outcome(label: str, predicted: str) -> str:
    if not label:
        return _NO_LABEL
    if not predicted:
        return UNKNOWN
    return _RIGHT if predicted == label else _WRONG


def _grouped(names: Sequence[str], styles: dict[str, Style]) -> list[Group]:
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        rows.setdefault(name, []).append(row)
    return [Group(name, rows[name], style) for name, style in styles.items() if name in rows]


def _unremarkable(theme: Theme) -> Style:
    return Style(theme.bar, "o", "-")
