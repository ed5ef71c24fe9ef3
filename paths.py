"""Absolute paths of many files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def absolute_paths(paths: Iterable[str | bytes]) -> list[bytes]:
    """The absolute paths of files, with `os.path.abspath` called once a folder.

    Those that are bytes are absolute already.
    """
    folders: dict[str, bytes] = {}
    absolute: list[bytes] = []
    for path in paths:
        if isinstance(path, bytes):
            absolute.append(path)
            continue
        above, slash, name = path.rpartition("/")
        if name in ("", ".", ".."):
            absolute.append(os.fsencode(os.path.abspath(path)))  # noqa: PTH100 (surrogate escapes)
            continue
        above += slash
        folder = folders.get(above)
        if folder is None:
            folder = os.fsencode(os.path.join(os.path.abspath(above), ""))  # noqa: PTH100, PTH118
            folders[above] = folder
        absolute.append(folder + name.encode("utf-8", "surrogateescape"))
    return absolute
