"""How fast workers are, in all and each."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

_STRAGGLES = 0.5
"""Of the median speed: a worker below it is named."""
_MEASURED_S = 20.0
"""A worker is compared with the others from then on."""


@dataclass
class _Speed:
    n_images: int
    since_s: float
    n_files: int = 0
    until_s: float | None = None

    def per_s(self, now_s: float) -> float:
        return self.n_images / max((self.until_s or now_s) - self.since_s, 1e-3)


class Speeds:
    """Images of each worker, by name, over the time since it was ready."""

    def __init__(self) -> None:
        self._speeds: dict[str, _Speed] = {}

    @property
    def names(self) -> list[str]:
        """All workers that there have been."""
        return list(self._speeds)

    def begin(self, name: str) -> None:
        """A worker is ready."""
        self._speeds[name] = _Speed(0, time.monotonic())

    def end(self, name: str) -> None:
        """A worker is gone."""
        if name in self._speeds:
            self._speeds[name].until_s = time.monotonic()

    def end_all(self) -> None:
        """The work is done."""
        for name, speed in self._speeds.items():
            if speed.until_s is None:
                self.end(name)

    def add_files(self, name: str, n_files: int) -> None:
        """A worker has read files, whether there was anything to compute of them or not."""
        self._speeds[name].n_files += n_files

    def add(self, name: str, n_images: int) -> None:
        """A worker has committed images."""
        self._speeds[name].n_images += n_images

    def of(self, name: str) -> float | None:
        """Files a second; None where none is read yet."""
        speed = self._speeds.get(name)
        if speed is None or not speed.n_files:
            return None
        return speed.n_files / max(time.monotonic() - speed.since_s, 1e-3)

    def stragglers(self) -> dict[str, float]:
        """Workers that do less than half of what the median one does, with their images a second.

        Those that have worked for a while are compared, and there have to be three of them.
        """
        now_s = time.monotonic()
        speeds = {
            name: speed.per_s(now_s)
            for name, speed in self._speeds.items()
            if (speed.until_s or now_s) - speed.since_s >= _MEASURED_S
        }
        if len(speeds) < 3:
            return {}
        median = statistics.median(speeds.values())
        return {name: speed for name, speed in speeds.items() if speed < _STRAGGLES * median}

    def in_words(self, n_ready: int, n_workers: int) -> str:
        """For the line of progress."""
        words = f"{n_ready} of {n_workers} workers" if n_ready < n_workers else f"{n_ready} workers"
        slow = self.stragglers()
        if not slow:
            return words
        name = min(slow, key=slow.__getitem__)
        return f"{words}, slow: {name} ({slow[name]:.3g}/s)"

    def as_json(self) -> list[dict[str, object]]:
        """Of each worker its name, images, and images a second."""
        now_s = time.monotonic()
        return [
            {
                "worker": name,
                "images": speed.n_images,
                "images_per_second": round(speed.per_s(now_s), 1),
            }
            for name, speed in self._speeds.items()
        ]
