"""Members of zip archives, read by exact names and within bounds; nothing is extracted by name."""

from __future__ import annotations

import io
import struct
import zipfile
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

from .files import open_regular, require_regular

_MAX_MEMBERS = 1000
_MOST_COMPRESSION = 16
"""What numbers of a network are compressed by, by far."""
_LOCAL_HEADER = struct.Struct("<26xHH")
_ENCRYPTED = 1


class Archive:
    """A zip archive that has members of known names alone; a context manager.

    Raises
    ------
    FileNotFoundError
        On opening, when there is none.
    ValueError
        On opening and on every call, when it holds anything else, or is damaged.
    """

    def __init__(self, path: Path, expected: Collection[str]) -> None:
        """Open the archive and look at its directory.

        Parameters
        ----------
        path
            The file.
        expected
            Names of the members that it may have.
        """
        self.n_bytes = require_regular(path)
        self._file = open_regular(path)
        try:
            self._archive = zipfile.ZipFile(self._file)
            members = self._archive.infolist()
            if len(members) > _MAX_MEMBERS:
                raise ValueError(f"it has {len(members):,} members")
            self._members = {member.filename: member for member in members}
            if len(self._members) < len(members):
                raise ValueError("two of its members have one name")
            for member in members:
                self._check(member, expected)
        except (zipfile.BadZipFile, NotImplementedError, struct.error, UnicodeDecodeError) as error:
            self._file.close()
            raise ValueError(f"it is not a zip archive, or a damaged one: {error}") from error
        except BaseException:
            self._file.close()
            raise

    def _check(self, member: zipfile.ZipInfo, expected: Collection[str]) -> None:
        name = member.filename[:120]
        if member.filename not in expected:
            raise ValueError(f"it has the member {name!r}, which is not known")
        if member.flag_bits & _ENCRYPTED:
            raise ValueError(f"its member {name!r} is encrypted")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"its member {name!r} is compressed in another way than usual")
        if member.compress_size + member.header_offset > self.n_bytes:
            raise ValueError(f"its member {name!r} is cut short")
        if member.file_size > _MOST_COMPRESSION * member.compress_size + (1 << 16):
            raise ValueError(
                f"its member {name!r} would become {member.file_size:,} bytes from "
                f"{member.compress_size:,}"
            )

    def close(self) -> None:
        """Close the file."""
        self._archive.close()
        self._file.close()

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def read(self, name: str, max_bytes: int) -> bytes:
        """All bytes of a member."""
        member = self._members[name]
        if member.file_size > max_bytes:
            raise ValueError(f"its {name} has {member.file_size:,} bytes; at most {max_bytes:,}")
        try:
            with self._archive.open(member) as file:
                return file.read(max_bytes + 1)
        except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
            raise ValueError(f"its {name} is damaged: {error}") from error

    def is_plain(self, name: str) -> bool:
        """Whether a member is stored as it is."""
        return self._members[name].compress_type == zipfile.ZIP_STORED

    def window(self, name: str) -> io.RawIOBase:
        """A member that is stored as it is, as a file of its own."""
        member = self._members[name]
        self._file.seek(member.header_offset)
        header = self._file.read(_LOCAL_HEADER.size)
        if len(header) < _LOCAL_HEADER.size or member.compress_size != member.file_size:
            raise ValueError(f"its {name} is damaged")
        first = member.header_offset + _LOCAL_HEADER.size + sum(_LOCAL_HEADER.unpack(header))
        if first + member.file_size > self.n_bytes:
            raise ValueError(f"its {name} is cut short")
        return _Window(self._file, first, member.file_size)


class _Window(io.RawIOBase):
    """A part of a file."""

    def __init__(self, file: IO[bytes] | io.FileIO, first: int, n_bytes: int) -> None:
        self._file, self._first, self._n_bytes, self._at = file, first, n_bytes, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        before = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._n_bytes}
        self._at = max(0, before[whence] + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        n_bytes = max(0, min(len(buffer), self._n_bytes - self._at))
        self._file.seek(self._first + self._at)
        data = self._file.read(n_bytes) or b""
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
