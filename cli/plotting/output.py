"""Where `bottlebank plot` writes, checked before anything is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import UsageError
from ...reports.dataset_views.kinds import MAP
from ...reports.map_formats.output import require_map_output, require_no_looks
from ...reports.output_paths import (
    EXPLORER,
    PICTURE,
    map_kind,
    require_output,
    require_outside,
)
from ...viz.colourings import require_looks

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def require_plot_output(
    output: str, *, kind: str, format: str | None, data: str, inputs: Sequence[str | None]
) -> Path:
    """The path of a picture, of the explorer, or of a map in another program's format.

    Raises
    ------
    UsageError
        When it is none of these, would replace another file, or lies in the data.
    """
    if format is not None:
        if kind != MAP:
            raise UsageError(f"--format {format} is of a map: leave --kind {kind} out")
        return require_map_output(format, output, inputs, data)
    path = require_output(output, map_kind(output) if kind == MAP else PICTURE, inputs)
    require_outside(path, data)
    return path


def require_fitting_looks(
    path: Path,
    *,
    kind: str,
    format: str | None,
    color: str,
    theme: str,
    head: str | None,
    thumbnails: bool,
) -> None:
    """Refuse looks, and a head, that what is written to this path has not.

    Raises
    ------
    UsageError
        Then.
    """
    if kind != MAP and (color != "label" or head is not None):
        raise UsageError(
            f"--color and --head are of a map: leave them out beside --kind {kind}, or leave "
            f"--kind {kind} out"
        )
    is_page = format is None and path.suffix.lower() in EXPLORER.suffixes
    require_looks(color, theme, head, is_page=is_page)
    if format is not None:
        require_no_looks(format, color, theme, thumbnails=thumbnails)
