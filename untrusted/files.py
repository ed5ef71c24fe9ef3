"""Files that are regular and no larger than expected."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import stat
from io import BufferedReader, FileIO
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

_HOLES_FROM_BYTES = 1 << 26
_MOST_COMPRESSION = 64  # what a compressing file system may make of real numbers, by far


def require_regular(path: Path) -> int:
    """Size of a regular file in bytes.

    Raises
    ------
    OSError
        When it is not there, or a folder.
    ValueError
        When it is not a regular file (a pipe would wait for ever), or nearly all of it is holes,
        which take no space on the disk and for ever to read.
    """
    status = os.stat(path)  # noqa: PTH116 (names may hold surrogate escapes)
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("not a regular file")
    on_disk = status.st_blocks * 512
    if status.st_size > _HOLES_FROM_BYTES and status.st_size > _MOST_COMPRESSION * on_disk:
        raise ValueError(f"{status.st_size:,} bytes, of which {on_disk:,} are on the disk")
    return status.st_size


def open_regular(path: Path | str) -> FileIO:
    """Open a regular file, unbuffered; a pipe, which would wait for ever, is an error at once.

    Raises
    ------
    OSError
        When it is not there, cannot be read, or is not a regular file.
    """
    file = FileIO(path, opener=_without_waiting)
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return file


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def read_bounded(path: Path, max_bytes: int) -> bytes:
    """All bytes of a regular file.

    Raises
    ------
    OSError
        When it is not there, cannot be read, or is not a regular file.
    ValueError
        When it is larger than `max_bytes`, or nearly all of it is holes.
    """
    with BufferedReader(open_regular(path)) as file:
        if require_regular(path) > max_bytes:
            raise ValueError(f"more than {max_bytes:,} bytes")
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise ValueError(f"more than {max_bytes:,} bytes")
    return data


@contextlib.contextmanager
def at_most_more(n_bytes: int) -> Generator[None]:
    """Let the process take at most so much more memory meanwhile, where the system tells its own.

    Everything in the process is held to it, so the block has to be short.
    """
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:  # not Linux
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_AS)
    most = pages * resource.getpagesize() + n_bytes
    for limit in before:
        most = most if limit == resource.RLIM_INFINITY else min(most, limit)
    resource.setrlimit(resource.RLIMIT_AS, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def is_unlinked(path: Path, kind: int) -> bool:
    """Whether `path` itself, not what a link leads to, is of a kind such as `stat.S_IFDIR`."""
    try:
        return stat.S_IFMT(os.lstat(path).st_mode) == kind
    except OSError:
        return False
