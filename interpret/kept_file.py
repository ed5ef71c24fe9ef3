"""Writing and removing a file, with an error that names it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..atomic_file import make_folder, write_bytes
from ..errors import BottlebankError

if TYPE_CHECKING:
    from pathlib import Path


def write_kept(path: Path, data: bytes) -> None:
    """Write a file, and its folder where there is none; it appears whole or not at all.

    Raises
    ------
    BottlebankError
        When it cannot be written; it is then as it was.
    """
    try:
        make_folder(path.parent)
        write_bytes(path, data)
    except OSError as error:
        raise BottlebankError(f"{path} cannot be written: {error.strerror or error}") from error


def remove_kept(path: Path) -> None:
    """Remove a file, if it is there.

    Raises
    ------
    BottlebankError
        When it cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise BottlebankError(f"{path} cannot be removed: {error.strerror or error}") from error
