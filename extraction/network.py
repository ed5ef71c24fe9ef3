"""Pixels to transfer values: the engine, which starts when it is first needed."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import EngineError
from ..features import open_extractor
from ..features.backbones.weights import WrongWeightsError
from ..features.engines.select import expected_engine
from .image_files import Pixels
from .prefetch import prefetch, threads
from .stage_timing import NETWORK

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence
    from pathlib import Path

    from ..cache import Key, Rejection
    from ..features import Extractor, Recipe
    from ..features.backbones.weights import Weights
    from .stage_timing import Waiting


# To hand a batch to a thread costs as much as a small one does: short calls take more images.
_HANDED_OVER = 32
_SHORT_S = 0.05


class CannotRunError(EngineError):
    """No engine of this machine computes in the precision."""


class Features(NamedTuple):
    """A few images as the network sees them."""

    keys: list[Key]
    paths: list[bytes]
    features: np.ndarray
    """float32, (n, width): of each key."""
    rejections: list[Rejection]
    """Of images that could not be decoded."""


class Network:
    """A recipe's network in one precision, in the best engine of this machine that runs it."""

    def __init__(
        self,
        recipe: Recipe,
        weights: Callable[[], Weights],
        networks: Path,
        engine: str,
        precision: str,
        progress: bool | None,
        waiting: Waiting,
    ) -> None:
        """Prepare to start; for the parameters see `open_extractor`."""
        self.startup_s = 0.0
        """Time that starting the engine has taken."""
        self._recipe, self._weights, self._networks = recipe, weights, networks
        self._engine, self._precision, self._progress = engine, precision, progress
        self._waiting = waiting
        self._extractor: Extractor | None = None
        self._n_together = 1

    @property
    def engine(self) -> str:
        """Name of the engine that runs, or would."""
        if self._extractor is not None:
            return self._extractor.engine
        return expected_engine(self._engine)

    def start(self) -> Extractor:
        """Start the engine, if that has not been done.

        Raises
        ------
        CannotRunError
            When none computes in the precision.
        WrongWeightsError
            When the weights are of another network.
        """
        if self._extractor is None:
            start = time.perf_counter()
            try:
                self._extractor = open_extractor(
                    self._recipe,
                    self._weights,
                    engine=self._engine,
                    precisions=[self._precision],
                    networks=self._networks,
                    many=True,
                    gpu=True,
                    progress=self._progress,
                )
            except WrongWeightsError:
                raise
            except EngineError as error:
                cannot = CannotRunError(str(error))
                cannot.attempts = error.attempts or [(self._engine, str(error))]
                raise cannot from error
            self.startup_s += time.perf_counter() - start
        return self._extractor

    def features(self, groups: Iterator[Pixels]) -> Generator[Features]:
        """Turn pixels into transfer values, in batches that keep the engine busy."""
        first = next(groups, None)
        if first is None:
            return
        groups = itertools.chain([first], groups)
        del first  # its memory is used again
        extractor = self.start()
        self._n_together = extractor.batch_size
        with threads(extractor.n_calls) as pool:
            for features, seconds in prefetch(
                pool,
                lambda batch: _compute(batch, extractor),
                batches_of(lambda: self._n_together, groups),
                extractor.n_calls + 1,
                waiting=lambda: self._waiting.waiting_for(NETWORK),
            ):
                if seconds < _SHORT_S and self._n_together < _HANDED_OVER:
                    self._n_together *= 2
                yield features


def batches_of(n_together: Callable[[], int], groups: Iterator[Pixels]) -> Iterator[Pixels]:
    """Batches of `n_together()` images, fewer at the end: parts of the groups, not copied.

    What is left of a group when it has been divided is joined with the next.
    """
    left: list[Pixels] = []
    n_left = 0
    for group in groups:
        start, n = 0, max(n_together(), n_left + 1)
        if n_left:
            start = min(n - n_left, len(group.keys))
            left.append(_part(group, 0, start))
            n_left += start
            if n_left == n:
                yield _joined(left)
                left, n_left = [], 0
        while len(group.keys) - start >= n:
            yield _part(group, start, start + n)
            start, n = start + n, n_together()
        rest = _part(group, start, len(group.keys))
        if rest.keys or group.rejections:
            # A copy, since more may take long to come, and would be joined with it anyway.
            left.append(rest._replace(pixels=rest.pixels.copy(), rejections=group.rejections))
            n_left += len(rest.keys)
        del group, rest
    if left:
        yield _joined(left)


def _part(group: Pixels, start: int, end: int) -> Pixels:
    """Some of the images, without what is rejected."""
    return Pixels(group.keys[start:end], group.paths[start:end], group.pixels[start:end], [])


def _joined(parts: Sequence[Pixels]) -> Pixels:
    keys, paths, pixels, rejections = zip(*parts, strict=True)
    chain = itertools.chain.from_iterable
    together = pixels[0] if len(pixels) == 1 else np.concatenate(pixels)
    return Pixels(list(chain(keys)), list(chain(paths)), together, list(chain(rejections)))


def _compute(batch: Pixels, extractor: Extractor) -> tuple[Features, float]:
    """Run the network; the seconds that it took."""
    start = time.perf_counter()
    features = extractor.transfer_values(batch.pixels)
    seconds = time.perf_counter() - start
    return Features(batch.keys, batch.paths, features, batch.rejections), seconds
