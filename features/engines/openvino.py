"""The fast engine on CPUs: the frozen network of TensorFlow, converted once and kept."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...errors import EngineError
from ...machine import available_cores

if TYPE_CHECKING:
    from collections.abc import Sequence

# Without this, importing OpenVINO reports its use to its makers over the network.
sys.modules.setdefault("openvino_telemetry", None)  # pyright: ignore[reportArgumentType]
import openvino as ov  # noqa: E402

_TYPES = {"float32": ov.Type.f32, "bfloat16": ov.Type.bf16}


def supported_precisions() -> Sequence[str]:
    """What this machine's CPU computes in, fastest first."""
    capabilities = ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return ("bfloat16", "float32") if "BF16" in capabilities else ("float32",)


def convert(graph: bytes, folder: Path) -> None:
    """Write a frozen TensorFlow graph as `network.xml` and `network.bin` into `folder`.

    The runtime's own reader is used, not `openvino.convert_model`, which reports its use.
    """
    frozen = folder / "network.pb"
    frozen.write_bytes(graph)
    model = ov.Core().read_model(frozen)
    ov.save_model(model, folder / "network.xml", compress_to_fp16=False)
    del model
    frozen.unlink()


class OpenVinoEngine:
    """A converted network, compiled for this machine's CPU."""

    name = "openvino"
    batch_size = 8

    def __init__(self, folder: Path, precision: str) -> None:
        """Compile the network that `convert` wrote.

        Raises
        ------
        EngineError
            When this CPU does not compute in `precision`: OpenVINO would silently use float32.
        """
        self.precision = precision
        self.n_calls = n_cores = available_cores()
        hints = {
            "INFERENCE_PRECISION_HINT": _TYPES[precision],
            # One stream a core and one thread a stream: callers on several threads do not wait
            # for one another at every layer, nor for a core that decodes an image.
            "NUM_STREAMS": n_cores,
            "INFERENCE_NUM_THREADS": n_cores,
        }
        self._network = ov.Core().compile_model(folder / "network.xml", "CPU", hints)
        effective = self._network.get_property("INFERENCE_PRECISION_HINT")
        if effective != _TYPES[precision]:
            raise EngineError(f"this CPU does not compute in {precision} (OpenVINO: {effective})")
        self._requests = threading.local()

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """See `Engine`."""
        request = getattr(self._requests, "mine", None)
        if request is None:
            request = self._requests.mine = self._network.create_infer_request()
        return request.infer([images], share_inputs=True)[0].copy()
