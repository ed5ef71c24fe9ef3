"""What an ONNX model of somebody else may hold: nothing that reaches outside, or has no bound."""

from __future__ import annotations

import math
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto

from ...untrusted.files import require_regular

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

STANDARD = ("", "ai.onnx")
"""Names of the domain of the standard's operators."""
MIN_OPSET = 7

_MAX_NUMBERS = 1 << 31
"""In one tensor."""
_MAX_NODES = 100_000
_UNBOUNDED = ("Loop", "Scan")
_RANDOM = (
    "Bernoulli",
    "Multinomial",
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
)
_BYTES: dict[int, int] = {
    TensorProto.FLOAT: 4,
    TensorProto.UINT8: 1,
    TensorProto.INT8: 1,
    TensorProto.UINT16: 2,
    TensorProto.INT16: 2,
    TensorProto.INT32: 4,
    TensorProto.INT64: 8,
    TensorProto.BOOL: 1,
    TensorProto.FLOAT16: 2,
    TensorProto.DOUBLE: 8,
    TensorProto.UINT32: 4,
    TensorProto.UINT64: 8,
    TensorProto.BFLOAT16: 2,
}
"""Of one number, by the type of a tensor."""
# The fields that hold numbers, and the bytes that one takes at least: some are of variable length.
_FIELDS = {
    "float_data": 4,
    "double_data": 8,
    "int32_data": 1,
    "int64_data": 1,
    "uint64_data": 1,
    "raw_data": 1,
}
_FIELD_NAMES = {field.number: field.name for field in TensorProto.DESCRIPTOR.fields}


class External(NamedTuple):
    """Where in another file the data of a tensor is."""

    path: Path
    offset: int
    n_bytes: int


def require_sound(model: ModelProto, path: Path) -> list[Path]:
    """Check the skeleton of a model.

    Parameters
    ----------
    model
        From `skeleton`.
    path
        The file that it is from.

    Returns
    -------
    list of Path
        The files beside it that hold data, sorted.

    Raises
    ------
    ValueError
        With what it holds that a network for pictures does not.
    """
    graph = model.graph
    if not (model.ir_version and graph.node and graph.output):
        raise ValueError("it is not an ONNX model, or an empty one")
    newest = onnx.defs.onnx_opset_version()
    opsets = _opsets(model)
    named = " and ".join(map(str, opsets)) or "none"
    if len(opsets) != 1 or not MIN_OPSET <= opsets[0] <= newest:
        raise ValueError(
            f"it uses version {named} of ONNX's operators; expected one of {MIN_OPSET} to {newest}"
        )
    _require_bounded_functions(model)
    own = {(function.domain, function.name) for function in model.functions}
    for node in nodes_within(model):
        _require_known_operator(node, own)
    _require_ordered(graph, set())
    files = {found.path for tensor in tensors_of(model) if (found := _checked(tensor, path))}
    return sorted(files)


def opset_of(model: ModelProto) -> int:
    """The version of the standard's operators in a model that `require_sound` has passed."""
    return _opsets(model)[0]


def _opsets(model: ModelProto) -> list[int]:
    """The versions that are named; programs that join models name one more than once."""
    return sorted({entry.version for entry in model.opset_import if entry.domain in STANDARD})


def nodes_within(model: ModelProto) -> Iterator[NodeProto]:
    """All nodes, those of functions and inner graphs included."""
    for nodes in (model.graph.node, *(function.node for function in model.functions)):
        yield from _nodes(nodes)


def _nodes(nodes: Sequence[NodeProto]) -> Iterator[NodeProto]:
    for node in nodes:
        yield node
        for graph in inner_graphs(node):
            yield from _nodes(graph.node)


