"""The functions of `keras.ops` that networks for pictures apply to what layers compute.

A model of Keras 3 holds them beside its layers, by the names of their classes. An operation that is
not here is refused. A test compares every rule with Keras.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from .shapes import Made, Settings, Shape

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Operation(NamedTuple):
    """An operation."""

    function: str
    """Its name in `keras.ops`."""
    rule: Callable[..., Made]
    """As those of layers; it is also given plain values, and shapes in lists."""
    settings: tuple[str, ...] = ()


def _same(settings: Settings, first: Shape, *others: Any) -> Made:
    return Made(first)


def _shape_of(value: Any, n_axes: int) -> tuple[int, ...]:
    """Of a shape, or of plain numbers, as numbers for each image."""
    if isinstance(value, tuple):
        return value
    lengths: list[int] = []
    while isinstance(value, list):
        lengths.append(len(value))
        value = value[0]
    if len(lengths) > n_axes and lengths[0] != 1:
        raise ValueError(f"is merged with numbers for {lengths[0]} images")
    return tuple(lengths[-n_axes:] if n_axes else ())


def _merged(settings: Settings, *values: Any) -> Made:
    n_axes = max(len(value) for value in values if isinstance(value, tuple))
    made: list[int] = []
    shapes = [_shape_of(value, n_axes) for value in values]
    for lengths in zip(*((1,) * (n_axes - len(each)) + each for each in shapes), strict=True):
        others = {length for length in lengths if length != 1}
        if len(others) > 1:
            raise ValueError(f"would merge {' and '.join(map(str, shapes[:4]))}")
        made.append(others.pop() if others else 1)
    return Made(tuple(made))


def _axes(value: Any, n_axes: int) -> list[int]:
    """Axes of an image that are meant by numbers which count the axis of images, too."""
    values = [value] if isinstance(value, int) else list(value)
    found = [each + n_axes + 1 if each < 0 else each for each in values]
    if not found or not all(1 <= each <= n_axes for each in found):
        raise ValueError(f"has the axis {value} of {n_axes + 1}")
    return [each - 1 for each in found]


def _reduced(settings: Settings, shape: Shape) -> Made:
    axes = _axes(settings["axis"], len(shape))
    if settings.get("keepdims"):
        return Made(tuple(1 if axis in axes else n for axis, n in enumerate(shape)))
    return Made(tuple(n for axis, n in enumerate(shape) if axis not in axes))


def _reshaped(settings: Settings, shape: Shape) -> Made:
    first, *target = settings["newshape"]
    if first not in (-1, None):
        raise ValueError(f"would make {settings['newshape']} of {shape}")
    if target.count(-1) == 1 and first is None:
        target[target.index(-1)] = math.prod(shape) // max(-math.prod(target), 1)
    if math.prod(target) != math.prod(shape) or not all(each > 0 for each in target):
        raise ValueError(f"would make {settings['newshape']} of {shape}")
    return Made(tuple(target))


def _transposed(settings: Settings, shape: Shape) -> Made:
    order = list(settings["axes"])
    if sorted(order) != list(range(len(shape) + 1)) or order[0] != 0:
        raise ValueError(f"has the order {order} for {len(shape) + 1} axes")
    return Made(tuple(shape[axis - 1] for axis in order[1:]))


def _joined(settings: Settings, shapes: Sequence[Shape]) -> Made:
    (axis,) = _axes(settings.get("axis", -1), len(shapes[0]))
    if len({shape[:axis] + shape[axis + 1 :] for shape in shapes}) > 1:
        raise ValueError(f"would join {' and '.join(map(str, shapes[:4]))}")
    length = sum(shape[axis] for shape in shapes)
    return Made((*shapes[0][:axis], length, *shapes[0][axis + 1 :]))


def _stacked(settings: Settings, shapes: Sequence[Shape]) -> Made:
    (axis,) = _axes(settings.get("axis", -1), len(shapes[0]) + 1)
    if len({*shapes}) > 1:
        raise ValueError(f"would join {' and '.join(map(str, shapes[:4]))}")
    return Made((*shapes[0][:axis], len(shapes), *shapes[0][axis:]))


def _squeezed(settings: Settings, shape: Shape) -> Made:
    axes = _axes(settings["axis"], len(shape))
    if any(shape[axis] != 1 for axis in axes):
        raise ValueError(f"would leave the axes {settings['axis']} of {shape} out")
    return Made(tuple(n for axis, n in enumerate(shape) if axis not in axes))


def _expanded(settings: Settings, shape: Shape) -> Made:
    made = list(shape)
    for axis in sorted(_axes(settings["axis"], len(shape) + 1)):
        made.insert(axis, 1)
    return Made(tuple(made))


def _taken(settings: Settings, shape: Shape, key: Any) -> Made:
    """Part of it, by places and slices; all images are kept."""
    keys = list(key) if isinstance(key, list) else [key]
    if keys.count(Ellipsis) > 1 or len(keys) - keys.count(Ellipsis) > len(shape) + 1:
        raise ValueError("takes more axes than there are")
    at = keys.index(Ellipsis) if Ellipsis in keys else len(keys)
    n_more = len(shape) + 1 - (len(keys) - keys.count(Ellipsis))
    keys[at : at + 1] = [slice(None)] * n_more
    if keys[0] != slice(None):
        raise ValueError("takes some of the images")
    made: list[int] = []
    for each, n in zip(keys[1:], shape, strict=True):
        if isinstance(each, slice):
            made.append(len(range(*each.indices(n))))
        elif not isinstance(each, int) or isinstance(each, bool) or not -n <= each < n:
            raise ValueError(f"takes {each} of {n}")
    return Made(tuple(made))


def _multiplied(settings: Settings, first: Any, second: Any) -> Made:
    if not (len(first) == len(second) == 2 and first[1] == second[0]):
        raise ValueError(f"would multiply {first} by {second}")
    return Made((first[0], second[1]))


OPERATIONS: dict[str, Operation] = {
    "Absolute": Operation("absolute", _same),
    "Add": Operation("add", _merged),
    "Clip": Operation("clip", _same, ("x_min", "x_max")),
    "Concatenate": Operation("concatenate", _joined, ("axis",)),
    "Divide": Operation("divide", _merged),
    "Exp": Operation("exp", _same),
    "ExpandDims": Operation("expand_dims", _expanded, ("axis",)),
    "Gelu": Operation("gelu", _same, ("approximate",)),
    "GetItem": Operation("get_item", _taken),
    "HardSigmoid": Operation("hard_sigmoid", _same),
    "HardSilu": Operation("hard_silu", _same),
    "Matmul": Operation("matmul", _multiplied),
    "Max": Operation("max", _reduced, ("axis", "keepdims")),
    "Maximum": Operation("maximum", _merged),
    "Mean": Operation("mean", _reduced, ("axis", "keepdims")),
    "Minimum": Operation("minimum", _merged),
    "Multiply": Operation("multiply", _merged),
    "Negative": Operation("negative", _same),
    "Power": Operation("power", _merged),
    "Relu": Operation("relu", _same),
    "Relu6": Operation("relu6", _same),
    "Reshape": Operation("reshape", _reshaped, ("newshape",)),
    "Rsqrt": Operation("rsqrt", _same),
    "Sigmoid": Operation("sigmoid", _same),
    "Silu": Operation("silu", _same),
    "Softmax": Operation("softmax", _same, ("axis",)),
    "Sqrt": Operation("sqrt", _same),
    "Square": Operation("square", _same),
    "Squeeze": Operation("squeeze", _squeezed, ("axis",)),
    "Stack": Operation("stack", _stacked, ("axis",)),
    "Subtract": Operation("subtract", _merged),
    "Sum": Operation("sum", _reduced, ("axis", "keepdims")),
    "Tanh": Operation("tanh", _same),
    "Transpose": Operation("transpose", _transposed, ("axes",)),
    "TrueDivide": Operation("true_divide", _merged),
}


def applied(kind: str, settings: Settings, args: Sequence[Any]) -> Any:
    """What an operation makes of tensors."""
    import keras

    operation = OPERATIONS[kind]
    if kind == "GetItem":
        tensor, key = args
        return tensor[tuple(key) if isinstance(key, list) else key]
    return getattr(keras.ops, operation.function)(*args, **settings)
