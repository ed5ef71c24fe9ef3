"""Which layers of an ONNX model can be features, of which shapes, and which would be taken.

It works on the structure of the model (see `onnx_skeleton`), and computes nothing.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

from .described import Value
from .layer_pooling import is_last_of, usual_pooling
from .onnx_checks import inner_graphs
from .output_names import EMBEDDINGS, LOGITS, N_CLASSES

if TYPE_CHECKING:
    from collections.abc import Mapping

_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16)
_PICTURE_TYPES = (*_FLOATS, TensorProto.UINT8)
MAX_NUMBERS = 1 << 28
"""In what one layer makes of one image."""
_MAX_NAME = 500
_AFTER_LOGITS = ("Softmax", "LogSoftmax", "Sigmoid", "Identity", "Cast", "Flatten", "Squeeze")
_POOLS = ("GlobalAveragePool", "AveragePool", "ReduceMean", "Relu", "Reshape")
# What quantised models have between a layer and the next.
_BETWEEN = ("DequantizeLinear", "QuantizeLinear", "Cast", "Identity")


class Picture(NamedTuple):
    """The input that takes pictures."""

    name: str
    is_channels_last: bool
    data_type: int
    size_px: tuple[int, int] | None
    """(height, width), where the file fixes them."""


def initializer_names(graph: GraphProto) -> set[str]:
    """Inputs that have a value in the file; earlier versions of the format list them as inputs."""
    return {tensor.name for tensor in graph.initializer}


def picture_of(graph: GraphProto) -> Picture:
    """The input that takes pictures.

    Raises
    ------
    ValueError
        When there is none, or several.
    """
    held = initializer_names(graph)
    inputs = [value for value in graph.input if value.name not in held]
    found = [picture for value in inputs if (picture := _as_picture(value, graph)) is not None]
    if len(found) != 1:
        raise ValueError(
            f"{len(found)} of its inputs take pictures, (n, 3, height, width) or (n, height, "
            f"width, 3), not one: its inputs are {', '.join(map(_in_words, inputs[:6])) or 'none'}"
        )
    return found[0]


def _as_picture(value: ValueInfoProto, graph: GraphProto) -> Picture | None:
    tensor = value.type.tensor_type
    dims = tensor.shape.dim
    if tensor.elem_type not in _PICTURE_TYPES or len(dims) != 4:
        return None
    sizes = [_size_of(dim) for dim in dims]
    if sizes[0] not in (None, 1):
        raise ValueError(
            f"its input {value.name!r} takes exactly {sizes[0]} images; expected 1 or any number"
        )
    open_axes = [axis for axis in (1, 3) if sizes[axis] in (None, 3)]
    threes = [axis for axis in (1, 3) if sizes[axis] == 3]
    if len(threes) == 1:
        last = threes == [3]
    elif not open_axes:
        return None
    elif len(open_axes) == 1:
        last = open_axes == [3]
    else:  # what follows says it, or its name
        last = _is_transposed(value.name, graph) and "channel" not in dims[1].dim_param
    height, width = sizes[1:3] if last else sizes[2:4]
    size_px = None if height is None or width is None else (height, width)
    return Picture(value.name, last, tensor.elem_type, size_px)


def _size_of(dim: Any) -> int | None:
    """The size of an axis; None where it is open, which exporters also write as 0 or -1."""
    return dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else None


def _is_transposed(name: str, graph: GraphProto) -> bool:
    users = [node for node in graph.node if name in node.input]
    return any(
        node.op_type == "Transpose" and list(attribute.ints) == [0, 3, 1, 2]
        for node in users
        for attribute in node.attribute
        if attribute.name == "perm"
    )


def _in_words(value: ValueInfoProto) -> str:
    dims = value.type.tensor_type.shape.dim
    sizes = [str(_size_of(dim) or "?") for dim in dims]
    return f"{value.name[:60]} ({', '.join(sizes)})"


def values_of(model: ModelProto, picture: Picture, size_px: int) -> list[Value]:
    """What the nodes make of a picture of this size, in the order of computation.

    Raises
    ------
    ValueError
        When a node would make absurdly many numbers.
    """
    shapes = _shapes(model, picture, size_px, 1)
    of_two = _shapes_or_none(model, picture, size_px, 2)
    is_open = picture.size_px is None
    of_larger = _shapes_or_none(model, picture, 2 * size_px, 1) if is_open else {}
    held = initializer_names(model.graph)
    others = {value.name for value in model.graph.input} - held - {picture.name}
    needs: dict[str, bool] = {picture.name: True, **dict.fromkeys(others, False)}
    found: list[Value] = []
    for node in model.graph.node:
        used = {needs[name] for name in all_inputs(node) if name in needs}
        for name in node.output:
            if used and name:
                # Of the picture alone, or of another input too.
                needs[name] = used == {True}
            elem_type, shape = shapes.get(name, (0, None))
            if shape is not None and math.prod(shape) > MAX_NUMBERS:
                raise ValueError(f"its value {name[:80]!r} would be of shape {shape}")
            is_short = len(name) <= _MAX_NAME
            if needs.get(name) and is_short and elem_type in _FLOATS and shape and shape[0] == 1:
                two, larger = (of.get(name, (0, None))[1] for of in (of_two, of_larger))
                takes_many = two is not None and two == (2, *shape[1:])
                is_last = is_last_of(shape[1:], larger and larger[1:])
                of_one = tuple(shape[1:])
                found.append(Value(name, node.name, node.op_type, of_one, takes_many, is_last))
    return found


def all_inputs(node: NodeProto) -> set[str]:
    """Names that a node uses, inside of its inner graphs too."""
    return {
        *node.input,
        *(
            name
            for graph in inner_graphs(node)
            for inner in graph.node
            for name in all_inputs(inner)
        ),
        *(value.name for graph in inner_graphs(node) for value in graph.output),
    }


_Shapes = dict[str, tuple[int, "tuple[int, ...] | None"]]


def _shapes(model: ModelProto, picture: Picture, size_px: int, n_images: int) -> _Shapes:
    """Type and shape of every value for so many pictures; shapes that depend on data are None."""
    copy = ModelProto()
    copy.CopyFrom(model)
    copy.ir_version = max(copy.ir_version, 4)  # before, every initializer had to be an input
    graph = copy.graph
    held = initializer_names(graph)
    inputs = [value for value in graph.input if value.name not in held]
    del graph.value_info[:], graph.input[:]
    for value in inputs:
        if value.name == picture.name:
            sides = [size_px, size_px]
            shape = [*sides, 3] if picture.is_channels_last else [3, *sides]
            value = onnx.helper.make_tensor_value_info(
                picture.name, picture.data_type, [n_images, *shape]
            )
        graph.input.append(value)
    outputs = [value.name for value in graph.output]
    del graph.output[:]
    graph.output.extend(ValueInfoProto(name=name) for name in outputs)
    _leave_out_data(graph)
    try:
        inferred = onnx.shape_inference.infer_shapes(copy, data_prop=True)
    except Exception as error:  # of the library's own classes
        raise ValueError(f"its shapes contradict one another: {str(error)[:300]}") from error
    return {
        value.name: (value.type.tensor_type.elem_type, _known(value))
        for value in (*inferred.graph.value_info, *inferred.graph.output)
    }


def _shapes_or_none(model: ModelProto, picture: Picture, size_px: int, n_images: int) -> _Shapes:
    try:
        return _shapes(model, picture, size_px, n_images)
    except ValueError:  # it is made for one image, or one size, which nothing says
        return {}


def _known(value: ValueInfoProto) -> tuple[int, ...] | None:
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    dims = tensor.shape.dim
    if not all(dim.HasField("dim_value") and dim.dim_value >= 0 for dim in dims):
        return None
    return tuple(dim.dim_value for dim in dims)


def _leave_out_data(graph: GraphProto) -> None:
    """Tensors without data become inputs: inference needs their shapes alone."""
    kept = [tensor for tensor in graph.initializer if not _lacks_data(tensor)]
    left_out = [tensor for tensor in graph.initializer if _lacks_data(tensor)]
    nodes = []
    for node in graph.node:
        constants = [a.t for a in node.attribute if a.name == "value" and a.HasField("t")]
        if node.op_type == "Constant" and constants and _lacks_data(constants[0]):
            tensor = TensorProto()
            tensor.CopyFrom(constants[0])
            tensor.name = node.output[0]
            left_out.append(tensor)
        else:
            nodes.append(node)
    graph.input.extend(
        onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        for tensor in left_out
    )
    kept, nodes = [_copied(each) for each in kept], [_copied(each) for each in nodes]
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(kept)
    graph.node.extend(nodes)


def _copied(message: Any) -> Any:
    copy = type(message)()
    copy.CopyFrom(message)
    return copy


def _lacks_data(tensor: TensorProto) -> bool:
    return tensor.HasField("segment") or tensor.data_location == TensorProto.EXTERNAL


def taken(model: ModelProto, values: Mapping[str, Value], size_px: int) -> str:
    """The name of the value that is taken where none is chosen; empty if there is none.

    An output that is named as features are; else one that gives no classes; else what the layer
    that gives the classes is computed from.
    """
    outputs = [value.name for value in model.graph.output]
    usable = [
        name
        for name in outputs
        if (value := values.get(name)) and usual_pooling(value.shape, size_px, value.is_last)
    ]
    for name in EMBEDDINGS:
        for output in usable:
            if output.lower().split(":")[0] == name:
                return output
    makers = {name: node for node in model.graph.node for name in node.output}
    befores = {name: _before_classes(name, makers, values) for name in usable}
    plain = [name for name in usable if befores[name] is None]
    if plain:
        return min(plain, key=lambda name: len(values[name].shape))
    return next((before for before in befores.values() if before), "")


def _before_classes(
    output: str, makers: Mapping[str, NodeProto], values: Mapping[str, Value]
) -> str | None:
    """What the classes are computed from, if an output is classes; else None."""

    def from_picture(node: NodeProto) -> str:
        return next((name for name in node.input if name in values), "")

    n_outputs = values[output].shape[0] if values[output].shape else 0
    said = n_outputs in N_CLASSES or any(name in output.lower() for name in LOGITS)
    name, has_bias = output, False
    while node := makers.get(name):
        if node.op_type in ("Gemm", "MatMul"):
            has_bias = has_bias or len(node.input) > 2
            return _behind(from_picture(node), makers, values) if said or has_bias else None
        if node.op_type == "Conv":
            kernel = values[name].shape
            is_last = said and len(kernel) == 3 and kernel[0] == n_outputs
            return _behind(from_picture(node), makers, values) if is_last else None
        if node.op_type in ("Softmax", "LogSoftmax", "Sigmoid"):
            said = True
        elif node.op_type == "Add":
            if all(each in values for each in node.input):
                return None  # two branches meet
            has_bias = True
        elif node.op_type not in (*_AFTER_LOGITS, *_BETWEEN, *(_POOLS if said else ())):
            return None
        name = from_picture(node)
    return None


def _behind(name: str, makers: Mapping[str, NodeProto], values: Mapping[str, Value]) -> str | None:
    """The layer itself, before what only changes the type of its numbers."""
    while (node := makers.get(name)) and node.op_type in ("Cast", "Identity", "Dropout"):
        before = next((each for each in node.input if each in values), "")
        if not before:
            break
        name = before
    return name or None
