"""The numbers that an operator makes, where what it takes is known: those of shapes are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .known_tensor import NotKnownError
from .shape_rules import strided

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .structure import Attributes

_BINARY: Mapping[str, Callable[[Any, Any], Any]] = {
    "Add": np.add,
    "AddV2": np.add,
    "Div": np.divide,
    "Equal": np.equal,
    "FloorDiv": np.floor_divide,
    "FloorMod": np.mod,
    "Greater": np.greater,
    "GreaterEqual": np.greater_equal,
    "Less": np.less,
    "LessEqual": np.less_equal,
    "LogicalAnd": np.logical_and,
    "LogicalOr": np.logical_or,
    "Maximum": np.maximum,
    "Minimum": np.minimum,
    "Mul": np.multiply,
    "NotEqual": np.not_equal,
    "RealDiv": np.divide,
    "Sub": np.subtract,
}
_UNARY: Mapping[str, Callable[[Any], Any]] = {
    "Abs": np.abs,
    "Cast": np.asarray,
    "Ceil": np.ceil,
    "EnsureShape": np.asarray,
    "Floor": np.floor,
    "LogicalNot": np.logical_not,
    "Neg": np.negative,
    "OnesLike": np.ones_like,
    "Rint": np.rint,
    "Round": np.rint,
    "Rsqrt": lambda value: 1 / np.sqrt(value),
    "Sqrt": np.sqrt,
    "Square": np.square,
    "ZerosLike": np.zeros_like,
}
_REDUCTIONS: Mapping[str, Callable[..., Any]] = {
    "All": np.all,
    "Any": np.any,
    "Max": np.max,
    "Min": np.min,
    "Prod": np.prod,
    "Sum": np.sum,
}


def computed(op: str, attributes: Attributes, inputs: Sequence[Any]) -> list[Any] | None:
    """What an operator makes of tensors; None where that is not known.

    Parameters
    ----------
    op, attributes
        The operator.
    inputs
        Each a `shapes.Tensor`. What it makes of them has few numbers.
    """
    if op in ("Shape", "ShapeN"):
        return [np.array(each.shape, np.int64) for each in inputs]
    if op == "Size":
        return [np.array(np.prod(inputs[0].shape, dtype=np.int64))]
    if op == "Rank":
        return [np.array(len(inputs[0].shape))]
    if any(each.value is None for each in inputs):
        return None
    try:
        with np.errstate(all="ignore"):
            return _made(op, attributes, inputs, [each.value for each in inputs])
    except (ArithmeticError, IndexError, TypeError, ValueError, NotKnownError):
        return None  # nothing but shapes is to be found by this


def _made(
    op: str, attributes: Attributes, inputs: Sequence[Any], values: Sequence[np.ndarray]
) -> list[Any] | None:
    if op in _BINARY:
        return [_BINARY[op](*values)]
    if op in _UNARY:
        return [_UNARY[op](values[0])]
    if op in _REDUCTIONS:
        axes = tuple(int(axis) for axis in values[1].ravel())
        keeps = attributes.flag("keep_dims")
        return [_REDUCTIONS[op](values[0], axis=axes, keepdims=keeps)]
    match op:
        case "Reshape":
            return [values[0].reshape([int(size) for size in values[1]])]
        case "Pack":
            return [np.stack(values, attributes.number("axis"))]
        case "Unpack":
            return list(np.moveaxis(values[0], attributes.number("axis"), 0))
        case "ConcatV2":
            return [np.concatenate(values[:-1], int(values[-1]))]
        case "StridedSlice":
            return [values[0][strided(attributes, inputs)]]
        case "Slice":
            pairs = zip(values[1].tolist(), values[2].tolist(), strict=True)
            index = (slice(begin, None if n < 0 else begin + n) for begin, n in pairs)
            return [values[0][tuple(index)]]
        case "GatherV2" | "Gather" if not attributes.number("batch_dims"):
            axis = int(values[2]) if len(values) > 2 else 0
            return [np.take(values[0], values[1], axis)]
        case "ExpandDims":
            return [np.expand_dims(values[0], int(values[1]))]
        case "Squeeze":
            return [np.squeeze(values[0], attributes.numbers("squeeze_dims") or None)]
        case "Transpose":
            return [values[0].transpose(values[1].tolist())]
        case "Range":
            return [np.arange(*(each.item() for each in values))]
        case "Fill":
            return [np.full(values[0].tolist(), values[1])]
        case "Tile":
            return [np.tile(values[0], values[1].tolist())]
        case "BroadcastTo":
            return [np.broadcast_to(values[0], values[1].tolist())]
        case "BroadcastArgs":
            return [np.array(np.broadcast_shapes(*(tuple(each.tolist()) for each in values)))]
        case "Select" | "SelectV2":
            return [np.where(*values)]
        case "ReverseV2":
            return [np.flip(values[0], tuple(values[1].tolist()))]
        case "InvertPermutation":
            return [np.argsort(values[0])]
        case _:
            return None
