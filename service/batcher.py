"""Micro-batching: concurrent requests share a pass through the network."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from .errors import DeadlineError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class _Entry:
    """The images of one call, waiting for the network or in it."""

    __slots__ = ("batch", "error", "features", "images", "woken")

    def __init__(self, images: np.ndarray) -> None:
        self.images = images
        self.woken = threading.Event()
        """Set when the features are there, or the thread has to run a batch itself."""
        self.batch: list[_Entry] | None = None
        """What the thread has to run."""
        self.features: np.ndarray | None = None
        self.error: Exception | None = None


class Batcher:
    """Runs the images of many threads through a network in batches.

    It has no thread and no timer: a call that finds the network free runs its own images at once.
    Others queue, and when a pass ends, the thread that has waited longest runs the next one, for
    itself and for those behind it.

    Parameters
    ----------
    run
        uint8 (n, height, width, 3) to float32 (n, width); safe to call from threads.
    sizes
        Batch sizes of the network; 1 is among them.
    n_passes
        Concurrent passes that keep the network busy.
    on_pass
        Called with the number of images of every pass.
    """

    def __init__(
        self,
        run: Callable[[np.ndarray], np.ndarray],
        sizes: Sequence[int] = (8, 1),
        n_passes: int = 1,
        on_pass: Callable[[int], None] = lambda n_images: None,
    ) -> None:
        self._run = run
        self._sizes = sorted(sizes, reverse=True)
        self._free = n_passes
        self._on_pass = on_pass
        self._lock = threading.Lock()
        self._queue: deque[_Entry] = deque()

    @property
    def n_waiting(self) -> int:
        """Calls whose images wait for the network."""
        return len(self._queue)

    def __call__(self, images: np.ndarray, deadline: float = float("inf")) -> np.ndarray:
        """Run images, and wait for their features.

        Parameters
        ----------
        images
            uint8, (n, height, width, 3).
        deadline
            By `time.monotonic`: when waiting for the network is given up.

        Returns
        -------
        ndarray
            float32, (n, width).

        Raises
        ------
        DeadlineError
            When the network was not free in time.
        Exception
            What the network raised at these images, alone.
        """
        most = self._sizes[0]
        parts = [images[start : start + most] for start in range(0, len(images), most)]
        features = [self._one(part, deadline) for part in parts]
        return features[0] if len(features) == 1 else np.concatenate(features)

    def _one(self, images: np.ndarray, deadline: float) -> np.ndarray:
        mine = _Entry(images)
        with self._lock:
            if self._free:
                self._free -= 1
                mine.batch = [mine]
            else:
                self._queue.append(mine)
        if mine.batch is None:
            self._wait(mine, deadline)
        if mine.batch is not None:
            self._lead(mine.batch)
        if mine.error is not None:
            raise mine.error
        if mine.features is None:
            raise AssertionError("a batch ended without features")
        return mine.features

    def _wait(self, mine: _Entry, deadline: float) -> None:
        timeout_s = min(deadline - time.monotonic(), threading.TIMEOUT_MAX)
        if mine.woken.wait(max(0.0, timeout_s)):
            return
        with self._lock:
            if mine in self._queue:
                self._queue.remove(mine)
                raise DeadlineError
        mine.woken.wait()  # it is in the network, or about to be

    def _lead(self, batch: list[_Entry]) -> None:
        """Run a batch, hand the network on, and wake the others."""
        try:
            self._compute(batch)
        finally:
            self._hand_on()
            for entry in batch[1:]:
                entry.woken.set()

    def _compute(self, batch: list[_Entry]) -> None:
        images = batch[0].images
        if len(batch) > 1:
            images = np.concatenate([entry.images for entry in batch])
        self._on_pass(len(images))
        try:
            features = self._run(images)
        except Exception as error:  # noqa: BLE001 (raised by the thread whose images they are)
            if len(batch) == 1:
                batch[0].error = error
            else:  # one of them is at fault: only that one fails
                for entry in batch:
                    self._compute([entry])
            return
        first = 0
        for entry in batch:
            entry.features = features[first : first + len(entry.images)]
            first += len(entry.images)

    def _hand_on(self) -> None:
        with self._lock:
            if not self._queue:
                self._free += 1
                return
            batch = [self._queue.popleft()]
            n_images = len(batch[0].images)
            waiting = n_images + sum(len(entry.images) for entry in self._queue)
            size = next((size for size in self._sizes if size <= waiting), n_images)
            while self._queue and n_images + len(self._queue[0].images) <= size:
                batch.append(self._queue.popleft())
                n_images += len(batch[-1].images)
            batch[0].batch = batch
        batch[0].woken.set()
