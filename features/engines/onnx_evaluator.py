"""The reference evaluator of the package `onnx`: slow, and written apart from every engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from ..golden_images import N_IMAGES, golden_pixels

if TYPE_CHECKING:
    from ...untrusted.isolation import Send

_HALVES = (onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)


class BatchNormalization(OpRun):
    """As at inference: onnx 1.23 normalizes as in training in versions below 14."""

    op_domain = ""

    def _run(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, x: Any, scale: Any, bias: Any, mean: Any, var: Any, epsilon: float, **_: Any
    ) -> tuple[Any]:
        shape = (-1, *(1,) * (x.ndim - 2))
        scale, bias, mean, var = (each.reshape(shape) for each in (scale, bias, mean, var))
        return (((x - mean) / np.sqrt(var + epsilon) * scale + bias).astype(x.dtype),)


def evaluate(send: Send, file: str, features: str, size_px: int, width: int, within_s: int) -> None:
    """In a process of its own: run a file on the golden images, one at a time to save memory.

    Parameters
    ----------
    send
        Is given nothing.
    file
        ``network.onnx``: 8-bit pixels to transfer values.
    features
        The file in which these are written: float32, (n, width).
    size_px, width
        Of the network.
    within_s
        Processor time that it may take.

    Raises
    ------
    ValueError
        When it rounds to 16 bits, which engines do not, or its values are not finite.
    """
    send({}, next_s=within_s)
    model = onnx.load(file)
    if any(tensor.data_type in _HALVES for tensor in model.graph.initializer):
        raise ValueError("it rounds to 16 bits where engines compute in float32")
    run: Any = ReferenceEvaluator(model, new_ops=[BatchNormalization])
    name = model.graph.input[0].name
    made = [run.run(None, {name: pixels[None]})[0] for pixels in golden_pixels(size_px)]
    rows = np.concatenate(made).astype(np.float32)
    if rows.shape != (N_IMAGES, width) or not np.isfinite(rows).all():
        raise ValueError(f"it makes values of shape {rows.shape}, or not finite")
    np.save(features, rows)
