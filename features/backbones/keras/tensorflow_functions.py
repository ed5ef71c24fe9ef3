"""Functions of TensorFlow between the layers of Keras 2, as operations of Keras 3.

Such a file names the function of each. Only the names that are listed here are known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from .calls import CALLED_WITH, Call, read_argument, read_ref

if TYPE_CHECKING:
    from collections.abc import Mapping

CLASSES = ("TFOpLambda", "SlicingOpLambda")

_CONSTANT = "_CONSTANT_VALUE"
_OF_TWO = {
    "__operators__.add": "Add",
    "math.add": "Add",
    "math.divide": "TrueDivide",
    "math.maximum": "Maximum",
    "math.minimum": "Minimum",
    "math.multiply": "Multiply",
    "math.pow": "Power",
    "math.subtract": "Subtract",
    "math.truediv": "TrueDivide",
    "nn.bias_add": "Add",
}
_OF_ONE = {
    "math.abs": "Absolute",
    "math.exp": "Exp",
    "math.negative": "Negative",
    "math.rsqrt": "Rsqrt",
    "math.sigmoid": "Sigmoid",
    "math.sqrt": "Sqrt",
    "math.square": "Square",
    "math.tanh": "Tanh",
    "nn.relu": "Relu",
    "nn.relu6": "Relu6",
    "nn.silu": "Silu",
}
_OVER_AXES = {"math.reduce_max": "Max", "math.reduce_mean": "Mean", "math.reduce_sum": "Sum"}
_PARTS = "__operators__.getitem"
_USUAL = (("data_format", "channels_last"), ("data_format", "NHWC"))


class Function(NamedTuple):
    """An operation of Keras 3."""

    kind: str
    """A name in `known_operations.OPERATIONS`."""
    settings: dict[str, Any]
    calls: tuple[Call, ...]


def read_function(given: Mapping[str, Any], where: str) -> Function:
    """Read what a file of Keras 2 says of a function that is applied to what a layer computes.

    Raises
    ------
    ValueError
        When it is not known, or is called in another way.
    """
    held, nodes = given.get("config"), given.get("inbound_nodes")
    name = held.get("function") if isinstance(held, dict) else None
    if not isinstance(name, str) or name not in {*_OF_TWO, *_OF_ONE, *_OVER_AXES, _PARTS}:
        raise ValueError(
            f"{where} is the function {str(name)[:80]!r} of TensorFlow, which is not known: export "
            f"the network as ONNX"
        )
    if not isinstance(nodes, list) or len(nodes) != 1:
        raise ValueError(f"{where} is not called once")
    first, keywords = _first(nodes[0], where)
    settings: dict[str, Any] = {}
    args = [first]
    if name in _OF_TWO:
        args.append(keywords.pop("bias" if name == "nn.bias_add" else "y", None))
        kind = _OF_TWO[name]
    elif name in _OVER_AXES:
        kind = _OVER_AXES[name]
        settings = {key: keywords.pop(key, None) for key in ("axis", "keepdims")}
    elif name == _PARTS:
        kind = "GetItem"
        parts = keywords.pop("slice_spec", None)
        args.append([_part(each, where) for each in parts] if isinstance(parts, list) else None)
    else:
        kind = _OF_ONE[name]
    if None in args or any(value is not None for value in keywords.values()):
        raise ValueError(f"{where} ({name}) {CALLED_WITH} {sorted(keywords)}")
    return Function(kind, settings, (Call(tuple(args), {}),))


def _first(node: Any, where: str) -> tuple[Any, dict[str, Any]]:
    """What a function is given first, and the rest by names."""
    if isinstance(node, list) and len(node) == 1:
        (node,) = node
    if not isinstance(node, list) or len(node) != 4 or not isinstance(node[3], dict):
        raise ValueError(f"{where} {CALLED_WITH} what is not known")
    keywords = {
        name: value if name == "slice_spec" else _value(value, where)
        for name, value in node[3].items()
        if name != "name" and (name, value) not in _USUAL
    }
    if node[0] == _CONSTANT:
        return read_argument(node[2], where), keywords
    return read_ref(node[:3]), keywords


def _value(value: Any, where: str) -> Any:
    """A tensor is a list of a name and two numbers."""
    if isinstance(value, list) and len(value) == 3 and isinstance(value[0], str):
        return read_ref(value)
    return read_argument(value, where)


def _part(value: Any, where: str) -> Any:
    if isinstance(value, dict) and {"start", "stop", "step"} <= value.keys():
        value = {"class_name": "__slice__", "config": value}
    return read_argument(value, where)
