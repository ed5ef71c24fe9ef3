"""The mistakes of a head, to be looked at."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Final

import numpy as np

from ..errors import UsageError
from .figure_file import new_figure, write_picture
from .picture_path import require_picture_path
from .text import shown_name, text_style, wrapped
from .theme import LIGHT, Theme

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_N_COLUMNS: Final = 5
_MOST: Final = 100
_SIDE_IN: Final = 1.6
_WORDS_IN: Final = 0.68
_GAP_IN: Final = 0.12
_PAD_IN: Final = 0.14
_LINE_IN: Final = 0.15
_ARROW_IN: Final = 0.14
_NAME_PT: Final = 7.5
_FILE_PT: Final = 6.5
# A letter is about 0.64 of its size wide.
_N_LETTERS: Final = int(72 * _SIDE_IN / (0.64 * _NAME_PT))
_N_FILE_LETTERS: Final = int(72 * _SIDE_IN / (0.64 * _FILE_PT))


def draw_mistakes(
    thumbnails: Sequence[NDArray[np.uint8]],
    captions: Sequence[tuple[str, str, float, str]],
    output: Path,
    title: str,
    *,
    theme: Theme = LIGHT,
) -> None:
    """Draw images that were taken for something else, as a PNG or SVG by the ending of `output`.

    They stand in rows of five in the order given. Without any, the picture says so.

    Parameters
    ----------
    thumbnails
        uint8, (height, width, 3), RGB, 0-255 each, of any sizes; at most 100, and 24 look well.
    captions
        For each thumbnail the true class, the predicted class, its probability (0-1) and the
        path of the file: its folder and its name stand on a line each.
    output
        A ``.png`` or ``.svg`` file in a folder that exists.
    title
        Stands above.
    theme
        Colours of all that is drawn.

    Raises
    ------
    UsageError
        When `output` ends otherwise, there is not one caption for each thumbnail, there are more
        than 100, or one is not as described.
    OSError
        When `output` cannot be written; it is then as it was.
    """
    require_picture_path(output)
    _check(thumbnails, captions)
    n_rows = -(-len(thumbnails) // _N_COLUMNS)
    width_in = _N_COLUMNS * (_SIDE_IN + _GAP_IN) - _GAP_IN
    height_in = max(0.3, n_rows * (_SIDE_IN + _WORDS_IN + _GAP_IN) - _GAP_IN)
    figure = new_figure(width_in, height_in, theme)
    for number, (thumbnail, caption) in enumerate(zip(thumbnails, captions, strict=True)):
        _draw_cell(figure, number, thumbnail, caption, theme)
    legend = "true class → predicted class with its probability" if captions else "no mistakes"
    for above_in, words, colour, size_pt in (
        (0.32, wrapped(title, 70), theme.strong, 13),
        (0.12, legend, theme.ink, 9),
    ):
        figure.text(
            *(0, 1 + above_in / height_in, words), va="bottom", color=colour, **text_style(size_pt)
        )
    write_picture(figure, output)


def _draw_cell(
    figure: Figure,
    number: int,
    thumbnail: NDArray[np.uint8],
    caption: tuple[str, str, float, str],
    theme: Theme,
) -> None:
    width_in, height_in = figure.get_size_inches()
    row, column = divmod(number, _N_COLUMNS)
    cell_in = _SIDE_IN + _WORDS_IN
    axes = figure.add_axes(
        (
            column * (_SIDE_IN + _GAP_IN) / width_in,
            1 - (row * (cell_in + _GAP_IN) + cell_in) / height_in,
            _SIDE_IN / width_in,
            cell_in / height_in,
        )
    )
    axes.set_axis_off()
    n_rows, n_columns = thumbnail.shape[:2]
    scale = _SIDE_IN / max(n_rows, n_columns)
    # In inches from the upper left corner; the image stands on the words, in the middle.
    left, top = (_SIDE_IN - scale * n_columns) / 2, _SIDE_IN - scale * n_rows
    axes.imshow(
        thumbnail,
        extent=(left, _SIDE_IN - left, _SIDE_IN, top),
        aspect="auto",
        interpolation="antialiased",
    )
    axes.set_xlim(0, _SIDE_IN)
    axes.set_ylim(cell_in, 0)
    true, predicted, probability, path = caption
    first, second, third, fourth = (_SIDE_IN + _PAD_IN + line * _LINE_IN for line in range(4))
    folder, separator, file_name = path.rpartition("/")
    places = [folder + separator, file_name] if separator else [path]
    # Each in a text of its own: on a line with a name that is read from the right, an arrow and
    # a number would change places.
    for x, y, words, ha, colour, size_pt in (
        (0, first, _fitting(true, _N_LETTERS), "left", theme.strong, _NAME_PT),
        (0, second, "→", "left", theme.strong, _NAME_PT),
        (_ARROW_IN, second, _fitting(predicted, _N_LETTERS - 9), "left", theme.strong, _NAME_PT),
        (
            _SIDE_IN,
            second,
            f"{probability:.0%}".replace("%", " %"),
            "right",
            theme.strong,
            _NAME_PT,
        ),
        *(
            (0, y, _fitting(place, _N_FILE_LETTERS), "left", theme.quiet, _FILE_PT)
            for y, place in zip((third, fourth), places, strict=False)
        ),
    ):
        axes.text(
            *(x, y, words),
            ha=ha,
            va="baseline",
            color=colour,
            clip_on=True,  # the widest letters are wider than reckoned
            **text_style(size_pt),
        )


def _fitting(name: str, n_letters: int) -> str:
    """The name in the room of so many Latin letters; those of East Asia take the room of two."""
    length = n_letters
    shown = shown_name(name, length)
    while length > 2 and _n_letters(shown) > n_letters:
        length -= 1
        shown = shown_name(name, length)
    return shown


def _n_letters(text: str) -> int:
    return sum(1 + (unicodedata.east_asian_width(character) in "WF") for character in text)


def _check(
    thumbnails: Sequence[NDArray[np.uint8]], captions: Sequence[tuple[str, str, float, str]]
) -> None:
    if len(thumbnails) != len(captions):
        raise UsageError(
            f"{len(thumbnails):,} thumbnails and {len(captions):,} captions: each thumbnail needs "
            f"one caption"
        )
    if len(thumbnails) > _MOST:
        raise UsageError(
            f"a picture shows at most {_MOST} mistakes, not {len(thumbnails):,}: choose the most "
            f"confident ones"
        )
    for number, thumbnail in enumerate(thumbnails):
        if (
            thumbnail.dtype != np.uint8
            or thumbnail.ndim != 3
            or thumbnail.shape[2] != 3
            or thumbnail.size == 0
        ):
            raise UsageError(
                f"thumbnails are uint8, (height, width, 3); number {number} is {thumbnail.dtype} "
                f"{thumbnail.shape}"
            )
    for number, (_, _, probability, _) in enumerate(captions):
        if not 0 <= probability <= 1:
            raise UsageError(f"probabilities are in 0-1; that of caption {number} is {probability}")
