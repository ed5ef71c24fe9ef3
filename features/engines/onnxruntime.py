"""ONNX Runtime: for networks in ONNX files, and, exported once, for every other."""

from __future__ import annotations

import logging
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from ...errors import EngineError, in_brief
from ...hardware import may_have_gpu
from .agreement import DisagreesError, require_agreement
from .onnx_providers import (
    CPU,
    CUDA,
    CUDA_WITHOUT_TF32,
    Provider,
    load_cuda,
    offers,
    require_cuda,
    session_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .base import Source

logger = logging.getLogger(__name__)

_PRECISIONS = ("float16", "float32")
_FEW = 8
"""Images in a call of which not many follow."""
_LACKS_MEMORY = re.compile(
    "out of memory|allocate memory|bad allocation|bad_alloc|ALLOC_FAILED|not enough memory", re.I
)


def has_gpu() -> bool:
    """Whether there may be a GPU on which this build of ONNX Runtime computes.

    Whether it starts there, `start` finds out.
    """
    if not may_have_gpu():
        return False
    load_cuda()  # builds that have CUDA as a plug-in offer it once its libraries are loaded
    return offers(CUDA)


def start(source: Source, precision: str, *, many: bool) -> OnnxRuntimeEngine:
    """See `registry`; the network is exported where that has not been done.

    On a GPU, float32 is computed in TF32 where that agrees with the reference.
    """
    if not has_gpu():
        return start_on(CPU, source, precision, many=many)
    require_cuda()  # before the network is exported for it
    engine = start_on(CUDA, source, precision, many=many)
    if precision != "float32":
        return engine
    try:
        require_agreement(engine, source, many=many)
    except DisagreesError as error:
        logger.info("computed without TF32: with it, %s", error)
    else:
        return engine
    del engine  # and the memory that it holds
    return start_on(CUDA_WITHOUT_TF32, source, precision, many=many)


def start_on(
    provider: Provider, source: Source, precision: str, *, many: bool
) -> OnnxRuntimeEngine:
    """Start a network on one of the devices that ONNX Runtime computes on.

    Raises
    ------
    EngineError
        When this build of ONNX Runtime does not have it, or it does not start, or nothing computes
        in `precision` there.
    """
    if precision not in _PRECISIONS:
        raise EngineError(f"ONNX Runtime does not compute in {precision} here")
    file = source.onnx(precision) / "network.onnx"
    return OnnxRuntimeEngine(file, provider, precision, many=many)


class OnnxRuntimeEngine:
    """A network in an ONNX file, which takes 8-bit pixels (n, height, width, 3).

    Where the device's memory does not hold what a call needs, fewer images are computed in each.
    """

    n_calls = 2  # one computes while the pixels of the other are gathered

    def __init__(
        self, file: Path, provider: Provider = CPU, precision: str = "float32", *, many: bool = True
    ) -> None:
        """Load the network, and find out how many images go into a call.

        Raises
        ------
        EngineError
            When ONNX Runtime cannot read it, or the provider does not start or does not compute.
        """
        self.name, self.precision, self._provider = provider.engine, precision, provider
        self._session = session_of(file, provider)
        self._one_at_a_time = threading.Lock() if provider.one_at_a_time else None
        [pixels] = self._session.get_inputs()
        self._input = pixels.name
        n_images, *shape = pixels.shape
        self._is_fixed = isinstance(n_images, int)
        if self._is_fixed:
            self.batch_size: int = n_images
        else:
            most = provider.batch_size(*shape)
            self.batch_size = most if many else min(most, _FEW)
        if provider != CPU:
            self._find_batch_size(np.zeros((self.batch_size, *shape), np.uint8))

    @property
    def batch_sizes(self) -> Sequence[int]:
        """See `Engine`."""
        return (self.batch_size,) if self._is_fixed else range(1, self.batch_size + 1)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """See `Engine`.

        Raises
        ------
        EngineError
            When the device does not go on computing.
        """
        parts: list[np.ndarray] = []
        first = 0
        while first < len(images):
            part = images[first : first + self.batch_size]
            try:
                parts.append(self._run(part))
                first += len(part)
            except Exception as error:  # of a class of its own for each kind
                if not self._takes_fewer(len(part), error):
                    raise EngineError(self._stopped(error)) from error
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _run(self, images: np.ndarray) -> np.ndarray:
        if self._one_at_a_time is None:
            [features] = self._session.run(None, {self._input: images})
        else:
            with self._one_at_a_time:
                [features] = self._session.run(None, {self._input: images})
        return features

    def _find_batch_size(self, images: np.ndarray) -> None:
        """Make the first calls, as many at once as there will be, with the largest batch."""
        with ThreadPoolExecutor(self.n_calls) as pool:
            list(pool.map(self, [images] * self.n_calls))
        logger.debug("%s: %d images in a call", self._provider.title, self.batch_size)

    def _takes_fewer(self, n_images: int, error: Exception) -> bool:
        """Halve the batches where memory was short; False where that does not help."""
        if self._is_fixed or n_images == 1 or not _LACKS_MEMORY.search(str(error)):
            return False
        self.batch_size = min(self.batch_size, n_images // 2)
        logger.info(
            "%s lacks memory for %d images in a call: %d are computed in one",
            self._provider.title,
            n_images,
            self.batch_size,
        )
        return True

    def _stopped(self, error: Exception) -> str:
        """Why no more is computed, and what to do."""
        reason = f"{self._provider.title} does not go on: {in_brief(error)}"
        if self._provider == CPU:
            return reason
        if _LACKS_MEMORY.search(str(error)):
            reason += "; end what else takes its memory"
        return f"{reason}; run this again, or with --engine openvino: what is in the cache is kept"
