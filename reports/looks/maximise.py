"""The picture of `bottlebank look maximise`, and where the pictures in it are kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...replaceable import writing_file
from ...viz.looks.grid import draw_grid
from ...viz.text import shown_name
from ...viz.theme import require_theme
from ..output_paths import PICTURE, require_output

if TYPE_CHECKING:
    import os

    from ...interpret.maximised_pictures import Maximised, Picture


def cells_folder(output: Path) -> Path:
    """The folder beside a grid in which its pictures are kept."""
    return output.with_name(f"{output.stem}-cells")


def draw_maximised(
    maximised: Maximised, output: str | os.PathLike[str], *, theme: str = "light"
) -> str:
    """Draw what `interpret.maximise` returns, and return the caption.

    Parameters
    ----------
    maximised
        What is drawn.
    output
        A ``.png`` or ``.svg`` file. Its folder is made where there is none, and a picture that
        bottlebank has drawn is replaced.
    theme
        ``light`` or ``dark``.

    Raises
    ------
    BottlebankError
        When the picture cannot be written.
    UsageError
        For another file extension, or where another file would be replaced.
    """
    path = require_output(output, PICTURE)
    chosen = require_theme(theme)
    what, score = (
        ("the classes of a head", "probability of the class")
        if maximised.of_classes
        else (f"units of {maximised.layer or 'the transfer values'}", "activation of the unit")
    )
    title = f"{shown_name(maximised.extractor)}: what excites {shown_name(what, 80)}"
    caption = (
        f"Each picture is made by steps along the gradient, from noise, or a plain colour, if "
        f"that excites more. Below it, the {score} that "
        f"its 8-bit pixels give."
    )
    with writing_file(path):
        draw_grid(
            [each.pixels for each in maximised.pictures],
            [_words(each) for each in maximised.pictures],
            path,
            title,
            caption,
            theme=chosen,
        )
    return caption


def _words(picture: Picture) -> tuple[str, str]:
    if picture.probability is None:
        return f"unit {picture.target}", f"{picture.score:.3g}"
    unknown = ", called unknown" if picture.unknown else ""
    return str(picture.target), f"{100 * picture.probability:.1f} %{unknown}"
