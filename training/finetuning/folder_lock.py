"""One run a folder: a lock that the kernel releases when its holder dies, and that is no file."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
from typing import TYPE_CHECKING

from ...cache.lock import KernelLock
from ...errors import UsageError
from ...fork_safety import let_go_in_children, not_while_forking

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(__name__)


class FolderLock(KernelLock):
    """Holds the lock of a folder until `release`. It never waits.

    A file system without locks is written to without one.

    Raises
    ------
    UsageError
        When another run holds it.
    OSError
        When there is no such folder, or it cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        with not_while_forking:
            self._handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            let_go_in_children(self)  # a copy of the descriptor would keep it locked
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.let_go()
            if error.errno == errno.EWOULDBLOCK:
                raise UsageError(
                    f"the folder {folder} is being written by another run of fine-tuning: wait "
                    f"until it ends, or name another folder"
                ) from None
            logger.debug("%s is not locked: %s", folder, error)
