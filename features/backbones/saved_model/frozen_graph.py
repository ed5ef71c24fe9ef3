"""Writing a network as one graph of constants, from scaled pixels to features.

Of the SavedModel, only operators, their settings and their numbers are in it. Names are new, since
its own may be of any characters. Numbers of 16 bits become float32: mixed precision is a matter of
speed, which the engine decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..layer_pooling import CLS, pooled_axes
from .layers import name_of, values_of
from .tensors import (
    BFLOAT16,
    FLOAT,
    HALF,
    INT32,
    MAX_NUMBERS,
    as_float32,
    constant_bytes,
    read_tensor,
    shape_bytes,
)
from .wire import field, varint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .flattening import Node, Ref
    from .network import Network

MAX_BYTES = (1 << 31) - 1
"""What protobuf reads at most."""
_SHORT = (HALF, BFLOAT16)
PIXELS, FEATURES = "pixels", "features"


class Frozen(NamedTuple):
    """A graph of constants."""

    graph: bytes
    """A serialised GraphDef, from the node `PIXELS` to the node `FEATURES`."""
    takes_many: bool
    """Whether it computes several images at once."""


def frozen_graph(network: Network, size_px: int, layers: Sequence[tuple[str, str]]) -> Frozen:
    """Write a network as a graph.

    Parameters
    ----------
    network
        The network.
    size_px
        Height and width of pictures.
    layers
        Pairs of a name and how it becomes one vector.

    Raises
    ------
    ValueError
        When a layer is not in the network, or the weights are too large.
    """
    writer = _Writer(network, size_px)
    parts = writer.parts(layers)
    if sum(map(len, parts)) > MAX_BYTES:
        raise ValueError("its weights take more than 2 GiB")
    return Frozen(b"".join(parts), writer.takes_many(layers))


class _Writer:
    def __init__(self, network: Network, size_px: int) -> None:
        self._network, self._size_px = network, size_px
        self._values = {value.name: value for value in values_of(network, size_px)}
        made = network.shapes(size_px, 1)
        self._types = {
            name_of((name, at)): FLOAT if tensor.data_type in _SHORT else tensor.data_type
            for name, tensors in made.items()
            for at, tensor in enumerate(tensors)
        }
        self._parts: list[bytes | memoryview] = []
        self._inputs: dict[str, str] = {}
        self._n_nodes = 0

    def takes_many(self, layers: Sequence[tuple[str, str]]) -> bool:
        """Whether the layers are computed of several images at once."""
        return all(self._values[name].takes_many for name, _ in layers)

    def parts(self, layers: Sequence[tuple[str, str]]) -> list[bytes | memoryview]:
        """The bytes of the graph."""
        for name, _ in layers:
            if name not in self._values:
                raise ValueError(f"it has no layer {name[:80]!r} any more")
        self._from_pixels(takes_many=self.takes_many(layers))
        chosen = [self._ref_of(name) for name, _ in layers]
        for node in self._needed([ref[0] for ref in chosen]):
            self._copy(node)
        self._to_features(layers, chosen)
        return [*self._parts, field(4, self._network.version)]

    def _ref_of(self, name: str) -> Ref:
        node, _, number = name.rpartition(":")
        return (node, int(number)) if node in self._network.nodes else (name, 0)

    def _needed(self, names: Sequence[str]) -> list[Node]:
        """What layers are computed from, without the picture."""
        needed = {*names}
        kept: list[Node] = []
        for node in reversed(list(self._network.nodes.values())):
            if node.name in needed and node.name != self._network.picture.name:
                kept.append(node)
                needed |= {name for name, _ in node.inputs}
        return kept[::-1]

    def _add(
        self,
        op: str,
        inputs: Sequence[str],
        attributes: Mapping[str, Sequence[bytes | memoryview]],
        name: str = "",
    ) -> str:
        name = name or f"n{self._n_nodes}"
        self._n_nodes += 1
        head = [field(1, name), field(2, op), *(field(3, each) for each in inputs)]
        pieces: list[bytes | memoryview] = [b"".join(head)]
        for key in sorted(attributes):
            value = attributes[key]
            entry = [field(1, key), *_nested(2, value)]
            pieces += _nested(5, entry)
        self._parts += _nested(1, pieces)
        return name

    def _constant(self, array: np.ndarray, data_type: int = FLOAT) -> str:
        tensor = [field(8, constant_bytes(array, data_type))]
        return self._add("Const", (), {"dtype": _type(data_type), "value": tensor})

    def _cast(self, value: str, from_type: int, to_type: int) -> str:
        if from_type == to_type:
            return value
        return self._add("Cast", [value], {"SrcT": _type(from_type), "DstT": _type(to_type)})

    def _copy(self, node: Node) -> None:
        name, network = node.name, self._network
        attributes = network.attributes(node)
        if name in network.variables:
            self._inputs[name] = self._copy_variable(name)
        elif node.op == "Const" and attributes.data_type("dtype") in _SHORT:
            tensor = attributes.tensor("value")
            constant = read_tensor(network.reader, tensor, name, MAX_NUMBERS)
            if constant.value is None:
                raise ValueError(f"its constant {name[:80]!r} is damaged")
            self._inputs[name] = self._constant(as_float32(constant.value, constant.data_type))
        else:
            inputs = [self._input(ref) for ref in node.inputs]
            kept = {
                key: _type(FLOAT) if attributes.data_type(key) in _SHORT else [value]
                for key, value in node.attributes.items()
                if not key.startswith("_")
            }
            self._inputs[name] = self._add(node.op, inputs, kept)

    def _copy_variable(self, name: str) -> str:
        entry, checkpoint = self._network.variables[name], self._network.checkpoint
        assert checkpoint is not None
        data, data_type = checkpoint.data(entry), entry.data_type
        if data_type in _SHORT:
            numbers = as_float32(checkpoint.array(entry), data_type)
            data, data_type = memoryview(numbers.tobytes()), FLOAT
        head = field(1, data_type) + field(2, shape_bytes(entry.shape))
        tensor = [head, *_nested(4, [data])]
        return self._add("Const", (), {"dtype": _type(data_type), "value": _nested(8, tensor)})

    def _input(self, ref: Ref) -> str:
        name = self._inputs[ref[0]]
        return f"{name}:{ref[1]}" if ref[1] else name

    def _from_pixels(self, *, takes_many: bool) -> None:
        """From scaled pixels (n, height, width, 3) to what the picture's input takes."""
        picture, size_px = self._network.picture, self._size_px
        shape = shape_bytes((None if takes_many else 1, size_px, size_px, 3))
        attributes = {"dtype": _type(FLOAT), "shape": [field(7, shape)]}
        value = self._add("Placeholder", (), attributes, PIXELS)
        if not picture.is_channels_last:
            order = self._constant(np.array([0, 3, 1, 2]), INT32)
            value = self._add("Transpose", [value, order], _types(T=FLOAT, Tperm=INT32))
        data_type = FLOAT if picture.data_type in _SHORT else picture.data_type
        self._inputs[picture.name] = self._cast(value, FLOAT, data_type)

    def _to_features(self, layers: Sequence[tuple[str, str]], refs: Sequence[Ref]) -> None:
        """From layers to (n, width) in float32."""
        parts: list[str] = []
        for (name, pooling), ref in zip(layers, refs, strict=True):
            of = self._values[name]
            value = self._cast(self._input(ref), self._types[name], FLOAT)
            axes = pooled_axes(of.shape, self._size_px, of.is_last)
            if pooling == CLS:
                first = self._constant(np.array(0), INT32)
                axis = self._constant(np.array(axes[0]), INT32)
                types = _types(Tparams=FLOAT, Tindices=INT32, Taxis=INT32)
                value = self._add("GatherV2", [value, first, axis], types)
            elif axes:
                over = self._constant(np.array(axes), INT32)
                value = self._add("Mean", [value, over], _types(T=FLOAT, Tidx=INT32))
            parts.append(value)
        if len(parts) == 1:
            self._add("Identity", parts, _types(T=FLOAT), FEATURES)
            return
        axis = self._constant(np.array(1), INT32)
        attributes = {**_types(T=FLOAT, Tidx=INT32), "N": [field(3, len(parts))]}
        self._add("ConcatV2", [*parts, axis], attributes, FEATURES)


def _nested(number: int, pieces: Sequence[bytes | memoryview]) -> list[bytes | memoryview]:
    """A field that holds the pieces, one after the other, which are not copied."""
    n_bytes = sum(map(len, pieces))
    return [varint(number << 3 | 2) + varint(n_bytes), *pieces]


def _type(data_type: int) -> list[bytes]:
    return [field(6, data_type)]


def _types(**types: int) -> dict[str, list[bytes]]:
    return {name: _type(data_type) for name, data_type in types.items()}
