"""How far t-SNE and UMAP are. Neither calls anybody back: both print, and that is read."""

from __future__ import annotations

import contextlib
import io
import re
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..progress import Progress

_TSNE = "[t-SNE]"
_ITERATION = re.compile(r"\[t-SNE\] Iteration (\d+)")


_stdout = threading.Lock()
"""Stdout is the whole process's: of several t-SNEs in threads, only one is followed."""


@contextlib.contextmanager
def tsne_iterations(bar: Progress) -> Iterator[int]:
    """Read the iterations of a t-SNE from stdout, and pass on the rest; `verbose` for the t-SNE."""
    if not bar.shows or not _stdout.acquire(blocking=False):
        yield 0
        return
    try:
        with contextlib.redirect_stdout(_Iterations(bar, sys.stdout)):
            yield 2
    finally:
        _stdout.release()


def umap_epochs(bar: Progress, n_epochs: int) -> dict[str, Any]:
    """UMAP's `tqdm_kwds`: its bar becomes the note of `bar`; in notebooks with widgets, nothing.

    A widget writes into no file, and two for one piece of work confuse.
    """
    from tqdm.auto import tqdm
    from tqdm.std import tqdm as in_text

    return {
        "disable": tqdm.display is not in_text.display,
        "file": _Epochs(bar, n_epochs),
        "bar_format": "{n}",
        "mininterval": 0.2,
        "miniters": 1,
        "leave": False,
    }


class _Iterations(io.TextIOBase):
    def __init__(self, bar: Progress, beyond: Any) -> None:
        self._bar, self._beyond = bar, beyond
        self._has_begun = False
        self._is_ours = False  # print writes a line and its end apart

    def write(self, text: str) -> int:
        if text.startswith(_TSNE):
            self._is_ours = not text.endswith("\n")
            found = _ITERATION.match(text)
            if found is not None:
                self._has_begun = True
                self._bar.reach(int(found[1]))
            elif not self._has_begun:  # the search for neighbours has no place in the speed
                self._bar.start_counting()
        elif self._is_ours and text == "\n":
            self._is_ours = False
        else:
            self._beyond.write(text)
        return len(text)

    def flush(self) -> None:
        self._beyond.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._beyond, name)


class _Epochs(io.TextIOBase):
    def __init__(self, bar: Progress, n_epochs: int) -> None:
        self._bar, self._n_epochs = bar, n_epochs

    def write(self, text: str) -> int:
        number = text.strip()
        if number.isdecimal():
            self._bar.note(f"epoch {number} of {self._n_epochs}")
        return len(text)
