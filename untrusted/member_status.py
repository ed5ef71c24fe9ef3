"""A file in an archive, or an image in a Parquet file, as `os.stat` describes others."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from .files import open_regular
from .parquet_pages import Chunk, value_at

if TYPE_CHECKING:
    from collections.abc import Sequence


class MemberStatus(NamedTuple):
    """A file in an archive, with what `os.stat` says of others under the same names."""

    st_size: int
    """Of an image in a Parquet file, what it has on average in its row group."""
    st_mtime_ns: int
    """Of the archive, as are the others: it changes as a whole."""
    st_ctime_ns: int
    st_ino: int
    st_mode: int
    archive: str
    offset: int
    """Where its bytes begin in the archive; in a Parquet file, its row in its row group."""
    chunk: Sequence[Any] = ()
    """Of an image in a Parquet file: the fields of the `Chunk` that it is in."""

    def read(self) -> bytes:
        """Its bytes.

        Raises
        ------
        OSError
            When the archive has changed since, or cannot be read.
        """
        with open_regular(self.archive) as file:
            if changes_of(os.fstat(file.fileno())) != self[1:4]:
                raise OSError(errno.ESTALE, "the archive has changed meanwhile", self.archive)
            if self.chunk:
                return self._in_page(file.fileno())
            data = os.pread(file.fileno(), self.st_size, self.offset)
        if len(data) < self.st_size:
            raise OSError(errno.EIO, "the archive ends before it does", self.archive)
        return data

    def _in_page(self, handle: int) -> bytes:
        try:
            data = value_at(handle, Chunk(*self.chunk), self.offset)
        except ValueError as error:
            raise OSError(errno.EIO, str(error), self.archive) from error
        if data is None:
            raise OSError(errno.ENODATA, "its row holds no image", self.archive)
        return data


FileStatus = os.stat_result | MemberStatus


def changes_of(status: os.stat_result) -> tuple[int, int, int]:
    """By which it is known that an archive is another one."""
    return status.st_mtime_ns, status.st_ctime_ns, status.st_ino
