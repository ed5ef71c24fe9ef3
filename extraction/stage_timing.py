"""What holds a run up: the stage for which it waits longest."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DISK, DECODE, NETWORK = "disk", "decode", "network"


class Waiting:
    """Seconds that the thread in which the stages meet has waited for each of them.

    While a stage keeps up, its results are there when they are asked for; the slowest is the one
    whose results are not.
    """

    def __init__(self) -> None:
        self.seconds = {DISK: 0.0, DECODE: 0.0, NETWORK: 0.0}
        """By stage."""

    @contextlib.contextmanager
    def waiting_for(self, stage: str) -> Iterator[None]:
        """Count the time until the block is left."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - start

    def add(self, seconds: Mapping[str, float]) -> None:
        """Count what another thread has waited, by stage."""
        for stage, waited_s in seconds.items():
            self.seconds[stage] += waited_s

    @property
    def bottleneck(self) -> str:
        """The stage that was waited for longest: ``disk``, ``decode`` or ``network``."""
        return max(self.seconds, key=self.seconds.__getitem__)
