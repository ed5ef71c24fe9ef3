"""OpenVINO, imported here alone."""

import sys

# Without this, importing OpenVINO reports its use to its makers over the network.
sys.modules.setdefault("openvino_telemetry", None)  # pyright: ignore[reportArgumentType]
import openvino as ov  # noqa: E402

__all__ = ["ov"]
