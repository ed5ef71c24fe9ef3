"""One writer a variant: an advisory lock that the kernel releases when its holder dies."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
from typing import TYPE_CHECKING

from ..errors import CacheError, CacheLockedError
from ..fork_safety import let_go_in_children, not_while_forking

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME = "LOCK"


class KernelLock:
    """A lock on an open file or folder, which the kernel releases when its holder dies."""

    _handle = -1

    def release(self) -> None:
        """Let others have it."""
        if self._handle >= 0:
            # Closing would not do while a process that was forked meanwhile has a copy.
            fcntl.flock(self._handle, fcntl.LOCK_UN)
        self.let_go()

    def let_go(self) -> None:
        """In a forked process: close the handle, which leaves the lock to the parent."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)


class LocalSign(KernelLock):
    """A locked file, by which the processes of this machine see that one of them lives.

    Where it cannot be made, they do not.
    """

    def __init__(self, path: Path) -> None:
        """Make and lock a file that is not there yet."""
        self._path = path
        with contextlib.suppress(OSError), not_while_forking:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            let_go_in_children(self)

    def end(self, *, leave: bool = False) -> None:
        """Unlock and remove it; with `leave`, it says that the process is gone."""
        self.release()
        if not leave:
            self.remove(self._path)

    @staticmethod
    def is_of_the_dead(path: Path) -> bool:
        """Whether whoever locked the file is gone; False where that cannot be said."""
        with contextlib.suppress(OSError):
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)  # several may look at once
            finally:
                os.close(handle)
            return True
        return False

    @staticmethod
    def remove(path: Path) -> None:
        """Remove the file of one that is gone."""
        with contextlib.suppress(OSError):
            path.unlink()


class WriterLock(KernelLock):
    """Holds the `LOCK` file of a variant, as a context manager. It never waits.

    Raises
    ------
    CacheLockedError
        On entering, when another process holds it, or has just removed the folder; nothing has been
        changed then.
    CacheError
        On entering, when the file system has no locks or the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        """`folder` exists."""
        self._path = folder / FILE_NAME

    def __enter__(self) -> WriterLock:
        with not_while_forking:
            self._take()
            let_go_in_children(self)  # a copy of the descriptor would keep it locked
        with contextlib.suppress(OSError):  # who holds it is only for people
            os.ftruncate(self._handle, 0)
            holder = f"process {os.getpid()} on {socket.gethostname()}\n"
            os.pwrite(self._handle, holder.encode(), 0)
        return self

    def _take(self) -> None:
        try:
            # Not truncated: until the lock is held, the file is another process's.
            # A link would have another file emptied.
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            self._handle = os.open(self._path, flags, 0o666)
        except FileNotFoundError as error:
            raise self._removed() from error
        except OSError as error:
            raise CacheError(
                f"{self._path} cannot be written: {error.strerror}; name another with --cache"
            ) from error
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = ""
            with contextlib.suppress(OSError):
                holder = os.pread(self._handle, 200, 0).decode(errors="replace").strip()
            self.let_go()
            if error.errno == errno.EWOULDBLOCK:
                raise CacheLockedError(
                    f"{self._path.parent} is being written by {holder or 'another process'}; "
                    f"wait until it ends, or use another --cache"
                ) from error
            raise CacheError(
                f"{self._path} cannot be locked ({error.strerror}): this file system has no "
                f"locks; use a --cache on a local disk"
            ) from error
        try:
            is_there = os.path.samestat(os.fstat(self._handle), self._path.stat())
        except FileNotFoundError:
            is_there = False
        if not is_there:  # it was removed between the two calls, and locks out nobody
            self.let_go()
            raise self._removed()

    def _removed(self) -> CacheLockedError:
        return CacheLockedError(
            f"{self._path.parent} was being removed by another process; run the command again"
        )

    def __exit__(self, *exception: object) -> None:
        self.release()
