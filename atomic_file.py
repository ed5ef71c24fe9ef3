"""Writing a file so that it appears whole or not at all.

Every file that bottlebank leaves behind (shards, heads, exports, pictures) is written aside,
synced and renamed: the rename is the commit.
"""

import contextlib
import errno
import os
import shutil
import stat
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path

TEMPORARY_PREFIX = ".bottlebank-"
_PARTS_A_CALL = 1024  # what Linux and macOS take
_BYTES_A_CALL = 1 << 21
# What a file system answers that has no hard links, as that of most memory sticks.
_NO_LINKS = {errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}


def write_bytes(path: Path, data: bytes | memoryview) -> None:
    """Write `data` to `path` durably: once this returns, the file survives a power cut.

    Raises
    ------
    OSError
        When the folder cannot be written or the disk is full, or `path` is a folder, a pipe or a
        device; it is then as it was.
    """
    write_parts(path, [data])


def write_parts(path: Path, parts: Iterable[bytes | memoryview], *, replace: bool = True) -> None:
    """As `write_bytes`, for data in parts that follow one another.

    Without `replace`, what is at `path` stays, and is a FileExistsError, also when another process
    has put it there meanwhile.
    """
    with _aside(path, _rename if replace else _rename_if_absent) as temporary:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            _write(handle, (memoryview(part) for part in parts if part))
            os.fsync(handle)
        finally:
            os.close(handle)


def _write(handle: int, parts: Iterator[memoryview]) -> None:
    offset = 0
    rest: list[memoryview] = []
    while True:
        n_bytes = sum(map(len, rest))
        while n_bytes < _BYTES_A_CALL and len(rest) < _PARTS_A_CALL and (part := next(parts, None)):
            rest.append(part)
            n_bytes += len(part)
        if not rest:
            return
        written = os.writev(handle, rest)
        if hasattr(os, "posix_fadvise"):  # has Linux begin to write them to the disk
            with contextlib.suppress(OSError):  # only advice
                os.posix_fadvise(handle, offset, written, os.POSIX_FADV_DONTNEED)
        offset += written
        while rest and written >= len(rest[0]):
            written -= len(rest.pop(0))
        if written:
            rest[0] = rest[0][written:]


def write_with(path: Path, fill: Callable[[Path], None]) -> None:
    """As `write_bytes`, for libraries that write to a path: `fill` receives the temporary one.

    It has the suffix of `path`, lies beside it, and is removed when anything fails.
    """
    with _aside(path) as temporary:
        temporary.touch(exist_ok=False)
        fill(temporary)
        sync(temporary)


def _rename(source: Path, target: Path) -> None:
    os.replace(source, target)  # noqa: PTH105 (the fault tests stand in for `os` here)


def _rename_if_absent(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # Two processes that come here at once are kept apart by the lock of whoever has one.
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        _rename(source, target)
    else:
        with contextlib.suppress(OSError):  # a second name of the same file
            source.unlink()


def _beside(path: Path) -> Path:
    return path.with_name(f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}{path.suffix}")


def _require_replaceable(path: Path) -> None:
    """Raise OSError where neither a regular file nor nothing is: a pipe, a device or a folder."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    except ValueError as error:  # a null character
        raise OSError(errno.EINVAL, str(error), str(path)) from error
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))
    if not stat.S_ISREG(mode):
        raise FileExistsError(errno.EEXIST, "it exists and is not a regular file", str(path))


@contextlib.contextmanager
def _aside(path: Path, rename: Callable[[Path, Path], None] = _rename) -> Generator[Path]:
    """A name beside `path` for what is written in the block, and takes its place at the end."""
    _require_replaceable(path)
    temporary = _beside(path)
    try:
        yield temporary
        rename(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):  # the first error is the one to tell
            temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)


def sync(path: Path) -> None:
    """Force a file's bytes, or a folder's entries, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(path: Path) -> None:
    """Create a folder and its missing parents, each synced into the folder that holds it."""
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(exist_ok=True)
    sync(path.parent)


def remove_whole(path: Path) -> None:
    """Remove a folder with all in it, or what lies in its place; what is missing is not an error.

    A folder is renamed first: nobody sees half of it, nor writes into it.
    `shutil.rmtree` opens what it is to remove, and a pipe would have it wait for ever.
    """
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path.rename(_beside(path)))
    else:
        path.unlink(missing_ok=True)


def remove_temporaries(folder: Path) -> None:
    """Remove what an interrupted `write_with` left in `folder`."""
    for leftover in folder.glob(f"{TEMPORARY_PREFIX}*"):
        leftover.unlink(missing_ok=True)
