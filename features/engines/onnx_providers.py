"""Where ONNX Runtime computes: its providers, and sessions on them."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import onnxruntime as ort
from onnx.parser import parse_model

from ...errors import EngineError, in_brief
from ...fork_safety import claim
from ...hardware import available_cores
from ...native_stderr import silent_stderr

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_LARGEST_BATCH = 256
_CONVOLUTION = """
<ir_version: 9, opset_import: ["": 17]>
tried (float[1, 1, 2, 2] x) => (float[1, 1, 2, 2] y)
<float[1, 1, 1, 1] w = {2.0}>
{ y = Conv(x, w) }
"""


class Provider(NamedTuple):
    """A device of ONNX Runtime with its settings."""

    engine: str
    """That of the registry which computes on it."""
    name: str
    """As ONNX Runtime calls it."""
    title: str
    """As people call it."""
    n_pictures: int
    """Of 224 × 224 pixels, in a call that keeps it busy."""
    options: Mapping[str, str]
    package: str = "onnxruntime"
    """Has it."""
    one_at_a_time: bool = False
    """Whether it takes one call at a time only."""

    def batch_size(self, height: int, width: int, channels: int = 3) -> int:
        """Images in a call that keep it busy: fewer of large ones."""
        n = self.n_pictures * 224 * 224 * 3 // (height * width * channels)
        return 2 ** (min(max(n, 1), _LARGEST_BATCH).bit_length() - 1)


CPU = Provider("onnxruntime", "CPUExecutionProvider", "ONNX Runtime", 8, {})
CUDA = Provider(
    "onnxruntime",
    "CUDAExecutionProvider",
    "ONNX Runtime on the GPU",
    128,
    {
        "use_tf32": "1",
        # EXHAUSTIVE, the default, measures anew for every number of images in a call, and DEFAULT
        # takes slow ways (microsoft/onnxruntime#22705).
        "cudnn_conv_algo_search": "HEURISTIC",
        # By default the memory is doubled whenever it does not suffice.
        "arena_extend_strategy": "kSameAsRequested",
    },
    "onnxruntime-gpu",
)
CUDA_WITHOUT_TF32 = CUDA._replace(options={**CUDA.options, "use_tf32": "0"})


def offers(provider: Provider) -> bool:
    """Whether this build of ONNX Runtime has a provider; it may not start all the same."""
    return provider.name in ort.get_available_providers()


def session_of(model: Path | bytes, provider: Provider) -> Any:
    """Load a network on a device.

    Raises
    ------
    EngineError
        When ONNX Runtime cannot read it, or the provider is not there or does not start.
    OtherProcessError
        In a process that was forked since the first session was made.
    """
    if not offers(provider):
        raise EngineError(
            f"this build of ONNX Runtime has no {provider.name}: pip install {provider.package}, "
            f"and no other build of it"
        )
    claim("ONNX Runtime")
    options = ort.SessionOptions()
    options.log_severity_level = 3  # errors
    options.intra_op_num_threads = available_cores()
    options.enable_mem_pattern = not provider.one_at_a_time
    providers = [(provider.name, dict(provider.options))]
    quietly = contextlib.nullcontext()
    if provider.name != CPU.name:
        providers.append((CPU.name, {}))  # for operators that the device does not have
        quietly = silent_stderr()  # what is not found is an error of many lines there
    if provider.name == CUDA.name:
        options.intra_op_num_threads = 1  # more would wait busily on cores that decode
    source = model if isinstance(model, bytes) else str(model)
    try:
        with quietly:
            session = ort.InferenceSession(source, options, providers=providers, enable_fallback=0)
    except Exception as error:  # of a class of its own for each kind
        reason = in_brief(error) or "it gives no reason"
        raise EngineError(f"{provider.title} cannot read the network: {reason}") from error
    if provider.name not in session.get_providers():
        raise EngineError(f"{provider.title} does not start")
    return session


def load_cuda() -> str:
    """Load NVIDIA's libraries, where its packages of Python have them; return what is not found."""
    said = io.StringIO()
    if hasattr(ort, "preload_dlls"):
        with contextlib.redirect_stdout(said):  # it prints that
            ort.preload_dlls()
    return said.getvalue().strip().partition("\n")[0]


def require_cuda() -> None:
    """Compute a convolution on the GPU.

    Raises
    ------
    EngineError
        When ONNX Runtime does not compute there; with the reason, as far as it gives one.
    """
    claim("ONNX Runtime")
    missing = load_cuda()
    try:
        session = session_of(parse_model(_CONVOLUTION).SerializeToString(), CUDA)
        session.run(None, {"x": np.ones((1, 1, 2, 2), np.float32)})
    except Exception as error:  # of a class of its own for each kind
        reason = in_brief(missing or error)
        raise EngineError(
            f"ONNX Runtime does not compute on the GPU: {reason}; with CUDA_VISIBLE_DEVICES=-1 it "
            f"computes on the CPU"
        ) from error
