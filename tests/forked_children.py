"""Children that are forked from a process which has loaded their libraries already.

Most of the processor time of these tests would go into starting Python and loading NumPy, OpenCV
and h5py for children that live for milliseconds. On Linux `ForkedChildren.start` does what
`untrusted.child.start_child` does, without that. Where a test has set PYTHONPATH, so that children
do something else, they are started; tests of how children start and end take the fixture
`real_children`.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import importlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import traceback
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from bottlebank.untrusted.child import run, start_child

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_LOADED = [
    "bottlebank.extraction.worker_process",
    "bottlebank.features.images.decoder_process",
    "bottlebank.untrusted.isolation",
    "bottlebank.cache.isolated_reading",
    "bottlebank.features.backbones.keras.process",
    "bottlebank.features.backbones.onnx_process",
    "bottlebank.features.backbones.saved_model.process",
]
_MOST_BYTES = 64 << 10
"""Of a message to the process; with longer ones a child is started."""
_PR_SET_CHILD_SUBREAPER = 36
_LIMITS = ("RLIMIT_CORE", "RLIMIT_DATA", "RLIMIT_AS", "RLIMIT_FSIZE", "RLIMIT_NOFILE")
_SERVER = """
import json, sys
path, file, handle = json.loads(sys.argv[1])
sys.path[:] = path
import importlib.util
spec = importlib.util.spec_from_file_location("forked_children", file)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
module.serve(handle)
"""


class ForkedChildren:
    """The process that is forked, and its end of the connection."""

    def __init__(self) -> None:
        """Start it, without waiting until it is ready."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            settings = [sys.path, __file__, theirs.fileno()]
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _SERVER, json.dumps(settings)],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
                start_new_session=True,
            )
        self._connection = ours
        self._search_path = os.environ.get("PYTHONPATH")
        self._one_at_a_time = threading.Lock()
        self._libc = ctypes.CDLL(None, use_errno=True)

    def close(self) -> None:
        """End it."""
        self._connection.close()
        self._process.wait()

    def start(
        self,
        function: Callable[..., None],
        arguments: Mapping[str, Any],
        *,
        descriptors: Sequence[int] = (),
        quiet: bool = False,
    ) -> tuple[subprocess.Popen[bytes], Connection]:
        """Do what `start_child` does."""
        try:
            folder = os.getcwd()
        except FileNotFoundError:  # it was removed
            folder = ""
        is_long = len(json.dumps(arguments)) + len(json.dumps(dict(os.environ))) > _MOST_BYTES // 2
        if is_long or not folder or os.environ.get("PYTHONPATH") != self._search_path:
            return start_child(function, arguments, descriptors=descriptors, quiet=quiet)
        ours, theirs = socket.socketpair()
        with contextlib.ExitStack() as unless_it_starts, theirs, open(os.devnull, "w") as nothing:
            unless_it_starts.callback(ours.close)
            settings = {
                "path": sys.path,
                "folder": folder,
                "environment": dict(os.environ),
                "limits": {name: resource.getrlimit(getattr(resource, name)) for name in _LIMITS},
                "handles": [theirs.fileno(), *descriptors],
                "call": {
                    "handle": theirs.fileno(),
                    "module": function.__module__,
                    "function": function.__name__,
                    "arguments": arguments,
                },
            }
            outputs = [nothing.fileno()] * 2 if quiet else [1, 2]
            message = json.dumps(settings).encode()
            with self._one_at_a_time:
                self._adopts(True)
                try:
                    socket.send_fds(self._connection, [message], [*outputs, *settings["handles"]])
                    pid = int(self._connection.recv(32))
                finally:
                    self._adopts(False)
            unless_it_starts.pop_all()
        return _Forked(pid), Connection(ours.detach())

    def _adopts(self, does: bool) -> None:
        # A child of which the parent is gone becomes one of this process (man 2 prctl).
        if self._libc.prctl(_PR_SET_CHILD_SUBREAPER, int(does), 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")


class _Forked(subprocess.Popen[bytes]):
    """A child that somebody else has started."""

    def __init__(self, pid: int) -> None:
        self.args = ["forked"]
        self.pid = pid
        self.returncode = None
        self.stdin = self.stdout = self.stderr = None
        self._waitpid_lock = threading.Lock()
        self._input = None
        self._communication_started = False
        self._sigint_wait_secs = 0.25
        self._child_created = True


def serve(handle: int) -> None:
    """Fork a child for each message, until the connection ends."""
    for name in _LOADED:
        importlib.import_module(name)
    assert len(os.listdir("/proc/self/task")) == 1, "a process with threads cannot be forked"
    with socket.socket(fileno=handle) as connection:
        while True:
            message, handles, _, _ = socket.recv_fds(connection, _MOST_BYTES, 64)
            if not message:
                return
            reading, writing = os.pipe()
            between = os.fork()
            if between == 0:  # it ends at once, so that its child becomes one of the tests' process
                child = os.fork()
                if child == 0:
                    connection.close()
                    os.close(reading)
                    os.close(writing)
                    _be_child(json.loads(message), handles)
                os.write(writing, str(child).encode())
                os._exit(0)
            os.waitpid(between, 0)
            for each in (*handles, writing):
                os.close(each)
            connection.send(os.read(reading, 32))
            os.close(reading)


def _be_child(settings: dict[str, Any], received: list[int]) -> None:
    code = 1
    try:
        os.setsid()
        targets = [1, 2, *settings["handles"]]
        above = [_above(each, max(targets)) for each in received]
        for each, target in zip(above, targets, strict=True):
            os.dup2(each, target)
            os.close(each)
        for name, limits in settings["limits"].items():
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(getattr(resource, name), limits)
        with contextlib.suppress(OSError):
            os.chdir(settings["folder"])
        os.environ.clear()
        os.environ.update(settings["environment"])
        sys.path[:] = settings["path"]
        importlib.invalidate_caches()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        run(**settings["call"])
        code = 0
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
    except BaseException:  # noqa: BLE001 (as Python does at the end of a program)
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _above(handle: int, least: int) -> int:
    higher = fcntl.fcntl(handle, fcntl.F_DUPFD, least + 1)
    os.close(handle)
    return higher
