"""Files in tar archives, by paths that go on below the archive's: ``photos.tar/cat/1.jpg``.

Nothing is unpacked: members are found by their headers and read where they lie. The format is
that of POSIX.1-2001 (ustar and pax) with GNU's long names and large sizes.
"""

from __future__ import annotations

import errno
import os
import stat
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from .files import open_regular

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from io import FileIO

ENDING = ".tar"
_BLOCK = 512
_MOST_OF_HEADER = 1 << 20
_KEPT = 64
_REGULAR, _WITHOUT_BYTES = b"0\0" + b"7", b"123456"
_NAMES, _SIZE, _CHECKSUM, _KIND = slice(0, 100), slice(124, 136), slice(148, 156), slice(156, 157)
_MAGIC, _PREFIX = slice(257, 263), slice(345, 500)


class MemberStatus(NamedTuple):
    """A file in an archive, with what `os.stat` says of others under the same names."""

    st_size: int
    st_mtime_ns: int
    """Of the archive, as are the others: it changes as a whole."""
    st_ctime_ns: int
    st_ino: int
    st_mode: int
    archive: str
    offset: int
    """Where its bytes begin in the archive."""

    def read(self) -> bytes:
        """Its bytes.

        Raises
        ------
        OSError
            When the archive has changed since, or cannot be read.
        """
        with open_regular(self.archive) as file:
            if _changes(os.fstat(file.fileno())) != self[1:4]:
                raise OSError(errno.ESTALE, "the archive has changed meanwhile", self.archive)
            data = os.pread(file.fileno(), self.st_size, self.offset)
        if len(data) < self.st_size:
            raise OSError(errno.EIO, "the archive ends before it does", self.archive)
        return data


FileStatus = os.stat_result | MemberStatus


class Members(NamedTuple):
    """What is in an archive."""

    archive: str
    changes: tuple[int, int, int]
    """By which it is known that the archive is another one."""
    places: Mapping[str, tuple[int, int]]
    """Of regular files, by their names, with ``/`` between folders: where their bytes begin, and
    how many they are. Of several with one name, the last."""
    passed_over: Mapping[str, int]
    """How many others there are, by kind; folders are not counted."""
    problem: str
    """Why it is not read to its end; empty where it is."""

    def status_of(self, name: str) -> MemberStatus:
        """Of a file, by its name.

        Raises
        ------
        FileNotFoundError
            When it is not there.
        """
        if name not in self.places:
            raise FileNotFoundError(errno.ENOENT, "no such file in the archive", name)
        offset, n_bytes = self.places[name]
        return MemberStatus(n_bytes, *self.changes, stat.S_IFREG | 0o444, self.archive, offset)


def archive_of(path: str) -> str | None:
    """The archive that a path leads into, by the names in it; None where it leads into none."""
    at = path.lower().find(f"{ENDING}/")
    return None if at < 0 else path[: at + len(ENDING)]


def status_of(path: str) -> FileStatus:
    """As `os.stat`, also of a file in an archive.

    Raises
    ------
    OSError, ValueError
        As `os.stat`; and when the archive has no such file.
    """
    try:
        return os.stat(path)  # noqa: PTH116 (names may hold surrogate escapes)
    except NotADirectoryError:
        archive = archive_of(path)
        if archive is None:
            raise
    return members_of(archive).status_of(path[len(archive) + 1 :])


def members_of(archive: str) -> Members:
    """What is in an archive.

    Raises
    ------
    OSError
        When it cannot be read, or is not a regular file.
    """
    status = os.stat(archive)  # noqa: PTH116 (names may hold surrogate escapes)
    return _members_of(archive, _changes(status), status.st_size)


