"""Names of picture files, which are looked at before matplotlib is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

_SUFFIXES: Final = (".png", ".svg")


def require_picture_path(output: Path) -> None:
    """Refuse a file that no picture can be written to, before any work.

    Raises
    ------
    UsageError
        Unless the name ends in ``.png`` or ``.svg``.
    """
    if output.suffix.lower() not in _SUFFIXES:
        given = f"ends in {output.suffix!r}" if output.suffix else "has no ending"
        raise UsageError(f"a picture is a {' or '.join(_SUFFIXES)} file; {str(output)!r} {given}")
