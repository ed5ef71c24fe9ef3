"""A network in an ONNX file, from float32 to float16."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx
from onnxruntime.transformers.float16 import convert_float_to_float16

if TYPE_CHECKING:
    from ...untrusted.isolation import Send

_WITHIN_S = 600.0


def to_float16(send: Send, file: str, made: str) -> None:
    """In a process of its own: convert weights and operators, with float32 results.

    Pixels come as 8 bits, all of which float16 holds exactly. Operators that ONNX Runtime has in
    float32 alone are left so.

    Parameters
    ----------
    send
        Is given nothing.
    file
        ``network.onnx``: 8-bit pixels to transfer values.
    made
        The file that is written.

    Raises
    ------
    ValueError
        When the network cannot be converted.
    """
    send({}, next_s=_WITHIN_S)
    try:
        converted = convert_float_to_float16(onnx.load(file), keep_io_types=True)
        onnx.save(converted, made)
    except Exception as error:  # whatever its library raises
        raise ValueError(f"it cannot be converted to float16: {error}") from error
