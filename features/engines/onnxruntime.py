"""ONNX Runtime: for networks in ONNX files, and, exported once, for every other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime as ort

from ...errors import EngineError
from ...fork_safety import claim
from ...hardware import available_cores

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .base import Source

_CUDA = "CUDAExecutionProvider"


def has_gpu() -> bool:
    """Whether ONNX Runtime computes on a GPU."""
    return _CUDA in ort.get_available_providers()


def start(source: Source, precision: str, *, many: bool) -> OnnxRuntimeEngine:
    """See `registry`; the network is exported where that has not been done."""
    if precision != "float32":
        raise EngineError(f"ONNX Runtime does not compute in {precision} here")
    file = source.onnx() / "network.onnx"
    return OnnxRuntimeEngine(file, gpu=has_gpu())


class OnnxRuntimeEngine:
    """A network in an ONNX file, which takes 8-bit pixels (n, height, width, 3)."""

    name = "onnxruntime"
    precision = "float32"

    def __init__(self, file: Path, *, gpu: bool) -> None:
        """Load the network, on a GPU or the CPU.

        Raises
        ------
        EngineError
            When ONNX Runtime cannot read it.
        """
        claim("ONNX Runtime")
        options = ort.SessionOptions()
        options.intra_op_num_threads = available_cores()
        options.log_severity_level = 3  # errors
        if gpu and hasattr(ort, "preload_dlls"):
            ort.preload_dlls()  # of CUDA, where its packages of Python are installed
        providers = [_CUDA, "CPUExecutionProvider"] if gpu else ["CPUExecutionProvider"]
        try:
            self._session = ort.InferenceSession(str(file), options, providers=providers)
        except Exception as error:  # of a class of its own for each kind
            reason = (str(error).strip().splitlines() or ["it gives no reason"])[0]
            raise EngineError(f"ONNX Runtime cannot read the network: {reason}") from error
        if gpu and _CUDA not in self._session.get_providers():
            raise EngineError("ONNX Runtime's CUDA provider does not start")
        [pixels] = self._session.get_inputs()
        fixed = isinstance(pixels.shape[0], int)
        self._input = pixels.name
        self.n_calls = 2  # one computes while the pixels of the other are gathered
        self.batch_size = pixels.shape[0] if fixed else 64 if gpu else 8
        self.batch_sizes: Sequence[int] = (
            (self.batch_size,) if fixed else range(1, self.batch_size + 1)
        )

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """See `Engine`."""
        parts: list[Any] = [
            self._session.run(None, {self._input: images[first : first + self.batch_size]})[0]
            for first in range(0, len(images), self.batch_size)
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)
