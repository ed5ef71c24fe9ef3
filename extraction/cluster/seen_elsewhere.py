"""Files as another machine, and another folder, see them."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING

from ...paths import absolute_paths
from ...untrusted.tar_members import status_of
from ..image_files import HashedFile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..image_files import ImageFile
    from .messages import Asked


def absolute_files(files: Sequence[ImageFile]) -> list[ImageFile]:
    """The same files by absolute paths: a worker runs in another folder."""
    members = [file.member for file in files]
    paths = map(os.fsdecode, absolute_paths(file.path for file in files))
    archives = absolute_paths(member.archive for member in members if member is not None)
    rest = map(os.fsdecode, archives)
    return [
        file._replace(path=path, member=file.member and file.member._replace(archive=next(rest)))
        for file, path in zip(files, paths, strict=True)
    ]


def not_seen_there(files: Mapping[int, ImageFile], asked: Asked) -> str | None:
    """A path that is there, where a worker has found none of a few files; else None."""
    for file in asked.files:
        if isinstance(file, HashedFile) or os.strerror(errno.ENOENT) not in file.reason:
            return None
    for file in asked.files:
        path = files[file.position].path
        with contextlib.suppress(OSError, ValueError):
            status_of(path)
            return path
    return None
