"""Signals that end a command: Ctrl-C, SIGTERM, and SIGHUP, which a closed terminal sends."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType

    import click

EXIT_CODE = 130

_GOES_ON = "; what was committed is kept: run the command again to continue"
_CONTINUED = (
    "extract",
    "train",
    "evaluate",
    "compare",
    "plot",
    "audit",
    "similar",
    "recipe",
    "demo",
)
_AFTERWARDS = {
    **dict.fromkeys(_CONTINUED, _GOES_ON),
    "export": "; what was at --output is as it was",
    "predict": "; predictions are not kept, and --output is written only once all are made",
}
"""What holds after each command that computes transfer values."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_ONE_KEYSTROKE_S = 1.0
_AGAIN_S = 0.05


class Interrupts(contextlib.AbstractContextManager["Interrupts"]):
    """Raises KeyboardInterrupt once, however often a signal comes, so that cleaning up is not
    interrupted in its turn. One that comes more than a second after the first ends the process at
    once, even while a library computes and runs no Python.

    Signals that are ignored, as `nohup` and shell scripts have it, stay ignored.
    """

    def __init__(self) -> None:
        self.received = False
        """Whether the command is to end, whatever a library has made of the exception."""
        self.context: click.Context | None = None
        """Of the program, once its arguments are parsed."""
        self._first_at: float | None = None

    @property
    def message(self) -> str:
        """What the user reads, which depends on the command."""
        command = self.context.invoked_subcommand if self.context else None
        return f"interrupted{_AFTERWARDS.get(command or '', '')}"

    def __enter__(self) -> Interrupts:
        """Begin to listen, in the main thread."""
        self._handlers: dict[signal.Signals, Any] = {}
        for number in _SIGNALS:
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                self._handlers[number] = signal.signal(number, self._raise)
        self._hook, sys.unraisablehook = sys.unraisablehook, self._raise_again
        reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        self._descriptor = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        thread = threading.Thread(target=self._watch, args=(reading,), name="interrupts")
        thread.daemon = True
        thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Leave the signals as they were."""
        signal.set_wakeup_fd(self._descriptor)
        os.close(self._writing)
        sys.unraisablehook = self._hook
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _raise(self, number: int, frame: FrameType | None) -> None:
        if not self.received:
            self.received = True
            raise KeyboardInterrupt

    def _raise_again(self, ignored: Any) -> None:
        """Python drops what is raised in a destructor or a callback: raise it elsewhere."""
        if not issubclass(ignored.exc_type, KeyboardInterrupt):
            self._hook(ignored)
            return
        self.received, self._first_at = False, None
        # To the process, not to a thread: the main one may be waiting.
        again = threading.Timer(_AGAIN_S, os.kill, [os.getpid(), signal.SIGINT])
        again.daemon = True
        again.start()

    def _watch(self, reading: int) -> None:
        """End the process at the second signal; reads what the handlers in C write."""
        with open(reading, "rb", buffering=0) as signals:
            while signals.read(1):
                now = time.monotonic()
                self._first_at = self._first_at or now
                if now > self._first_at + _ONE_KEYSTROKE_S:
                    with contextlib.suppress(OSError):
                        os.write(2, f"bottlebank: {self.message}\n".encode())
                    os._exit(EXIT_CODE)
