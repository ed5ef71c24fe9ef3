"""One writer of a folder on an object store: a mark beside the shards, which its holder renews.

No clock of a machine is compared with another's: the age of a mark is the store's own time of it
against that of a mark that was written just now, and what a holder allows itself is a span of its
own clock. A mark is put before the others are listed, so that of two writers one sees the other at
least; both may, and then both withdraw.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import random
import socket
import threading
import time
import uuid
from typing import TYPE_CHECKING

from ...errors import CacheError, CacheLockedError, in_brief
from ..identity import this_machine
from ..lock import FILE_NAME, LocalSign

if TYPE_CHECKING:
    from pathlib import Path, PurePath

    from .object_store import Entry, ObjectStore

RENEWED_EVERY_S = 15.0
LASTS_S = 60.0
_WITHDRAWN_WITHIN_S = 10.0  # who interrupts a command waits for it
_ATTEMPTS = 6
_LONGEST_WAIT_S = 2.0
_MAX_MARK_BYTES = 1 << 12
_RANDOM = random.SystemRandom()  # another in each process, however they were seeded

logger = logging.getLogger(__name__)


class Lease:
    """A context manager that holds a folder as long as it is open. It waits some seconds at most.

    Raises
    ------
    CacheLockedError
        On entering, when another process holds it; nothing has been changed then.
    CacheUnreachableError
        On entering, when the store does not answer.
    """

    def __init__(self, store: ObjectStore, folder: str, where: PurePath, signs: Path) -> None:
        """Of the folder that messages call `where`.

        Parameters
        ----------
        store, folder
            The objects, and the path of the folder among them.
        where
            What messages call it.
        signs
            A folder in which the processes of this machine see which of them still live. Each
            machine has a folder of its own in it: where several share it, a lock may be seen by
            the processes of its machine only, and others would take its holder for dead.
        """
        self._store, self._where = store, where
        self._signs = signs / this_machine().hex()
        self._marks = f"{folder}/{FILE_NAME}"
        self._name = ""
        self._sign: LocalSign | None = None
        self._renewed_s = 0.0
        self._ended = threading.Event()
        self._renewing: threading.Thread | None = None

    def __enter__(self) -> Lease:
        for attempt in range(_ATTEMPTS):
            holder = self._try_to_take()
            if holder is None:
                break
            if holder.is_held or attempt == _ATTEMPTS - 1:
                raise CacheLockedError(
                    f"{self._where} is being written by {holder.who}; wait until it ends, or use "
                    f"another --cache. The lock of one that was killed ends within {LASTS_S:.0f} s"
                )
            time.sleep(_RANDOM.uniform(0.05, _LONGEST_WAIT_S * (attempt + 1) / _ATTEMPTS))
        self._renewing = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._renewing.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        if self._renewing is not None and self._renewing.is_alive():
            self._renewing.join(_LONGEST_WAIT_S)  # of a store that does not answer it may take long
        self._withdraw()

    def check(self) -> None:
        """Raise CacheError where another process may have taken over meanwhile."""
        if _now_s() - self._renewed_s > LASTS_S:
            raise CacheError(
                f"{self._where} could not be held for {LASTS_S:.0f} s, and another process may "
                f"be writing to it now: run the command again. What was committed is kept"
            )

    def _try_to_take(self) -> _Holder | None:
        """Put a mark, and withdraw it where there is another's: who that is."""
        self._name = uuid.uuid4().hex
        self._sign = LocalSign(self._signs / self._name)
        try:
            self._put_mark(is_held=False)
            marks = {entry.name: entry for entry in self._store.list(self._marks)}
            own = marks.pop(self._name, None)
            if own is None:
                raise CacheError(
                    f"{self._where} does not list what was written just now: such a store cannot "
                    f"keep a cache"
                )
            others = [mark for mark in marks.values() if not self._is_over(mark, own)]
            if not others:
                for mark in marks.values():
                    self._store.delete(f"{self._marks}/{mark.name}")
                    LocalSign.remove(self._signs / mark.name)
                return None
            holders = [self._holder(mark) for mark in others]
        except BaseException:
            self._withdraw()
            raise
        self._withdraw()
        return max(holders, key=lambda holder: holder.is_held)

    def _is_over(self, mark: Entry, own: Entry) -> bool:
        """Whether a mark was not renewed for too long, or its process on this machine is gone."""
        is_late = own.modified_s - mark.modified_s > LASTS_S
        return is_late or LocalSign.is_of_the_dead(self._signs / mark.name)

    def _holder(self, mark: Entry) -> _Holder:
        with contextlib.suppress(FileNotFoundError, ValueError, KeyError, TypeError):
            [text] = self._store.read(f"{self._marks}/{mark.name}", [(0, _MAX_MARK_BYTES)])
            about = json.loads(text)
            who = in_brief(f"process {int(about['process'])} on {about['host']}", 100)
            return _Holder(who, is_held=about["held"] is True)
        return _Holder("another process", is_held=False)

    def _put_mark(self, *, is_held: bool) -> None:
        about = {"process": os.getpid(), "host": socket.gethostname(), "held": is_held}
        begun_s = _now_s()
        self._store.put(f"{self._marks}/{self._name}", json.dumps(about).encode(), replace=True)
        self._renewed_s = begun_s

    def _renew(self) -> None:
        wait_s = 0.0  # the first time says that it is held
        while not self._ended.wait(wait_s):
            wait_s = RENEWED_EVERY_S
            try:
                self.check()
                self._put_mark(is_held=True)
            except OSError as error:
                logger.info("the lock of %s: %s", self._where, error)

    def _withdraw(self) -> None:
        is_gone = False
        with contextlib.suppress(OSError):  # it ends by itself
            self._store.delete(f"{self._marks}/{self._name}", _WITHDRAWN_WITHIN_S)
            is_gone = True
        if self._sign is not None:
            self._sign.end(leave=not is_gone)


class _Holder:
    """Whose mark it is, and whether that one only tries."""

    def __init__(self, who: str, *, is_held: bool) -> None:
        self.who, self.is_held = who, is_held


def _now_s() -> float:
    """Seconds that also pass while the machine sleeps, where the system counts them."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
