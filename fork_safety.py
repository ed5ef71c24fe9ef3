"""What a forked process must not use: it inherits memory, but none of the threads.

A network, a decoder process or a database that was opened before a fork would wait for threads
that are not there, or share a socket with the parent. So each remembers its process.
"""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from importlib import import_module
from typing import Any, Protocol

from .errors import OtherProcessError


class Owner:
    """The process in which something was started."""

    def __init__(self, what: str, instead: str) -> None:
        """`what` was started now; `instead` says what to do in another process."""
        self._what, self._instead, self._process = what, instead, os.getpid()

    @property
    def is_here(self) -> bool:
        """Whether this is that process."""
        return os.getpid() == self._process

    def check(self) -> None:
        """Raise OtherProcessError in a process that was forked since."""
        if not self.is_here:
            raise OtherProcessError(str(self))

    def __str__(self) -> str:
        return (
            f"{self._what} was started in process {self._process} and cannot be used in process "
            f"{os.getpid()}, which was forked from it: threads do not survive a fork. "
            f"{self._instead}"
        )


class Holder(Protocol):
    """Something that holds descriptors: sockets, locks, files."""

    def let_go(self) -> None:
        """In a forked process: close its copies of them, and nothing else."""
        ...


not_while_forking = threading.RLock()
"""Held while something is half done that a forked process could not go on with."""

_holders: weakref.WeakSet[Holder] = weakref.WeakSet()
_started: dict[str, Owner] = {}


def let_go_in_children(holder: Holder) -> None:
    """Have `holder.let_go` called in every process that is forked while it lives."""
    _holders.add(holder)


def import_whole(name: str, package: str | None = None) -> Any:
    """As `importlib.import_module`, and no process is forked while it imports.

    Such a process would wait for ever for the thread that was at it, as soon as it imports the
    module itself.
    """
    with not_while_forking:
        return import_module(name, package)


def claim(library: str) -> None:
    """Note that a library starts threads in this process, which it does once for good.

    Raises
    ------
    OtherProcessError
        When it had started them before this process was forked: it would wait for ever.
    """
    instead = "Start this process with multiprocessing.get_context('spawn'), or fork before that"
    _started.setdefault(library, Owner(library, instead)).check()


def _let_go() -> None:
    for holder in list(_holders):
        with contextlib.suppress(Exception):  # it concerns the parent; this process goes on
            holder.let_go()


def _go_on_in_child() -> None:
    not_while_forking.release()
    _let_go()


os.register_at_fork(
    before=not_while_forking.acquire,
    after_in_parent=not_while_forking.release,
    after_in_child=_go_on_in_child,
)