def _changes(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_mtime_ns, status.st_ctime_ns, status.st_ino


@lru_cache(_KEPT)
def _members_of(archive: str, changes: tuple[int, int, int], n_bytes: int) -> Members:
    places: dict[str, tuple[int, int]] = {}
    passed_over: dict[str, int] = {}
    problem = ""
    with open_regular(archive) as file:
        try:
            for kind, raw_name, offset, size in _headers(file, n_bytes):
                name = _plain(raw_name)
                if kind == "folder":
                    continue
                if name is None:
                    kind = "name that leads out of the archive"
                if kind != "file":
                    passed_over[kind] = passed_over.get(kind, 0) + 1
                elif name is not None:
                    places[name] = (offset, size)
        except ValueError as error:
            problem = str(error)
    return Members(archive, changes, places, passed_over, problem)


def _headers(file: FileIO, n_bytes: int) -> Iterator[tuple[str, bytes, int, int]]:
    """Kind, name, where the bytes begin and how many they are, of each member."""
    at, name = 0, b""
    pax: dict[bytes, bytes] = {}
    while at < n_bytes:
        block = os.pread(file.fileno(), _BLOCK, at)
        if block == bytes(_BLOCK):
            return
        size, kind = _checked(block, at)
        at += _BLOCK
        if kind in b"xL":
            if size > _MOST_OF_HEADER:
                raise ValueError(f"the header at byte {at:,} has {size:,} bytes")
            data = os.pread(file.fileno(), size, at)
            if kind == b"x":
                pax = _records(data, at)
            else:
                name = data.split(b"\0", 1)[0]
        elif kind not in b"gK":
            own = name or block[_NAMES].split(b"\0", 1)[0]
            if block[_MAGIC] == b"ustar\0" and not name:
                own = b"/".join(filter(None, [block[_PREFIX].split(b"\0", 1)[0], own]))
            size = 0 if kind in _WITHOUT_BYTES else int(pax.get(b"size", size))
            if at + size > n_bytes:
                raise ValueError(
                    f"it ends {at + size - n_bytes:,} bytes too early: copy or download it again"
                )
            own = pax.get(b"path", own)
            yield _kind_of(kind, own, pax), own, at, size
            name, pax = b"", {}
        at += -(-size // _BLOCK) * _BLOCK


def _checked(block: bytes, at: int) -> tuple[int, bytes]:
    """Size and kind of the member that a header begins.

    Raises
    ------
    ValueError
        When it is no header.
    """
    if len(block) < _BLOCK:
        raise ValueError("it ends in the middle of a header: copy or download it again")
    try:
        written = int(block[_CHECKSUM].strip(b" \0") or b"0", 8)
        size = _number(block[_SIZE])
    except ValueError:
        written = size = -1
    if written != sum(block[:148]) + sum(block[156:]) + 8 * ord(" ") or size < 0:
        raise ValueError(
            "it is no tar archive" if at == 0 else f"at byte {at:,}, it is damaged: copy it again"
        )
    return size, block[_KIND]


def _number(field: bytes) -> int:
    """Octal digits; or, as GNU tar writes what is larger, base 256."""
    if field[0] & 0x80:
        return int.from_bytes(field, "big") - (0x80 << 8 * (len(field) - 1))
    return int(field.strip(b" \0") or b"0", 8)


def _records(data: bytes, at: int) -> dict[bytes, bytes]:
    """What a pax header says: ``<length> <key>=<value>`` a line."""
    found: dict[bytes, bytes] = {}
    while data.strip(b"\0"):
        length, _, rest = data.partition(b" ")
        key, equals, _ = rest.partition(b"=")
        n_bytes = int(length) if length.isdigit() else 0
        start = len(length) + 1 + len(key) + 1
        if not equals or not start <= n_bytes - 1 < len(data):
            raise ValueError(f"the header at byte {at:,} is damaged: copy it again")
        found[key] = data[start : n_bytes - 1]
        data = data[n_bytes:]
    if not found.get(b"size", b"0").isdigit():
        raise ValueError(f"the header at byte {at:,} is damaged: copy it again")
    return found


def _kind_of(kind: bytes, name: bytes, pax: Mapping[bytes, bytes]) -> str:
    if kind == b"5" or (kind in _REGULAR and name.endswith(b"/")):
        return "folder"
    if kind == b"S" or any(key.startswith(b"GNU.sparse") for key in pax):
        return "sparse file in an archive"
    return "file" if kind in _REGULAR else "link or device in an archive"


def _plain(name: bytes) -> str | None:
    """A name without what says nothing; None where it leads elsewhere."""
    parts = [part for part in name.split(b"/") if part not in (b"", b".")]
    if not parts or b".." in parts or b"\0" in name:
        return None
    return os.fsdecode(b"/".join(parts))
