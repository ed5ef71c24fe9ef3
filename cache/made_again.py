"""Files of a cache that are made again when they are missed: maps and thumbnails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..atomic_file import remove_whole
from ..errors import CacheError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def remove(paths: Iterable[Path]) -> None:
    """Remove such files.

    Raises
    ------
    CacheError
        When one cannot be removed.
    """
    for path in paths:
        try:
            remove_whole(path)
        except OSError as error:
            raise CacheError(f"{path} cannot be removed: {error.strerror}") from error
