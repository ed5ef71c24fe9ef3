"""What a command of many steps says of each."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from ..progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SIGN_OF_LIFE_S = 2.0


class Steps:
    """Says what was done, how long it took, and that something goes on meanwhile."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._bar: Progress | None = None

    def note(self, words: str) -> None:
        """Show beside the step how far it is."""
        if self._bar is not None:
            self._bar.note(words)

    @contextlib.contextmanager
    def __call__(self, what: str) -> Iterator[Callable[..., None]]:
        """A step: what it is called while it runs, and what takes the lines that tell of it."""
        start = time.perf_counter()
        lines: list[str] = []
        with Progress(what, every_s=_SIGN_OF_LIFE_S) as self._bar:
            yield lambda *words: lines.extend(words)
        first, *others = lines
        self._say(f"[{time.perf_counter() - start:5.1f} s] {first}")
        for line in others:
            self._say(f"            {line}")