def inner_graphs(node: NodeProto) -> Iterator[GraphProto]:
    """The graphs in the attributes of a node."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def tensors_of(model: ModelProto) -> Iterator[TensorProto]:
    """All tensors of a model."""
    yield from model.graph.initializer
    _refuse_sparse(model.graph.sparse_initializer)
    for node in nodes_within(model):
        for attribute in node.attribute:
            yield from _tensors(attribute)
        for graph in inner_graphs(node):
            yield from graph.initializer
            _refuse_sparse(graph.sparse_initializer)
    for function in model.functions:
        for attribute in function.attribute_proto:
            yield from _tensors(attribute)


def _tensors(attribute: AttributeProto) -> Iterator[TensorProto]:
    if attribute.HasField("t"):
        yield attribute.t
    yield from attribute.tensors
    _refuse_sparse(attribute.sparse_tensors)
    _refuse_sparse([attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else [])


def _refuse_sparse(tensors: Sequence[object]) -> None:
    if tensors:
        raise ValueError("it has sparse tensors, which are not supported")


def _require_known_operator(node: NodeProto, own: set[tuple[str, str]]) -> None:
    if node.domain not in STANDARD:
        if (node.domain, node.op_type) not in own:
            raise ValueError(
                f"it has the operator {node.domain}.{node.op_type}, which is not of the ONNX "
                f"standard: export it without optimisation for one runtime"
            )
    elif node.op_type in _UNBOUNDED:
        raise ValueError(f"it has the operator {node.op_type}, whose time nothing bounds")
    elif node.op_type in _RANDOM:
        raise ValueError(f"it has the operator {node.op_type}: its output would not be repeatable")


def _require_bounded_functions(model: ModelProto) -> None:
    """Functions may call one another, but not in a circle, nor become endless when written out."""
    functions = {(function.domain, function.name): function for function in model.functions}
    if len(functions) != len(model.functions):
        raise ValueError("two of its functions have one name")
    if any(domain in STANDARD for domain, _ in functions):
        raise ValueError("it defines operators of the ONNX standard anew")
    sizes: dict[tuple[str, str], int] = {}
    called: list[tuple[str, str]] = []

    def size(nodes: Sequence[NodeProto]) -> int:
        total = 0
        for node in _nodes(nodes):
            key = node.domain, node.op_type
            if key in functions and key not in sizes:
                if key in called:
                    raise ValueError(f"its function {'.'.join(key)} calls itself")
                if len(called) > 64:
                    raise ValueError("its functions are nested more than 64 deep")
                called.append(key)
                sizes[key] = size(functions[key].node)
                called.pop()
            total += sizes.get(key, 1)
        if total > _MAX_NODES:
            raise ValueError(f"it has more than {_MAX_NODES:,} nodes")
        return total

    for function in functions.values():
        size([NodeProto(op_type=function.name, domain=function.domain)])
    size(model.graph.node)


def _require_ordered(graph: GraphProto, outside: set[str]) -> None:
    """Every node uses what stands before it, which also excludes cycles."""
    known = set(outside)
    for name in (*(value.name for value in graph.input), *(t.name for t in graph.initializer)):
        known.add(name)
    made = Counter(name for node in graph.node for name in node.output if name)
    for name, times in made.items():
        if times > 1 or name in known:
            raise ValueError(f"its value {name[:80]!r} is computed twice")
    for node in graph.node:
        for name in node.input:
            if name and name not in known:
                what = (
                    "needs itself, or stands before what it needs"
                    if name in made
                    else "needs what nothing computes"
                )
                raise ValueError(f"its node {(node.name or node.op_type)[:80]!r} {what}: {name!r}")
        for inner in inner_graphs(node):
            _require_ordered(inner, known)
        known.update(name for name in node.output if name)
    for value in graph.output:
        if value.name not in known:
            raise ValueError(f"nothing computes its output {value.name[:80]!r}")


def _checked(tensor: TensorProto, path: Path) -> External | None:
    """Where the data of a tensor is, if in another file; its size is compared with its shape."""
    name = tensor.name[:80]
    if any(n < 0 for n in tensor.dims) or math.prod(tensor.dims) > _MAX_NUMBERS:
        raise ValueError(f"its tensor {name!r} would be of shape {tuple(tensor.dims)[:8]}")
    if tensor.data_type == TensorProto.STRING:
        return None
    if tensor.data_type not in _BYTES:
        raise ValueError(f"its tensor {name!r} is of a type that is not supported")
    n_numbers = math.prod(tensor.dims)
    n_bytes = n_numbers * _BYTES[tensor.data_type]
    if (external := external_of(tensor, path)) is not None:
        return external
    held = {
        field: len(value) * least
        for field, least in _FIELDS.items()
        if (value := getattr(tensor, field))
    }
    if tensor.HasField("segment"):
        field = _FIELD_NAMES[tensor.segment.begin]
        held[field] = held.get(field, 0) + tensor.segment.end
    if len(held) > 1 or (n_numbers and not held):
        raise ValueError(f"its tensor {name!r} has {len(held)} fields of data; expected one")
    for field, n_held in held.items():
        least = n_bytes if field == "raw_data" else n_numbers * _FIELDS[field]
        if n_held < least or (field == "raw_data" and n_held > least):
            raise ValueError(
                f"its tensor {name!r} of shape {tuple(tensor.dims)[:8]} takes {least:,} bytes, "
                f"and the file has {n_held:,}"
            )
    return None


def external_of(tensor: TensorProto, path: Path) -> External | None:
    """Where the data of a tensor is, if in another file than `path`: beside it, nowhere else.

    A link may only lead to where a link of the file itself leads, as in the cache of the Hugging
    Face Hub.

    Raises
    ------
    ValueError
        When it is elsewhere, or less than the tensor takes.
    """
    if tensor.data_location != TensorProto.EXTERNAL and not tensor.external_data:
        return None
    name, n_bytes = tensor.name, math.prod(tensor.dims) * _BYTES[tensor.data_type]
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    shown = location[:120]
    parts = Path(location).parts
    if (
        not location
        or "\\" in location
        or "\0" in location
        or Path(location).is_absolute()
        or ".." in parts
    ):
        raise ValueError(f"the data of {name[:80]!r} would be in {shown!r}, not beside the file")
    file = path.parent / location
    allowed = {os.path.realpath(path.parent), str(Path(os.path.realpath(path)).parent)}
    real = Path(os.path.realpath(file))
    if not any(real.is_relative_to(folder) for folder in allowed):
        raise ValueError(f"the data of {name[:80]!r} is a link that leads away: {shown!r}")
    try:
        n_there = require_regular(file)
    except OSError as error:
        raise ValueError(f"its data is missing: {shown!r} ({error.strerror})") from error
    except ValueError as error:
        raise ValueError(f"its data {shown!r} is {error}") from error
    try:
        offset, length = int(entries.get("offset", "0")), int(entries.get("length", n_bytes))
    except ValueError as error:
        raise ValueError(f"the place of {name[:80]!r} in {shown!r} is not a number") from error
    if length != n_bytes or offset < 0 or offset + length > n_there:
        raise ValueError(
            f"the data of {name[:80]!r} would be {length:,} bytes at {offset:,} of {shown!r}, "
            f"which has {n_there:,}; it takes {n_bytes:,}"
        )
    return External(file, offset, n_bytes)
