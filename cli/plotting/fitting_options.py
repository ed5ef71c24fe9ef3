"""Which options of `bottlebank plot` change nothing in which case: there they are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from ...errors import UsageError
from ...reports.dataset_views.kinds import MAP
from ...reports.output_paths import EXPLORER
from ..command import Option

if TYPE_CHECKING:
    from pathlib import Path

_IMAGE, _DRAWN_ALONE, _DRAWN_OF_A_TABLE = "an image", "a dataset alone", "a dataset, of a table"
_PICTURE, _PAGE, _FILE = "a map as a picture", "the explorer", "the file of another program"

_LAYOUT = ("method", "dimensions", "perplexity", "neighbors", "fresh")
_THUMBNAILS = ("thumbnails", "thumbnail_budget")
_RECIPE = (
    *("extractor", "weights", "fit", "grey16", "size", "layer"),
    *("scaling", "pooling", "store"),
)
"""Of transfer values: which ones are drawn. Where and how fast they are made may be said always."""
_CHANGE_NOTHING = {
    _IMAGE: (*_LAYOUT, *_THUMBNAILS, "labels", "saliency"),
    _DRAWN_ALONE: (*_LAYOUT, *_THUMBNAILS, *_RECIPE, "saliency"),
    _DRAWN_OF_A_TABLE: (*_LAYOUT, *_THUMBNAILS, "saliency"),
    _PICTURE: ("thumbnail_budget", "saliency"),
    _PAGE: ("thumbnails",),
    _FILE: ("thumbnail_budget", "saliency"),
}
"""By case. Colours, themes, heads and --beside have refusals with advice of their own. --seed is no
wish for anything, and may stand anywhere."""


def require_fitting_options(
    path: Path, *, is_image: bool, kind: str, format: str | None, labels: str | None
) -> None:
    """Refuse options that were typed and would change nothing of what is written to this path.

    Those of environment variables are for many commands, and stay.

    Raises
    ------
    UsageError
        Then; the message names all of them.
    """
    context = click.get_current_context()
    case, words = _case(path, is_image=is_image, kind=kind, format=format, labels=labels)
    typed = [
        option
        for option in context.command.params
        if isinstance(option, Option)
        and (option.name in _CHANGE_NOTHING[case] or (is_image and option.part_of == "reading"))
        and context.get_parameter_source(str(option.name)) is ParameterSource.COMMANDLINE
    ]
    if not typed:
        return
    names = " and ".join(max(option.opts, key=len) for option in typed)
    does, it = ("changes", "it") if len(typed) == 1 else ("change", "them")
    raise UsageError(f"{names} {does} nothing {words}: leave {it} out")


def _case(
    path: Path, *, is_image: bool, kind: str, format: str | None, labels: str | None
) -> tuple[str, str]:
    """A case of `_CHANGE_NOTHING`, and what follows "nothing" in a sentence about it."""
    if is_image:
        return _IMAGE, "where DATA is an image"
    if kind != MAP:
        has_table = kind == "units" or labels is not None
        return _DRAWN_OF_A_TABLE if has_table else _DRAWN_ALONE, f"of --kind {kind}"
    if format is not None:
        return _FILE, f"of a map in --format {format}"
    if path.suffix.lower() in EXPLORER.suffixes:
        return _PAGE, "of the explorer, which always has thumbnails (see --thumbnail-budget)"
    return _PICTURE, "of a picture (only of the explorer, an .html file)"
