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
from .prefetch import groups_of, prefetch, threads
from .stage_timing import NETWORK
from .worker import GROUP_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence
    from pathlib import Path

    from ..cache import Key, Rejection
    from ..features import Extractor, Recipe
    from ..features.backbones.weights import Weights
    from .stage_timing import Waiting
    from .worker import Pixels


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
        extractor = self.start()
        n_together = max(1, extractor.batch_size // GROUP_SIZE)
        with threads(extractor.n_calls) as pool:
            yield from prefetch(
                pool,
                lambda batch: _compute(batch, extractor),
                groups_of(n_together, itertools.chain([first], groups)),
                extractor.n_calls + 1,
                waiting=lambda: self._waiting.waiting_for(NETWORK),
            )


def _compute(groups: Sequence[Pixels], extractor: Extractor) -> Features:
    """Run the network on all groups in one call."""
    keys, paths, pixels, rejections = zip(*groups, strict=True)
    chain = itertools.chain.from_iterable
    together = pixels[0] if len(pixels) == 1 else np.concatenate(pixels)
    features = extractor.transfer_values(together)
    return Features(list(chain(keys)), list(chain(paths)), features, list(chain(rejections)))
