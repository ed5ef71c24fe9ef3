"""An image, its adversarial change, magnified, and what is answered before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from ...errors import UsageError
from ..figure_file import new_figure, write_picture
from ..picture_path import require_picture_path
from ..text import shown_name, text_style, wrapped
from ..theme import LIGHT, Theme

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_SIDE_IN: Final = 2.7
_GAP_IN: Final = 0.25
_ABOVE_IN: Final = 0.3
_LINE_IN: Final = 0.2
_GREY: Final = 128
_LETTERS: Final = 26


class Answered(NamedTuple):
    """What is answered to a picture."""

    classes: Sequence[tuple[str, float]]
    """The most probable classes with their probabilities (0-1), the first first."""
    unknown: bool
    """Whether it is called unknown."""


def draw_adversarial(
    original: NDArray[np.uint8],
    changed: NDArray[np.uint8],
    answers: tuple[Answered, Answered],
    output: Path,
    title: str,
    *,
    theme: Theme = LIGHT,
) -> int:
    """Draw an image, the same after a small change, and the change, side by side.

    Parameters
    ----------
    original, changed
        uint8, (height, width, 3), RGB, of one size.
    answers
        To both; the first three classes are written below.
    output
        A ``.png`` or ``.svg`` file in a folder that exists.
    title
        Stands above.
    theme
        Colours of all that is drawn.

    Returns
    -------
    int
        How many times the change is magnified.

    Raises
    ------
    UsageError
        When `output` ends otherwise, or the pictures are not of one size.
    OSError
        When `output` cannot be written; it is then as it was.
    """
    require_picture_path(output)
    if original.shape != changed.shape or original.ndim != 3:
        raise UsageError(
            f"expected two pictures of one size, received {original.shape} and {changed.shape}"
        )
    difference = changed.astype(np.int16) - original
    most = int(np.abs(difference).max())
    factor = max(1, (_GREY - 1) // max(1, most))
    magnified = (_GREY + factor * difference).clip(0, 255).astype(np.uint8)
    height_in = _ABOVE_IN + _SIDE_IN + 4 * _LINE_IN
    figure = new_figure(3 * _SIDE_IN + 2 * _GAP_IN, height_in, theme)
    words = (
        ("original", _lines(answers[0])),
        ("changed", _lines(answers[1])),
        (f"the change × {factor}", [(f"at most {most} of 255 levels", ""), ("grey: none", "")]),
    )
    for number, (picture, (heading, lines)) in enumerate(
        zip((original, changed, magnified), words, strict=True)
    ):
        _draw_panel(figure, number, picture, heading, lines, theme)
    figure.text(
        *(0, 1 + 0.12 / height_in, wrapped(title, 78)),
        va="bottom",
        color=theme.strong,
        **text_style(13),
    )
    write_picture(figure, output)
    return factor


def _lines(answer: Answered) -> list[tuple[str, str]]:
    lines = [
        (shown_name(name, _LETTERS), f"{share:.1%}".replace("%", " %"))
        for name, share in answer.classes[:3]
    ]
    return [*lines, ("called unknown", "")] if answer.unknown else lines


def _draw_panel(
    figure: Figure,
    number: int,
    picture: NDArray[np.uint8],
    heading: str,
    lines: list[tuple[str, str]],
    theme: Theme,
) -> None:
    width_in, height_in = figure.get_size_inches()
    left_in = number * (_SIDE_IN + _GAP_IN)
    bottom_in = height_in - _ABOVE_IN - _SIDE_IN
    axes = figure.add_axes(
        (left_in / width_in, bottom_in / height_in, _SIDE_IN / width_in, _SIDE_IN / height_in)
    )
    axes.set_axis_off()
    axes.imshow(picture, aspect="equal", interpolation="nearest")
    figure.text(
        *(left_in / width_in, 1 - 0.2 / height_in, heading), color=theme.ink, **text_style(10)
    )
    for place, (name, share) in enumerate(lines):
        # In texts of their own: beside a name that is read from the right they would change places.
        y = (bottom_in - (place + 1) * _LINE_IN) / height_in
        colour = theme.strong if place == 0 and share else theme.quiet
        right = (left_in + _SIDE_IN) / width_in
        figure.text(left_in / width_in, y, name, color=colour, **text_style(9))
        figure.text(right, y, share, color=colour, ha="right", **text_style(9))
