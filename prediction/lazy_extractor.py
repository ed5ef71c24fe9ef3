"""An extractor that starts with the first image that needs it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ..fork_safety import Owner

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..features import Extractor, Recipe


class LazyExtractor:
    """The extractor of a recipe, started when it is first asked for. Safe to use from threads.

    Parameters
    ----------
    recipe
        Which network; known without starting it.
    start
        Opens and checks the extractor; called once, unless it fails.
    batch_size
        Images in a call that keep the engine busy, as far as is known before it has started.
    instead
        What to do in a process that was forked since, as an error says it.
    """

    def __init__(
        self,
        recipe: Recipe,
        start: Callable[[], Extractor],
        batch_size: int = 1,
        instead: str = "Load it in each process: call load_predictor there",
    ) -> None:
        self.recipe = recipe
        self._start, self._batch_size = start, batch_size
        self._extractor: Extractor | None = None
        self._lock = threading.Lock()
        self._owner = Owner(f"the network {recipe.extractor}", instead)

    @classmethod
    def of(cls, extractor: Extractor) -> LazyExtractor:
        """One that has started already."""
        started = cls(extractor.recipe, lambda: extractor, extractor.batch_size)
        started.extractor()
        return started

    @property
    def is_started(self) -> bool:
        """Whether it runs."""
        return self._extractor is not None

    @property
    def is_here(self) -> bool:
        """Whether it was made in this process, not in one that this was forked from."""
        return self._owner.is_here

    @property
    def batch_size(self) -> int:
        """Images in a call that keep the engine busy."""
        return self._batch_size if self._extractor is None else self._extractor.batch_size

    def extractor(self) -> Extractor:
        """Start it, if that has not been done."""
        self.check_process()
        with self._lock:
            if self._extractor is None:
                self._extractor = self._start()
            return self._extractor

    def check_process(self) -> None:
        """Raise OtherProcessError in a process that was forked since this was made."""
        self._owner.check()
        if self._extractor is not None:
            self._extractor.check_process()
