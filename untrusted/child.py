"""Starting a Python process that runs one function, and nothing of its user's.

A child of `multiprocessing` would run the user's script again, which need not have a main guard.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_LISTENS_WITHIN_S = 60
# The settings come over the socket: a command line holds 128 KiB on Linux. The child finds modules
# where this process does.
_CHILD = f"""
import json, socket, sys
with socket.socket(fileno=int(sys.argv[1])) as end:
    settings = json.loads(end.recv(int(sys.argv[2]), socket.MSG_WAITALL))
    handle = end.detach()
sys.path[:] = settings.pop("path")
from {__name__} import run
run(handle, **settings)
"""


def start_child(
    function: Callable[..., None],
    arguments: Mapping[str, Any],
    *,
    descriptors: Sequence[int] = (),
    quiet: bool = False,
) -> tuple[subprocess.Popen[bytes], Connection]:
    """Start a process, without waiting until it is ready.

    It ignores Ctrl-C, and should end when the connection does.

    Parameters
    ----------
    function
        Of a module: it is called with the other end of the connection and the arguments.
    arguments
        By name; what JSON holds.
    descriptors
        Files that stay open in the child, with the same numbers.
    quiet
        Whether what it writes to stdout and stderr is dropped.
    """
    settings = {
        "path": sys.path,
        "module": function.__module__,
        "function": function.__name__,
        "arguments": arguments,
    }
    message = json.dumps(settings).encode()
    output = subprocess.DEVNULL if quiet else None
    ours, theirs = socket.socketpair()
    with contextlib.ExitStack() as unless_it_starts:
        unless_it_starts.callback(ours.close)
        with theirs:
            handle = theirs.fileno()
            process = subprocess.Popen(
                # -P: no module of the current folder, which may be somebody else's, comes first.
                [sys.executable, "-P", "-c", _CHILD, str(handle), str(len(message))],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[handle, *descriptors],
                # NumPy's threads would take memory and are not needed.
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
                start_new_session=True,  # Ctrl-C is for the parent, whose end the child notices
            )
        unless_it_starts.callback(process.wait)
        unless_it_starts.callback(process.kill)
        ours.settimeout(_LISTENS_WITHIN_S)
        with contextlib.suppress(OSError):  # that it does not listen shows where it is to answer
            ours.sendall(message)
        ours.settimeout(None)
        unless_it_starts.pop_all()
    return process, Connection(ours.detach())


def run(handle: int, module: str, function: str, arguments: Mapping[str, Any]) -> None:
    """In the child: call the function."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError, ValueError):  # a stricter limit is set already
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    to_do = getattr(importlib.import_module(module), function)
    # The parent may be gone at any time: then nobody is left to answer.
    with contextlib.suppress(EOFError, OSError), Connection(handle) as connection:
        to_do(connection, **arguments)
