"""Files in tar archives, by paths that go on below the archive's: ``photos.tar/cat/1.jpg``.

Nothing is unpacked: members are found by their headers and read where they lie. The format is
that of POSIX.1-2001 (ustar and pax) with GNU's long names and large sizes.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from . import parquet_members
from .files import open_regular
from .member_places import Places
from .member_status import FileStatus, MemberStatus, changes_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from io import FileIO

ENDING = ".tar"
_ARCHIVE = re.compile(rf"\.(?:tar|{parquet_members.ENDING[1:]})/", re.IGNORECASE)
_BLOCK = 512
_MOST_OF_HEADER = 1 << 20
_MOST_OF_NAME = 4096
_MOST_DIGITS = 20
_KEPT = 64
_REGULAR, _WITHOUT_BYTES = b"0\0" + b"7", b"123456"
_MAP_GOES_ON, _MAP_GOES_ON_AGAIN = 482, 504
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"PK\3\4", b"7z\xbc\xaf")
_ENDS_IN_HEADER = "it ends in the middle of a header: copy or download it again"
_NAMES, _SIZE, _CHECKSUM, _KIND = slice(0, 100), slice(124, 136), slice(148, 156), slice(156, 157)
_MAGIC, _PREFIX = slice(257, 263), slice(345, 500)


class Members(NamedTuple):
    """What is in an archive."""

    archive: str
    changes: tuple[int, int, int]
    """By which it is known that the archive is another one."""
    places: Places
    """Of regular files, by their names, with ``/`` between folders."""
    passed_over: Mapping[str, int]
    """How many others there are, by kind; folders are not counted."""
    problem: str
    """Why it is not read to its end; empty where it is."""
    has_end: bool
    """Whether zeros follow the last member, as in every whole archive; one that was cut off between
    two members is read like a whole one."""

    def status_of(self, name: str) -> MemberStatus:
        """Of a file, by its name.

        Raises
        ------
        FileNotFoundError
            When it is not there.
        """
        if name not in self.places:
            raise FileNotFoundError(errno.ENOENT, "no such file in the archive", name)
        return self.status_at(*self.places[name])

    def status_at(self, offset: int, n_bytes: int) -> MemberStatus:
        """Of a file, by where its bytes begin and how many they are."""
        return MemberStatus(n_bytes, *self.changes, stat.S_IFREG | 0o444, self.archive, offset)


def archive_of(path: str) -> str | None:
    """The archive or Parquet file that a path leads into, or did while it was there; None where
    into none."""
    for found in _ARCHIVE.finditer(path):
        at = found.end() - 1
        if not os.path.isdir(path[:at]):  # noqa: PTH112 (names may hold surrogate escapes)
            return path[:at]
    return None


def may_be_cut_off(archive: str) -> bool:
    """Whether more may have been in an archive that could be read; a Parquet file ends with what
    is in it."""
    return not parquet_members.ends_as_parquet(archive) and not members_of(archive).has_end


def status_of(path: str) -> FileStatus:
    """As `os.stat`, also of a file in an archive.

    Raises
    ------
    OSError, ValueError
        As `os.stat`; and when the archive has no such file.
    """
    try:
        return os.stat(path)  # noqa: PTH116 (names may hold surrogate escapes)
    except OSError as error:
        if not leads_into_file(error):
            raise
        return member_at(path, error)


def leads_into_file(error: OSError) -> bool:
    """Whether a path that could not be opened may be that of a file in an archive."""
    return error.errno in (errno.ENOTDIR, errno.ENAMETOOLONG)


def member_at(path: str, error: OSError) -> MemberStatus:
    """A file in an archive, by its path.

    Raises
    ------
    OSError
        When there is none: `error`, where the path leads into no archive.
    """
    archive = archive_of(path)
    if archive is None:
        raise error
    if parquet_members.ends_as_parquet(archive):
        return parquet_members.status_of(archive, path[len(archive) + 1 :])
    name = _plain(os.fsencode(path[len(archive) :])) or ""
    return members_of(archive).status_of(name)


def members_of(archive: str) -> Members:
    """What is in an archive.

    Raises
    ------
    OSError
        When it cannot be read, or is not a regular file.
    """
    status = os.stat(archive)  # noqa: PTH116 (names may hold surrogate escapes)
    return _members_of(archive, changes_of(status), status.st_size)


@lru_cache(_KEPT)
def _members_of(archive: str, changes: tuple[int, int, int], n_bytes: int) -> Members:
    return _read_members(archive, changes, n_bytes)


def read_members(archive: str) -> Members:
    """As `members_of`, for who goes through archives one after another: nothing is kept of it."""
    status = os.stat(archive)  # noqa: PTH116 (names may hold surrogate escapes)
    return _read_members(archive, changes_of(status), status.st_size)


def _read_members(archive: str, changes: tuple[int, int, int], n_bytes: int) -> Members:
    passed_over: dict[str, int] = {}
    problem, has_end = "", False

    def files() -> Iterator[tuple[str, int, int]]:
        nonlocal problem, has_end
        with open_regular(archive) as file:
            try:
                for kind, raw_name, offset, size in _headers(file, n_bytes):
                    name = _plain(raw_name)
                    has_end = kind == "end"
                    if kind in ("folder", "end"):
                        continue
                    if len(raw_name) > _MOST_OF_NAME:
                        kind = f"name of more than {_MOST_OF_NAME:,} bytes"
                    elif name is None:
                        kind = "name that leads out of the archive"
                    if kind != "file":
                        passed_over[kind] = passed_over.get(kind, 0) + 1
                    elif name is not None:
                        yield name, offset, size
            except ValueError as error:
                problem = str(error)

    places = Places(files())
    return Members(archive, changes, places, passed_over, problem, has_end)


def _headers(file: FileIO, n_bytes: int) -> Iterator[tuple[str, bytes, int, int]]:
    """Kind, name, where the bytes begin and how many they are, of each member; last, the end."""
    at, name = 0, b""
    pax: dict[bytes, bytes] = {}
    while at < n_bytes:
        block = os.pread(file.fileno(), _BLOCK, at)
        if block == bytes(_BLOCK):
            yield "end", b"", at, 0
            break
        size, kind = _checked(block, at)
        at += _BLOCK
        if kind in b"xL":
            if size > _MOST_OF_HEADER:
                raise ValueError(f"the header at byte {at:,} has {size:,} bytes")
            data = os.pread(file.fileno(), size, at)
            if kind == b"L":
                name = data.split(b"\0", 1)[0]
            elif len(data) == size:
                pax = _records(data, at)
        elif kind not in b"gK":
            own = name or block[_NAMES].split(b"\0", 1)[0]
            if block[_MAGIC] == b"ustar\0" and not name:
                own = b"/".join(filter(None, [block[_PREFIX].split(b"\0", 1)[0], own]))
            size = 0 if kind in _WITHOUT_BYTES else int(pax.get(b"size", size))
            at = _after_map(file, block, at) if kind == b"S" else at
            own = pax.get(b"path") or own
            if at + size <= n_bytes:
                yield _kind_of(kind, own, pax), own, at, size
            name, pax = b"", {}
        if at + size > n_bytes:
            missing = at + size - n_bytes
            raise ValueError(f"it ends {missing:,} bytes too early: copy or download it again")
        at += -(-size // _BLOCK) * _BLOCK
    if name or pax:
        raise ValueError(_ENDS_IN_HEADER)


def _after_map(file: FileIO, header: bytes, at: int) -> int:
    """Where the bytes of GNU tar's sparse file begin: after the blocks of its map, if any."""
    goes_on = header[_MAP_GOES_ON]
    while goes_on:
        block = os.pread(file.fileno(), _BLOCK, at)
        goes_on = len(block) == _BLOCK and block[_MAP_GOES_ON_AGAIN]
        at += _BLOCK
    return at


