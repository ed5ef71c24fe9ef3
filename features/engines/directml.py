"""DirectML of Windows, through ONNX Runtime. Untested."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .onnx_providers import Provider
from .onnxruntime import OnnxRuntimeEngine, start_on

if TYPE_CHECKING:
    from .base import Source

DIRECTML = Provider(
    "directml",
    "DmlExecutionProvider",
    "DirectML",
    32,
    {},
    "onnxruntime-directml",
    one_at_a_time=True,
)


def start(source: Source, precision: str, *, many: bool) -> OnnxRuntimeEngine:
    """See `registry`."""
    return start_on(DIRECTML, source, precision, many=many)
