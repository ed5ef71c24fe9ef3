"""Files of API keys, one in a line: `app1 predict <SHA-256> 10/s`."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hmac
import logging
import os
import re
import threading
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING

from ...atomic_file import write_with
from ...errors import UsageError
from ...untrusted.files import open_regular
from .keys import KEY, Key, check_entry, digest_of, make_key
from .rate_limit import Rate, read_rate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

logger = logging.getLogger(__name__)

_DIGEST = re.compile(r"[0-9a-f]{64}")
_MAX_BYTES = 1 << 20
_WRITABLE_BY_ALL = 0o002
_MODE = 0o600
# Comments may have bytes that are not UTF-8, and keep them when the file is changed.
_BYTES_OF_COMMENTS = "surrogateescape"
_COMMENT = "# Keys for `bottlebank serve --keys`: name, role, SHA-256 of the key, its rate limit\n"


def read_keys(path: str | os.PathLike[str]) -> list[Key]:
    """The keys of a file; no message quotes what may be a key.

    Raises
    ------
    UsageError
        When the file cannot be read, or a line of it.
    """
    path = Path(path)
    keys: dict[str, Key] = {}
    for number, line in enumerate(_read_text(path).splitlines(), start=1):
        fields = line.split()
        if not fields or fields[0].startswith("#"):
            continue
        try:
            key = _read_line(fields)
            if key.name in keys:
                raise UsageError(f"the name {key.name} is in an earlier line, too")
        except UsageError as error:
            raise UsageError(f"{path}, line {number}: {error}") from None
        keys[key.name] = key
    return [*keys.values()]


def _read_text(path: Path) -> str:
    try:
        with BufferedReader(open_regular(path)) as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read ({error.strerror}){_remedy(error.errno)}"
        ) from error
    if mode & _WRITABLE_BY_ALL:
        raise UsageError(f"{path}: every user may write to it; run chmod o-w {path}")
    if len(content) > _MAX_BYTES:
        raise UsageError(f"{path}: expected a file of at most {_MAX_BYTES:,} bytes")
    return content.decode("utf-8-sig", _BYTES_OF_COMMENTS)


def _remedy(number: int | None) -> str:
    if number == errno.ENOENT:
        return "; `bottlebank keys add` makes such a file"
    if number == errno.EACCES:
        return (
            f"; the user with the id {os.geteuid()} has to be able to open its folder and to read "
            f"it: it holds only hashes, so that chmod a+r will do"
        )
    return ""


def _read_line(fields: Sequence[str]) -> Key:
    if not 3 <= len(fields) <= 4:
        raise UsageError(
            f"expected NAME ROLE SHA256 [RATE], received {len(fields)} fields; "
            f"`bottlebank keys add` writes such lines"
        )
    name, role, digest = fields[:3]
    check_entry(name, role)
    if not _DIGEST.fullmatch(digest.lower()):
        raise UsageError(
            "the third field is not SHA-256 in 64 hexadecimal digits; keys themselves are not "
            "kept in the file: make one with `bottlebank keys add`"
        )
    return Key(name, role, digest.lower(), read_rate(fields[3]) if len(fields) > 3 else None)


def add_key(
    path: str | os.PathLike[str], name: str, role: str = "predict", rate: Rate | None = None
) -> str:
    """Make a key, add it to a file, and return it: it is not kept anywhere.

    A new file can be read by its owner alone; one that is there keeps its owner and permissions.

    Raises
    ------
    UsageError
        When the name is in the file already, name, role or file is invalid, or the file cannot be
        written.
    """
    path = Path(path)
    with _changing(path) as target:
        text = _COMMENT
        if path.exists():
            if name in {key.name for key in read_keys(path)}:
                raise UsageError(
                    f"{path}: it has a key of the name {name} already; choose another name, and "
                    f"remove the old key once nobody uses it"
                )
            text = _read_text(path)
        key, entry = make_key(name, role, rate)
        _write(target, f"{text.rstrip()}\n{entry}\n")
    return key


def remove_key(path: str | os.PathLike[str], name: str) -> None:
    """Remove a key from a file.

    Raises
    ------
    UsageError
        When the file has no key of this name, is invalid, or cannot be written.
    """
    path = Path(path)
    with _changing(path) as target:
        names = [key.name for key in read_keys(path)]
        if name not in names:
            raise UsageError(
                f"{path}: no key has the name {name!r}; there are {', '.join(names) or 'none'}"
            )
        lines = _read_text(path).splitlines(keepends=True)
        _write(target, "".join(line for line in lines if line.split()[:1] != [name]))


@contextlib.contextmanager
def _changing(path: Path) -> Iterator[Path]:
    """Changes of two processes come one after the other, so that none is lost.

    Gives the path to write to: that of the file itself where `path` is a link to it.
    """
    try:
        target = Path(os.path.realpath(path))
        handle = os.open(target.parent, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield target
        finally:
            os.close(handle)
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"{path}: cannot be written ({reason}); name another place") from error


def _write(path: Path, text: str) -> None:
    content = text.encode("utf-8", _BYTES_OF_COMMENTS)
    if len(content) > _MAX_BYTES:
        raise UsageError(
            f"{path}: it would have {len(content):,} bytes, and at most {_MAX_BYTES:,} are read; "
            f"remove keys that nobody uses"
        )
    status = path.stat() if path.exists() else None

    def fill(temporary: Path) -> None:
        temporary.chmod(_MODE if status is None else status.st_mode & 0o7777)
        if status is not None:
            with contextlib.suppress(OSError):  # only root may give a file away
                os.chown(temporary, status.st_uid, status.st_gid)
        temporary.write_bytes(content)

    write_with(path, fill)


class KeyFile:
    """The keys of a file, read again whenever the file has changed. Safe to use from threads.

    A file that cannot be read later, or is gone, changes nothing; the log says why.

    Raises
    ------
    UsageError
        As `read_keys`.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Read the file for the first time."""
        self._path = Path(path)
        self._stamp = self._read_stamp()
        self._keys = read_keys(self._path)
        self._reading = threading.Lock()

    def __len__(self) -> int:
        """How many keys there are."""
        return len(self._keys)

    def find(self, sent: str) -> Key | None:
        """Whose key it is; None for a wrong one.

        Its digest is compared with every entry in constant time, so that the time that an answer
        takes says nothing.
        """
        digest = digest_of(sent)
        found = None
        for key in self._current():
            if hmac.compare_digest(digest, key.digest):
                found = key
        return found if KEY.fullmatch(sent) else None

    def _current(self) -> list[Key]:
        """The keys of the file as it is now: whoever comes while it is read waits."""
        with self._reading:
            stamp = self._read_stamp()
            if stamp != self._stamp:
                self._stamp = stamp
                try:
                    self._keys = read_keys(self._path)
                except UsageError as error:
                    logger.warning("the keys stay as they were: %s", error)
                else:
                    logger.info("read the keys again: there are %d", len(self._keys))
            return self._keys

    def _read_stamp(self) -> tuple[int, ...] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