def _checked(block: bytes, at: int) -> tuple[int, bytes]:
    """Size and kind of the member that a header begins.

    Raises
    ------
    ValueError
        When it is no header.
    """
    if len(block) < _BLOCK and at > 0:
        raise ValueError(_ENDS_IN_HEADER)
    block = block.ljust(_BLOCK, b"\0")
    try:
        written = int(block[_CHECKSUM].strip(b" \0") or b"0", 8)
        size = _number(block[_SIZE])
    except ValueError:
        written = size = -1
    if written != sum(block[:148]) + sum(block[156:]) + 8 * ord(" ") or size < 0:
        if at > 0:
            raise ValueError(f"at byte {at:,}, it is damaged: copy or download it again")
        if block.startswith(_COMPRESSED):
            raise ValueError("it is compressed: unpack it, or make a plain .tar of it")
        raise ValueError("it is no tar archive")
    return size, block[_KIND]


def _number(field: bytes) -> int:
    """Octal digits; or, as GNU tar writes what is larger, base 256."""
    if field[0] & 0x80:
        return int.from_bytes(field, "big") - (0x80 << 8 * (len(field) - 1))
    return int(field.strip(b" \0") or b"0", 8)


def _records(data: bytes, at: int) -> dict[bytes, bytes]:
    """What a pax header says: ``<length> <key>=<value>`` a line."""
    found: dict[bytes, bytes] = {}
    start = 0
    while start < len(data) and data[start]:
        space = data.find(b" ", start, start + _MOST_DIGITS)
        length = data[start : max(space, start)]
        end = start + int(length) if length.isdigit() else 0
        equals = data.find(b"=", space, end)
        if equals < 0 or data[end - 1 : end] != b"\n":
            raise ValueError(f"the header at byte {at:,} is damaged: copy or download it again")
        found[data[space + 1 : equals]] = data[equals + 1 : end - 1]
        start = end
    size = found.get(b"size", b"0")
    if not size.isdigit() or len(size) > _MOST_DIGITS:
        raise ValueError(f"the header at byte {at:,} is damaged: copy or download it again")
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
