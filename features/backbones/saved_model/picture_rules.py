"""How the shapes of pictures and maps, (n, height, width, channels), follow in an operator."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .known_tensor import shape_of, sizes_of, value_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .known_tensor import Known, Shape
    from .structure import Attributes


def _require_channels_last(attributes: Attributes) -> None:
    if attributes.text("data_format", "NHWC") != "NHWC":
        raise ValueError(
            "it has channels first, which TensorFlow computes on GPUs alone; export the network "
            "with channels last"
        )


def _windows(
    attributes: Attributes, shape: Shape, window: Sequence[int], dilations: Sequence[int]
) -> list[int]:
    """Places of a window over height and width."""
    padding = attributes.text("padding")
    pads = attributes.numbers("explicit_paddings")
    strides = attributes.numbers("strides")
    if len(shape) != 4 or len(strides) != 4 or min(strides) < 1 or min(dilations) < 1:
        raise ValueError("expected pictures (n, height, width, channels) and positive strides")
    places = []
    for axis in (1, 2):
        size, stride = shape[axis], strides[axis]
        extent = (window[axis - 1] - 1) * dilations[axis] + 1
        if padding == "SAME":
            places.append(-(-size // stride))
            continue
        if padding == "EXPLICIT":
            size += pads[2 * axis] + pads[2 * axis + 1]
        places.append((size - extent) // stride + 1)
    return places


def convolved(attributes: Attributes, inputs: Sequence[Known]) -> list[Shape]:
    """Conv2D."""
    _require_channels_last(attributes)
    shape, (height, width, n_in, n_out) = shape_of(inputs[0]), shape_of(inputs[1])
    dilations = attributes.numbers("dilations", (1, 1, 1, 1))
    if shape[3] % n_in:
        raise ValueError(f"a kernel for {n_in} channels")
    places = _windows(attributes, shape, (height, width), dilations)
    return [(shape[0], *places, n_out)]


def convolved_by_channel(attributes: Attributes, inputs: Sequence[Known]) -> list[Shape]:
    """DepthwiseConv2dNative."""
    _require_channels_last(attributes)
    shape, (height, width, n_in, n_each) = shape_of(inputs[0]), shape_of(inputs[1])
    dilations = attributes.numbers("dilations", (1, 1, 1, 1))
    if shape[3] != n_in:
        raise ValueError(f"a kernel for {n_in} channels")
    places = _windows(attributes, shape, (height, width), dilations)
    return [(shape[0], *places, n_in * n_each)]


def convolved_back(attributes: Attributes, inputs: Sequence[Known]) -> list[Shape]:
    """Conv2DBackpropInput."""
    _require_channels_last(attributes)
    return [tuple(sizes_of(inputs[0]))]


def pooled(attributes: Attributes, inputs: Sequence[Known]) -> list[Shape]:
    """AvgPool and MaxPool."""
    _require_channels_last(attributes)
    shape = shape_of(inputs[0])
    window = attributes.numbers("ksize")[1:3]
    return [(shape[0], *_windows(attributes, shape, window, (1, 1, 1, 1)), shape[3])]


def resized(_: Attributes, inputs: Sequence[Known]) -> list[Shape]:
    """The operators that resize pictures."""
    shape = shape_of(inputs[0])
    height, width = sizes_of(inputs[1])
    return [(shape[0], height, width, shape[3])]


def to_depth(attributes: Attributes, inputs: Sequence[Known]) -> list[Shape]:
    """SpaceToDepth."""
    _require_channels_last(attributes)
    n, height, width, depth = shape_of(inputs[0])
    block = attributes.number("block_size")
    if height % block or width % block:
        raise ValueError(f"in blocks of {block}")
    return [(n, height // block, width // block, depth * block * block)]


def from_depth(attributes: Attributes, inputs: Sequence[Known]) -> list[Shape]:
    """DepthToSpace."""
    _require_channels_last(attributes)
    n, height, width, depth = shape_of(inputs[0])
    block = attributes.number("block_size")
    if depth % (block * block):
        raise ValueError(f"in blocks of {block}")
    return [(n, height * block, width * block, depth // (block * block))]


def to_batch(_: Attributes, inputs: Sequence[Known]) -> list[Shape]:
    """SpaceToBatchND."""
    shape, blocks = shape_of(inputs[0]), sizes_of(inputs[1])
    pads = value_of(inputs[2]).reshape(len(blocks), 2).tolist()
    inner = []
    for size, block, each in zip(shape[1:], blocks, pads, strict=False):
        if (size + sum(each)) % block:
            raise ValueError(f"in blocks of {blocks}")
        inner.append((size + sum(each)) // block)
    return [(shape[0] * math.prod(blocks), *inner, *shape[1 + len(blocks) :])]


def from_batch(_: Attributes, inputs: Sequence[Known]) -> list[Shape]:
    """BatchToSpaceND."""
    shape, blocks = shape_of(inputs[0]), sizes_of(inputs[1])
    crops = value_of(inputs[2]).reshape(len(blocks), 2).tolist()
    if shape[0] % math.prod(blocks):
        raise ValueError(f"in blocks of {blocks}")
    triples = zip(shape[1:], blocks, crops, strict=False)
    inner = [size * block - sum(each) for size, block, each in triples]
    return [(shape[0] // math.prod(blocks), *inner, *shape[1 + len(blocks) :])]
