"""The fast engine on CPUs: the frozen network of TensorFlow, converted once and kept."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...errors import EngineError
from ...hardware import available_cores
from ..openvino_runtime import ov

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .base import Source

_TYPES = {"float32": ov.Type.f32, "bfloat16": ov.Type.bf16, "float16": ov.Type.f16}


def supported_precisions() -> Sequence[str]:
    """What this machine's CPU computes in, fastest first."""
    capabilities = ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return ("bfloat16", "float32") if "BF16" in capabilities else ("float32",)


def convert(file: Path, folder: Path) -> None:
    """Write a frozen TensorFlow graph, or an ONNX file, as `network.xml` and `network.bin`.

    The runtime's own reader is used, not `openvino.convert_model`, which reports its use.

    Raises
    ------
    EngineError
        When OpenVINO cannot read it.
    """
    try:
        model = ov.Core().read_model(file)
        ov.save_model(model, folder / "network.xml", compress_to_fp16=False)
    except RuntimeError as error:
        reason = (str(error).strip().splitlines() or ["it gives no reason"])[-1]
        raise EngineError(f"OpenVINO cannot read the network: {reason}") from error


def start(source: Source, precision: str, *, many: bool) -> OpenVinoEngine:
    """See `registry`; the network is converted where that has not been done."""
    folder = source.converted()
    try:
        return OpenVinoEngine(folder, precision, many=many)
    except RuntimeError as error:
        raise EngineError(str(error).strip().splitlines()[-1]) from error


class OpenVinoEngine:
    """A converted network, compiled for this machine's CPU, that has made its first inference.

    Two threads that make a network's first inference at once can wait for each other for ever
    (OpenVINO 2026.4): so it is made before anybody else has the network.

    It is compiled for batches of one size each, never for any size: OpenVINO 2026.4 in bfloat16
    with two streams corrupted the process's memory within seconds when the size of batches
    changed, in 3 of 3 runs (and in 0 of 3 with fixed sizes), and fixed sizes are no slower.
    """

    name = "openvino"
    batch_size = 4

    def __init__(self, folder: Path, precision: str, *, many: bool) -> None:
        """Compile the network that `convert` wrote; with `many`, also for batches.

        Raises
        ------
        EngineError
            When this CPU does not compute in `precision`: OpenVINO would silently use float32.
        """
        self.precision = precision
        self.n_calls, _ = streams()
        sizes = (self.batch_size, 1) if many and _takes_many(folder) else (1,)
        self.batch_sizes: Sequence[int] = sizes
        with ThreadPoolExecutor(len(sizes)) as pool:
            compiled = pool.map(lambda size: _compile(folder, precision, size), sizes)
            self._networks = dict(zip(sizes, compiled, strict=True))
        self._requests = threading.local()
        for size in sizes:
            _, *shape = self._networks[size].input(0).shape
            self._request(size).infer([np.zeros((size, *shape), np.uint8)])

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """See `Engine`."""
        parts = []
        first = 0
        for size in self._networks:
            while len(images) - first >= size:
                request = self._request(size)
                part = images[first : first + size]
                parts.append(request.infer([part], share_inputs=True)[0].copy())
                first += size
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _request(self, size: int) -> ov.InferRequest:
        """This thread's own, so that calls from several threads do not wait for one another."""
        mine = self._requests.__dict__.setdefault("mine", {})
        if size not in mine:
            mine[size] = self._networks[size].create_infer_request()
        return mine[size]


def streams() -> tuple[int, int]:
    """Calls that the network computes at once, and the threads of all of them together.

    One thread a stream: callers on several threads do not wait for one another at every layer, nor
    for a core that decodes an image.
    """
    return available_cores(), available_cores()


def _takes_many(folder: Path) -> bool:
    """Whether a network computes several images in a call; files of other people may take one."""
    return ov.Core().read_model(folder / "network.xml").input(0).partial_shape[0].is_dynamic


def _compile(folder: Path, precision: str, batch_size: int) -> ov.CompiledModel:
    core = ov.Core()
    model = core.read_model(folder / "network.xml")
    _, *shape = model.input(0).partial_shape
    model.reshape(ov.PartialShape([batch_size, *shape]))
    n_streams, n_threads = streams()
    hints = {
        "INFERENCE_PRECISION_HINT": _TYPES[precision],
        "NUM_STREAMS": n_streams,
        "INFERENCE_NUM_THREADS": n_threads,
        # Its threads share the cores with those that decode and answer: bound to one core each,
        # they wait behind those while another core is idle.
        "ENABLE_CPU_PINNING": False,
    }
    network = core.compile_model(model, "CPU", hints)
    effective = network.get_property("INFERENCE_PRECISION_HINT")
    if effective != _TYPES[precision]:
        raise EngineError(
            f"this CPU does not compute in {precision} (OpenVINO: {effective.to_string()})"
        )
    return network
