"""Reading files in a process of its own, which may crash, spin or want all memory.

An `except` cannot catch a segmentation fault in a C library, and HDF5 has several for those who
look. So a file that somebody else wrote is read in a child, which hands over plain bytes.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import traceback
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ..errors import BottlebankError
from .child import start_child
from .files import at_most_more

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Generator, Iterator
    from multiprocessing.connection import Connection

STEP_S = 1.0
"""Processor time that may pass between two messages."""

_PATIENCE_S = 60  # by the clock: a file system that is gone, or a process that is stopped
_MORE_BYTES = 1 << 30


class DiedError(BottlebankError, ValueError):
    """The process ended, or had to be ended; the message says how."""


class FailedError(BottlebankError, ValueError):
    """The reader has refused the file; the message says why."""


class Message(NamedTuple):
    """What a reader hands over."""

    about: dict[str, Any]
    parts: list[bytes]


class Send(Protocol):
    """Hands over what a reader has found; it may then work for `next_s` of processor time."""

    def __call__(self, about: dict[str, Any], *parts: bytes, next_s: float = STEP_S) -> None:
        """Send JSON values, and bytes."""


@contextlib.contextmanager
def isolated_reader(
    module: str, function: str, *arguments: str | int, more_bytes: int = _MORE_BYTES
) -> Generator[Iterator[Message]]:
    """Run a reader in a process of its own, and iterate over what it sends.

    Parameters
    ----------
    module, function
        Where the reader is: it is called with a `Send` and the arguments.
    arguments
        For the reader.
    more_bytes
        Memory that it may take.

    Raises
    ------
    FailedError
        While iterating: when the reader raises an exception.
    DiedError
        While iterating: when the process has died or taken too long.
    """
    process, connection = start_child(
        answer,
        {
            "module": module,
            "function": function,
            "arguments": arguments,
            "more_bytes": more_bytes,
        },
        quiet=True,
    )
    with process, connection:
        try:
            yield _messages(process, connection)
        finally:
            process.kill()


def _messages(process: subprocess.Popen[bytes], connection: Connection) -> Iterator[Message]:
    step_s, wait_s = STEP_S, _PATIENCE_S
    while True:
        try:
            about = json.loads(_receive(connection, wait_s))
            if "failed" in about:
                raise FailedError(about["failed"])
            if "done" in about:
                return
            yield Message(about["about"], [_receive(connection) for _ in range(about["parts"])])
            step_s, wait_s = about["next_s"], max(_PATIENCE_S, about["next_s"])
        except (EOFError, ConnectionError) as error:
            code = process.wait()
            if code == -signal.SIGPROF:
                how = f"reading it takes more than {step_s:g} s at one place"
            elif code < 0:
                how = f"it crashes its reader: {signal.Signals(-code).name}"
            else:
                how = f"its reader ended with exit code {code}"
            raise DiedError(how) from error


def _receive(connection: Connection, wait_s: float = _PATIENCE_S) -> bytes:
    if not connection.poll(wait_s):
        raise DiedError(f"its reader has said nothing for {wait_s:g} s")
    return connection.recv_bytes()


def answer(
    connection: Connection,
    module: str,
    function: str,
    arguments: list[str | int],
    more_bytes: int,
) -> None:
    """In the child: run the reader."""
    read = getattr(importlib.import_module(module), function)

    def put(value: dict[str, Any], *parts: bytes) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        connection.send_bytes(json.dumps(value).encode())
        for part in parts:
            connection.send_bytes(part)

    def send(about: dict[str, Any], *parts: bytes, next_s: float = STEP_S) -> None:
        put({"about": about, "parts": len(parts), "next_s": next_s}, *parts)
        signal.setitimer(signal.ITIMER_PROF, next_s)  # its signal ends the process

    signal.setitimer(signal.ITIMER_PROF, STEP_S)
    try:
        with at_most_more(more_bytes):
            read(send, *arguments)
        put({"done": True})
    except ConnectionError:  # the parent is gone: nobody is left to answer
        raise
    except (ValueError, OSError) as error:
        put({"failed": str(error)})
    except Exception:  # noqa: BLE001 (the parent raises it)
        put({"failed": traceback.format_exc(limit=-1)})
    os._exit(0)  # what HDF5 does with a damaged file when it is taken down is nobody's concern
