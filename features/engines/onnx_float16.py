"""A network in an ONNX file, from float32 to float16."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx
from onnx import TensorProto, helper
from onnxruntime.transformers.float16 import convert_float_to_float16

if TYPE_CHECKING:
    from ...untrusted.isolation import Send

_SCALING = {"Cast", "Transpose", "Gather", "Slice", "Mul", "Add", "Sub", "Div"}
"""Operators by which pixels become the network's input."""
_WITHIN_S = 600.0


def to_float16(send: Send, file: str, made: str) -> None:
    """In a process of its own: convert weights and operators, with results in float32.

    Pixels are scaled in float32: a factor that is rounded to float16 would shift all of them
    alike. Operators that ONNX Runtime has in float32 alone stay so.

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
        onnx.save(converted(onnx.load(file)), made)
    except Exception as error:  # whatever its library raises
        raise ValueError(f"it cannot be converted to float16: {error}") from error


def converted(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network in float16, from the pixels' scaling on; `model` is changed."""
    scaling = scaling_of(model.graph)
    if not scaling:
        return convert_float_to_float16(model, keep_io_types=True)
    inferred = onnx.shape_inference.infer_shapes(model).graph.value_info
    scaled = scaling[-1].output[0]
    shapes = [each for each in inferred if each.name == scaled]
    [pixels] = model.graph.input
    constants = _take_out(model.graph, scaling)
    del model.graph.input[:]
    model.graph.input.extend(
        shapes or [helper.make_tensor_value_info(scaled, TensorProto.FLOAT, None)]
    )
    half = convert_float_to_float16(model, keep_io_types=True)
    rest = list(half.graph.node)
    del half.graph.node[:], half.graph.input[:]
    half.graph.input.append(pixels)
    half.graph.node.extend([*scaling, *rest])
    half.graph.initializer.extend(constants)
    return half


def scaling_of(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """The operators that follow one another from the pixels on, as long as they give float32."""
    constants = {"", *(each.name for each in graph.initializer)}
    results = {each.name for each in graph.output}
    given, is_float = graph.input[0].name, False
    followed: list[onnx.NodeProto] = []
    n_in_float = 0
    while given not in results:
        users = [node for node in graph.node if given in node.input]
        if len(users) != 1 or users[0].op_type not in _SCALING:
            break
        [node] = users
        if not constants.issuperset(set(node.input) - {given}):
            break
        if node.op_type == "Cast":
            is_float = node.attribute[0].i == TensorProto.FLOAT
        followed.append(node)
        [given] = node.output
        if is_float and given not in results:
            n_in_float = len(followed)
    return followed[:n_in_float]


def _take_out(graph: onnx.GraphProto, scaling: list[onnx.NodeProto]) -> list[onnx.TensorProto]:
    """Take operators out of a graph; return constants of their own for them."""
    for node in scaling:
        graph.node.remove(node)
    used = {name for node in scaling for name in node.input}
    constants = [
        onnx.TensorProto.FromString(each.SerializeToString())
        for each in graph.initializer
        if each.name in used
    ]
    own = {each.name: f"scaling/{each.name}" for each in constants}
    for each in constants:
        each.name = own[each.name]
    for node in scaling:
        for position, name in enumerate(node.input):
            node.input[position] = own.get(name, name)
    return constants
