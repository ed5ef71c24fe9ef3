"""How the shape of what an operator makes follows from what it takes.

The rules are those of TensorFlow's documentation of each operator, ``tf.raw_ops``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from . import operators, picture_rules
from .known_tensor import number_of, shape_of, sizes_of, value_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .known_tensor import Known, Shape
    from .structure import Attributes


def view(shape: Shape) -> np.ndarray:
    """An array of a shape that takes no memory."""
    return np.broadcast_to(np.int8(0), shape)


def _same(_: Attributes, inputs: Sequence[Known]) -> list[Shape]:
    return [shape_of(inputs[0])]


def _broadcast(_: Attributes, inputs: Sequence[Known]) -> list[Shape]:
    return [np.broadcast_shapes(*map(shape_of, inputs))]


def _reduced(attributes: Attributes, inputs: Sequence[Known]) -> list[Shape]:
    shape = shape_of(inputs[0])
    axes = {_axis(axis, len(shape)) for axis in sizes_of(inputs[1])}
    keeps = attributes.flag("keep_dims")
    return [
        tuple(1 if at in axes else size for at, size in enumerate(shape) if keeps or at not in axes)
    ]


def _axis(axis: int, rank: int) -> int:
    if not -rank <= axis < rank:
        raise ValueError(f"there is no axis {axis}")
    return axis % rank


def _multiplied(attributes: Attributes, inputs: Sequence[Known]) -> list[Shape]:
    first, second = shape_of(inputs[0]), shape_of(inputs[1])
    if attributes.flag("transpose_a") or attributes.flag("adj_x"):
        first = (*first[:-2], first[-1], first[-2])
    if attributes.flag("transpose_b") or attributes.flag("adj_y"):
        second = (*second[:-2], second[-1], second[-2])
    if first[-1] != second[-2]:
        raise ValueError("matrices that do not fit")
    return [(*np.broadcast_shapes(first[:-2], second[:-2]), first[-2], second[-1])]


def _einsum(attributes: Attributes, inputs: Sequence[Known]) -> list[Shape]:
    given, _, result = attributes.text("equation").replace(" ", "").partition("->")
    sizes: dict[str, int] = {}
    dots: Shape = ()
    for term, tensor in zip(given.split(","), inputs, strict=True):
        shape = shape_of(tensor)
        before, has_dots, after = term.partition("...")
        n_dots = len(shape) - len(before) - len(after)
        if n_dots < 0 or (n_dots and not has_dots):
            raise ValueError(f"the equation {given}")
        dots = np.broadcast_shapes(dots, shape[len(before) : len(before) + n_dots])
        rest = (*shape[: len(before)], *shape[len(shape) - len(after) :])
        for letter, size in zip(before + after, rest, strict=True):
            if sizes.setdefault(letter, size) != size:
                raise ValueError(f"the equation {given}")
    before, has_dots, after = result.partition("...")
    missing = set(before + after) - sizes.keys()
    if missing:
        raise ValueError(f"the equation {given}")
    middle = dots if has_dots else ()
    ends = (tuple(sizes[letter] for letter in part) for part in (before, after))
    first, last = ends
    return [(*first, *middle, *last)]


def _normalised(_: Attributes, inputs: Sequence[Known]) -> list[Shape]:
    return [shape_of(inputs[0]), *[shape_of(inputs[1])] * 5]


def _reshaped(_: Attributes, inputs: Sequence[Known]) -> list[Shape]:
    n_numbers, sizes = math.prod(shape_of(inputs[0])), sizes_of(inputs[1])
    if sizes.count(-1) == 1:
        rest = -math.prod(sizes)
        sizes[sizes.index(-1)] = n_numbers // rest if rest else 0
    if math.prod(sizes) != n_numbers:
        raise ValueError(f"to {tuple(sizes)}")
    return [tuple(sizes)]


def _transposed(_: Attributes, inputs: Sequence[Known]) -> list[Shape]:
    return [view(shape_of(inputs[0])).transpose(sizes_of(inputs[1])).shape]


def _expanded(_: Attributes, inputs: Sequence[Known]) -> list[Shape]:
    return [np.expand_dims(view(shape_of(inputs[0])), number_of(inputs[1])).shape]


def _squeezed(attributes: Attributes, inputs: Sequence[Known]) -> list[Shape]:
    axes = attributes.numbers("squeeze_dims")
    return [np.squeeze(view(shape_of(inputs[0])), axes or None).shape]


def _concatenated(_: Attributes, inputs: Sequence[Known]) -> list[Shape]:
    return [_side_by_side(inputs[:-1], number_of(inputs[-1]))]


def _concatenated_axis_first(_: Attributes, inputs: Sequence[Known]) -> list[Shape]:
    return [_side_by_side(inputs[1:], number_of(inputs[0]))]


def _side_by_side(inputs: Sequence[Known], axis: int) -> Shape:
    shapes = [shape_of(each) for each in inputs]
    axis = _axis(axis, len(shapes[0]))
    rests = {(*shape[:axis], *shape[axis + 1 :]) for shape in shapes}
    if len(rests) != 1:
        raise ValueError("parts that do not fit")
    size = sum(shape[axis] for shape in shapes)
    return (*shapes[0][:axis], size, *shapes[0][axis + 1 :])


def _packed(attributes: Attributes, inputs: Sequence[Known]) -> list[Shape]:
    shapes = {shape_of(each) for each in inputs}
    if len(shapes) != 1:
        raise ValueError("parts that do not fit")
    shape = shapes.pop()
    axis = _axis(attributes.number("axis"), len(shape) + 1)
    return [(*shape[:axis], len(inputs), *shape[axis:])]


def _unpacked(attributes: Attributes, inputs: Sequence[Known]) -> list[Shape]:
    shape = shape_of(inputs[0])
    axis = _axis(attributes.number("axis"), len(shape))
    if shape[axis] != attributes.number("num"):
        raise ValueError(f"into {attributes.number('num')}")
    return [(*shape[:axis], *shape[axis + 1 :])] * shape[axis]


def _split(attributes: Attributes, inputs: Sequence[Known]) -> list[Shape]:
    shape, n_parts = shape_of(inputs[1]), attributes.number("num_split")
    axis = _axis(number_of(inputs[0]), len(shape))
    if not 1 <= n_parts <= shape[axis] or shape[axis] % n_parts:
        raise ValueError(f"into {n_parts}")
    return [(*shape[:axis], shape[axis] // n_parts, *shape[axis + 1 :])] * n_parts


def _split_by_sizes(_: Attributes, inputs: Sequence[Known]) -> list[Shape]:
    shape, sizes = shape_of(inputs[0]), sizes_of(inputs[1])
    axis = _axis(number_of(inputs[2]), len(shape))
    if -1 in sizes:
        sizes[sizes.index(-1)] = shape[axis] - sum(sizes) - 1
    if sum(sizes) != shape[axis]:
        raise ValueError(f"into {sizes}")
    return [(*shape[:axis], size, *shape[axis + 1 :]) for size in sizes]


def _sliced(_: Attributes, inputs: Sequence[Known]) -> list[Shape]:
    shape, begins, sizes = shape_of(inputs[0]), sizes_of(inputs[1]), sizes_of(inputs[2])
    found = []
    for whole, begin, size in zip(shape, begins, sizes, strict=True):
        size = whole - begin if size == -1 else size
        if not 0 <= begin <= begin + size <= whole:
            raise ValueError(f"from {begins} by {sizes}")
        found.append(size)
    return [tuple(found)]


def strided(attributes: Attributes, inputs: Sequence[Known]) -> tuple[Any, ...]:
    """What a StridedSlice takes, as NumPy has it."""
    begins, ends, strides = (sizes_of(each) for each in inputs[1:4])
    masks = {
        name: attributes.number(f"{name}_mask")
        for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")
    }
    index: list[Any] = []
    for at, (begin, end, stride) in enumerate(zip(begins, ends, strides, strict=True)):
        bit = 1 << at
        if masks["ellipsis"] & bit:
            index.append(...)
        elif masks["new_axis"] & bit:
            index.append(None)
        elif masks["shrink_axis"] & bit:
            index.append(begin)
        else:
            first = None if masks["begin"] & bit else begin
            last = None if masks["end"] & bit else end
            index.append(slice(first, last, stride))
    return tuple(index)


def _strided(attributes: Attributes, inputs: Sequence[Known]) -> list[Shape]:
    return [view(shape_of(inputs[0]))[strided(attributes, inputs)].shape]


def _gathered(attributes: Attributes, inputs: Sequence[Known]) -> list[Shape]:
    shape, indices = shape_of(inputs[0]), shape_of(inputs[1])
    axis = _axis(number_of(inputs[2]) if len(inputs) > 2 else 0, len(shape))
    n_batch = attributes.number("batch_dims")
    if not 0 <= n_batch <= min(axis, len(indices)):
        raise ValueError(f"batch_dims of {n_batch}")
    return [(*shape[:axis], *indices[n_batch:], *shape[axis + 1 :])]


def _gathered_places(_: Attributes, inputs: Sequence[Known]) -> list[Shape]:
    shape, indices = shape_of(inputs[0]), shape_of(inputs[1])
    return [(*indices[:-1], *shape[indices[-1] :])]


def _padded(_: Attributes, inputs: Sequence[Known]) -> list[Shape]:
    shape = shape_of(inputs[0])
    pads = value_of(inputs[1]).reshape(len(shape), 2).tolist()
    if min((min(each) for each in pads), default=0) < 0:
        raise ValueError(f"padded by {pads}")
    return [tuple(size + sum(each) for size, each in zip(shape, pads, strict=True))]


def _tiled(_: Attributes, inputs: Sequence[Known]) -> list[Shape]:
    pairs = zip(shape_of(inputs[0]), sizes_of(inputs[1]), strict=True)
    return [tuple(size * times for size, times in pairs)]


def _stretched(_: Attributes, inputs: Sequence[Known]) -> list[Shape]:
    shape = tuple(sizes_of(inputs[1]))
    if np.broadcast_shapes(shape_of(inputs[0]), shape) != shape:
        raise ValueError(f"to {shape}")
    return [shape]


def _filled(_: Attributes, inputs: Sequence[Known]) -> list[Shape]:
    return [tuple(sizes_of(inputs[0]))]


def _shape_itself(_: Attributes, inputs: Sequence[Known]) -> list[Shape]:
    return [(len(shape_of(each)),) for each in inputs]


def _one_number(_: Attributes, inputs: Sequence[Known]) -> list[Shape]:
    return [()]


def _ranged(_: Attributes, inputs: Sequence[Known]) -> list[Shape]:
    first, last, step = (float(value_of(each)) for each in inputs)
    n_numbers = math.ceil((last - first) / step)
    return [(max(0, n_numbers),)]


def _chosen(_: Attributes, inputs: Sequence[Known]) -> list[Shape]:
    if shape_of(inputs[1]) != shape_of(inputs[2]):
        raise ValueError("choices of different shapes")
    return [shape_of(inputs[1])]


def _places_of_extremes(_: Attributes, inputs: Sequence[Known]) -> list[Shape]:
    shape = shape_of(inputs[0])
    axis = _axis(number_of(inputs[1]), len(shape))
    return [(*shape[:axis], *shape[axis + 1 :])]


def _largest(_: Attributes, inputs: Sequence[Known]) -> list[Shape]:
    *rest, size = shape_of(inputs[0])
    n_kept = number_of(inputs[1])
    if not 0 <= n_kept <= size:
        raise ValueError(f"the largest {n_kept}")
    return [(*rest, n_kept)] * 2


def _one_hot(attributes: Attributes, inputs: Sequence[Known]) -> list[Shape]:
    shape = shape_of(inputs[0])
    axis = _axis(attributes.number("axis", -1), len(shape) + 1)
    return [(*shape[:axis], number_of(inputs[1]), *shape[axis:])]


def _broadcast_sizes(_: Attributes, inputs: Sequence[Known]) -> list[Shape]:
    return [(max(shape_of(each)[0] for each in inputs),)]


RULES: Mapping[str, Callable[[Any, Sequence[Any]], list[Shape]]] = {
    **dict.fromkeys(operators.ELEMENTWISE, _same),
    **dict.fromkeys(operators.BROADCAST, _broadcast),
    **dict.fromkeys(operators.REDUCTIONS, _reduced),
    **dict.fromkeys(operators.POOLS, picture_rules.pooled),
    **dict.fromkeys(operators.MATRICES, _multiplied),
    **dict.fromkeys(operators.RESIZES, picture_rules.resized),
    **dict.fromkeys(operators.NORMALISATIONS, _normalised),
    **dict.fromkeys(("AddN", "BiasAdd", "Cast", "ClipByValue", "EnsureShape"), _same),
    "ArgMax": _places_of_extremes,
    "ArgMin": _places_of_extremes,
    "BatchToSpaceND": picture_rules.from_batch,
    "BroadcastArgs": _broadcast_sizes,
    "BroadcastTo": _stretched,
    "Concat": _concatenated_axis_first,
    "ConcatV2": _concatenated,
    "Conv2D": picture_rules.convolved,
    "Conv2DBackpropInput": picture_rules.convolved_back,
    "DepthToSpace": picture_rules.from_depth,
    "DepthwiseConv2dNative": picture_rules.convolved_by_channel,
    "Einsum": _einsum,
    "ExpandDims": _expanded,
    "Fill": _filled,
    "Gather": _gathered,
    "GatherNd": _gathered_places,
    "GatherV2": _gathered,
    "InvertPermutation": _same,
    "MirrorPad": _padded,
    "OneHot": _one_hot,
    "Pack": _packed,
    "Pad": _padded,
    "PadV2": _padded,
    "Range": _ranged,
    "Rank": _one_number,
    "Reshape": _reshaped,
    "Select": _chosen,
    "Shape": _shape_itself,
    "ShapeN": _shape_itself,
    "Size": _one_number,
    "Slice": _sliced,
    "SpaceToBatchND": picture_rules.to_batch,
    "SpaceToDepth": picture_rules.to_depth,
    "Split": _split,
    "SplitV": _split_by_sizes,
    "Squeeze": _squeezed,
    "StridedSlice": _strided,
    "Tile": _tiled,
    "TopKV2": _largest,
    "Transpose": _transposed,
    "Unpack": _unpacked,
}
"""By operator: from its attributes and what it takes to the shapes of what it makes."""
