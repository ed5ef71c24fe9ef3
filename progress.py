"""Signs of life on stderr: a bar on a terminal or in a notebook, a line now and then elsewhere.

There is one line at a time: work that begins within other work takes its place while it lasts.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from types import TracebackType

    from .progress_bar import Bar

_REFRESH_S = 0.5
_FIRST_LINE_S = 10.0
_MOST_BETWEEN_LINES_S = 300.0

_begun: list[Progress] = []
"""What goes on and may be seen; the last has the line."""


class Progress(contextlib.AbstractContextManager["Progress"]):
    """How far a piece of work is; with no `total`, only for how long it has gone on.

    On a terminal and in notebooks it is a bar; a terminal's goes when the work ends. Into a file or
    pipe it is a line after 10 s, and then after twice as long each time, up to 5 minutes: short
    work says nothing there. With `every_s`, it is a line each so many seconds, of this work or of
    what goes on within it.
    """

    def __init__(
        self,
        what: str,
        total: int | None = None,
        *,
        initial: int = 0,
        unit: str = "images",
        show: bool | None = None,
        every_s: float | None = None,
    ) -> None:
        """Begin; `show` False is silent, True always a bar, None as the stream is."""
        self._what, self._total, self._unit = what, total, unit
        self._n = self._n_before = initial
        self._note = ""
        self._every_s = every_s
        self._start = time.monotonic()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._own: TextIO | None = None
        self._bar: Bar | None = None
        if show is False:
            return
        self._stream = self._open_stream()
        if show or self._stream.isatty() or _in_notebook():
            self._bar = self._make_bar(_bar_in_line())
        _begun.append(self)
        self._thread = threading.Thread(target=self._keep_alive, name="progress", daemon=True)
        self._thread.start()

    @property
    def shows(self) -> bool:
        """Whether anybody may see it."""
        return self._thread is not None

    def update(self, n: int = 1) -> None:
        """`n` more are done."""
        self._n += n
        if self._bar is not None:
            self._bar.update(n)

    def reach(self, n: int) -> None:
        """`n` are done in all; fewer than before changes nothing."""
        self.update(max(0, n - self._n))

    def note(self, words: str) -> None:
        """What goes on at the moment."""
        self._note = words
        if self._bar is not None:
            self._bar.set_postfix_str(words, refresh=False)

    def start_counting(self) -> None:
        """Leave the time until now, such as a start-up, out of the speed and the estimate."""
        self._start, self._n_before = time.monotonic(), self._n
        if self._bar is not None:
            self._bar.start_counting()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End it, whatever has happened."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
        if self in _begun:
            _begun.remove(self)
        if self._bar is not None:
            self._bar.set_postfix_str("", refresh=False)
            self._bar.close()
            outer = _bar_in_line()
            if outer is not None:
                outer.show()
        if self._own is not None:
            self._own.close()

    def _open_stream(self) -> TextIO:
        """stderr, by a descriptor of its own: `silent_stderr` turns the other one off meanwhile."""
        try:
            descriptor = os.dup(sys.stderr.fileno())
        except (OSError, ValueError, AttributeError):  # a notebook's stderr, or a test's
            return sys.stderr
        encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
        file = open(descriptor, "wb", buffering=0)  # noqa: SIM115, PTH123 (see `__exit__`)
        self._own = _Unheard(file, encoding, "backslashreplace", write_through=True)
        return self._own

    def _make_bar(self, instead_of: Bar | None) -> Bar:
        from .progress_bar import Bar, NotebookBar

        what, total, n, unit = self._what, self._total, self._n, self._unit
        if _in_notebook():
            return NotebookBar(what, total, n, unit, instead_of)
        columns = _columns(self._stream)
        return Bar(what, total, n, unit, self._stream, columns=columns, instead_of=instead_of)

    def _keep_alive(self) -> None:
        interval = _REFRESH_S if self._bar is not None else self._every_s or _FIRST_LINE_S
        while not self._stopped.wait(interval):
            if self._bar is not None:
                self._bar.refresh()
                continue
            going_on = list(_begun)
            if self._every_s is None:
                interval = min(2 * interval, _MOST_BETWEEN_LINES_S)
                if going_on[-1:] != [self] or any(each._every_s for each in going_on):
                    continue
            line = (going_on or [self])[-1]._line()
            with contextlib.suppress(OSError, ValueError):  # a notebook's, or a test's, is closed
                print(line, file=self._stream, flush=True)

    def _line(self) -> str:
        seconds = time.monotonic() - self._start
        words = [f"{seconds:.0f} s"]
        if self._total is not None:
            words.insert(0, f"{self._n:,} of {self._total:,} {self._unit}")
            speed = (self._n - self._n_before) / seconds if seconds > 0 else 0.0
            if speed > 0:
                left_s = (self._total - self._n) / speed
                words += [f"{speed:.3g} {self._unit}/s", f"about {left_s:.0f} s left"]
        return f"{self._what}: {', '.join([*words, *filter(None, [self._note])])}"


class _Unheard(io.TextIOWrapper):
    """A stream whose reader may be gone, or whose disk be full, without harm to the work."""

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            return super().write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            super().flush()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            super().close()
        with contextlib.suppress(OSError):
            self.buffer.close()


def _bar_in_line() -> Bar | None:
    """The innermost one; a bar of no total has no truth value."""
    return next((each._bar for each in reversed(_begun) if each._bar is not None), None)


def _columns(stream: TextIO) -> int | None:
    """None where a terminal says it; some say that they have none at all, or no lines."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        if all(os.get_terminal_size(stream.fileno())):
            return None
    return 80


def _in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    ipython: Any = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and "IPKernelApp" in shell.config
