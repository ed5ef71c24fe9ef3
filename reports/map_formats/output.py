"""Where a map in the format of another program may be written; it appears whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import UsageError
from ...replaceable import writing_file
from ..output_paths import Kind, require_folder, require_folder_outside, require_output
from ..placed_folder import placed
from .registry import find_map_format

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .laid_out import LaidOut
    from .registry import MapFormat


def require_map_output(
    name: str,
    output: str | os.PathLike[str],
    inputs: Iterable[str | None] = (),
    data: str | None = None,
) -> Path:
    """The path of a file or folder that can be written and replaces nothing but one of its format.

    Parameters
    ----------
    name
        Of the format.
    output
        A file or folder, as the format has it.
    inputs
        Files that must not be replaced.
    data
        The dataset, outside which a folder has to be; None where it is not known.

    Raises
    ------
    UsageError
        When there is no such format, or something else is at `output`.
    LibraryNotFoundError
        When a library is missing, with what to install.
    """
    chosen = find_map_format(name)
    chosen.require_installed()
    if chosen.suffixes:
        kind = Kind(f"a map in the format {name}", chosen.suffixes, chosen.imported().is_own)
        return require_output(output, kind, inputs)
    path = require_folder(Path(os.path.realpath(output)))
    require_folder(path.parent)
    for given in inputs:
        if given is not None and Path(os.path.realpath(given)).is_relative_to(path):
            raise UsageError(
                f"cannot write {output}: {given} lies in it and is also the input; choose another "
                f"name"
            )
    if data is not None:
        require_folder_outside(path, data)
    if path.is_dir() and not _is_replaceable(path, chosen):
        raise UsageError(
            f"{output} exists and is not a map in the format {name}, so it is not overwritten; "
            f"choose another name, or delete it first"
        )
    return path


def require_no_looks(name: str, color: str, theme: str, *, thumbnails: bool) -> None:
    """Refuse what is of pictures alone, and would change nothing in a format.

    Raises
    ------
    UsageError
        When it is there.
    """
    if (color, theme, thumbnails) != ("label", "light", False):
        raise UsageError(
            f"colour, theme and thumbnails are of pictures: leave them out with the format {name}"
        )


def _is_replaceable(path: Path, chosen: MapFormat) -> bool:
    names = {entry.name for entry in path.iterdir()}
    if not names:
        return True
    try:
        return names <= {*chosen.files} and chosen.imported().is_own(path)
    except OSError:
        return False


def write_map(laid_out: LaidOut, name: str, output: Path) -> None:
    """Write a map in the format of that name; `output` is from `require_map_output`.

    Raises
    ------
    BottlebankError
        When it cannot be written.
    """
    chosen = find_map_format(name)
    write = chosen.imported().write
    if not chosen.suffixes:
        with placed(output) as folder:
            write(laid_out, folder)
        return
    with writing_file(output):
        write(laid_out, output)
