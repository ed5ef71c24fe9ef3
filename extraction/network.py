"""Pixels to transfer values: the engine, which starts when it is first needed."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from ..errors import EngineError
from ..features import open_extractor
from ..features.backbones.weights import WrongWeightsError
from ..features.engines.select import expected_engine
from .image_files import Pixels
from .prefetch import prefetch, put_back, threads
from .stage_timing import NETWORK

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
    from pathlib import Path

    from ..cache import Key, Rejection
    from ..features import Extractor, Recipe
    from ..features.backbones.weights import Weights
    from .stage_timing import Waiting

_T = TypeVar("_T")

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
    brightest: list[int | None]
    """The greatest value of each picture that has 16 bits per channel; of further views None."""
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
        self._elsewhere: str | None = None

    @property
    def engine(self) -> str:
        """Name of the engine that runs, or would."""
        if self._elsewhere is not None:
            return self._elsewhere
        if self._extractor is not None:
            return self._extractor.engine
        return expected_engine(self._engine, self._precision)

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

    def ran_elsewhere(self, engine: str, startup_s: float) -> None:
        """Note that another process has the network, and in which engine."""
        self._elsewhere, self.startup_s = engine, startup_s

    def features(self, groups: Iterator[Pixels]) -> Generator[Features]:
        """As `features_of`, with this network."""
        return features_of(groups, self.start, self._waiting)


def features_of(
    groups: Iterator[Pixels], start: Callable[[], Extractor], waiting: Waiting
) -> Generator[Features]:
    """Turn pixels into transfer values, in batches that keep the engine busy.

    The extractor is started with the first pixels.
    """
    first = next(groups, None)
    if first is None:
        return
    groups = put_back(first, groups)
    del first  # its memory is used again
    extractor = start()
    n_together = [extractor.batch_size]
    with threads(extractor.n_calls) as pool:
        for features, seconds in prefetch(
            pool,
            lambda batch: _compute(batch, extractor),
            batches_of(lambda: n_together[-1], groups),
            extractor.n_calls + 1,
            waiting=lambda: waiting.waiting_for(NETWORK),
        ):
            if seconds < _SHORT_S and n_together[-1] < _HANDED_OVER:
                n_together.append(2 * n_together[-1])
            yield features


def batches_of(n_together: Callable[[], int], groups: Iterator[Pixels]) -> Iterator[list[Pixels]]:
    """Batches of `n_together()` images, fewer at the end, each as parts of the groups."""
    batch: list[Pixels] = []
    n_missing = n_together()
    for group in groups:
        start, n = 0, len(group.keys)
        while n - start >= n_missing:
            yield [*batch, _part(group, start, start + n_missing)]
            start += n_missing
            batch, n_missing = [], n_together()
        if start < n or group.rejections:
            batch.append(_part(group, start, n)._replace(rejections=group.rejections))
            n_missing -= n - start
        del group  # while the next one is waited for, nobody needs the rest of it
    if batch:
        yield batch


def _part(group: Pixels, start: int, end: int) -> Pixels:
    """Some of the images, without what is rejected."""
    return Pixels(
        group.keys[start:end],
        group.paths[start:end],
        group.pixels[start:end],
        group.brightest[start:end],
        [],
    )


def passes_of(n: int, parts: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """The images of some arrays, in arrays of multiples of `n`, but for the last.

    They are copied only where a pass takes images of two arrays.
    """
    begun: list[np.ndarray] = []
    n_missing = n
    for part in parts:
        rest = part
        if begun:
            begun.append(rest[:n_missing])
            n_missing, rest = n_missing - len(begun[-1]), rest[n_missing:]
            if n_missing:
                continue
            yield np.concatenate(begun)
            begun, n_missing = [], n
        whole = len(rest) - len(rest) % n
        if whole:
            yield rest[:whole]
        if whole < len(rest):
            begun.append(rest[whole:])
            n_missing -= len(begun[-1])
    if begun:
        yield begun[0] if len(begun) == 1 else np.concatenate(begun)


def _compute(batch: Sequence[Pixels], extractor: Extractor) -> tuple[Features, float]:
    """Run the network; the seconds that it took."""
    start = time.perf_counter()
    passes = passes_of(extractor.batch_size, [part.pixels for part in batch])
    features = [extractor.transfer_values(images) for images in passes]
    seconds = time.perf_counter() - start
    none = np.empty((0, extractor.recipe.width), np.float32)
    keys, paths, _, brightest, rejections = (list(each) for each in zip(*batch, strict=True))
    return Features(
        _joined(keys),
        _joined(paths),
        features[0] if len(features) == 1 else np.concatenate([none, *features]),
        _joined(brightest),
        _joined(rejections),
    ), seconds


def _joined(parts: Iterable[Iterable[_T]]) -> list[_T]:
    return list(itertools.chain.from_iterable(parts))
