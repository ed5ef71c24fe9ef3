"""Core ML of Macs, through ONNX Runtime, whose usual builds have it. Untested."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .onnx_providers import Provider
from .onnxruntime import OnnxRuntimeEngine, start_on

if TYPE_CHECKING:
    from .base import Source

COREML = Provider(
    "coreml",
    "CoreMLExecutionProvider",
    "Core ML",
    8,
    {"ModelFormat": "MLProgram"},  # the older format rounds to float16
)


def start(source: Source, precision: str, *, many: bool) -> OnnxRuntimeEngine:
    """See `registry`."""
    return start_on(COREML, source, precision, many=many)
