"""Which layers of a SavedModel's network can be features, and which would be taken."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..described import Value
from ..layer_pooling import is_last_of, usual_pooling
from ..output_names import EMBEDDINGS, LOGITS, N_CLASSES
from .tensors import FLOATS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .flattening import Ref
    from .network import Network
    from .shapes import Tensor

_MAX_NAME = 300
_ONLY_OUTPUT = "default"
"""Of modules of TensorFlow Hub, be it features or classes."""
_EMBEDDINGS = ("feature_vector", *EMBEDDINGS, _ONLY_OUTPUT)
_LOGITS = (*LOGITS, "prediction")
_THROUGH = ("Cast",)
_POOLS = ("Mean", "AvgPool", "Reshape", "Squeeze", "Relu")


def name_of(ref: Ref) -> str:
    """By which an output of a node is chosen."""
    return ref[0] if not ref[1] else f"{ref[0]}:{ref[1]}"


def values_of(network: Network, size_px: int) -> list[Value]:
    """What can be chosen, from input to output, for pictures of this size."""
    shapes, of_two = network.shapes(size_px, 1), _of_two(network, size_px)
    of_larger = _of_larger(network, size_px)
    of_picture = network.of_picture()
    named = {ref: name for name, ref in network.outputs.items()}
    found: list[Value] = []
    for node in network.nodes.values():
        if node.name not in of_picture or node.op == "Placeholder":
            continue
        for at, (one, two) in enumerate(zip(shapes[node.name], of_two[node.name], strict=False)):
            name = name_of((node.name, at))
            shape = one.shape
            is_layer = one.data_type in FLOATS and shape and shape[0] == 1 and len(shape) > 1
            if is_layer and len(name) <= _MAX_NAME and shape is not None:
                takes_many = two.shape == (2, *shape[1:])
                other = named.get((node.name, at), "")
                is_last = _is_last(shape[1:], network)
                if is_last is None and node.name in of_larger:
                    larger = of_larger[node.name][at].shape
                    is_last = is_last_of(shape[1:], larger and larger[1:])
                found.append(Value(name, other, node.op, shape[1:], takes_many, is_last))
    return found


def _is_last(shape: Sequence[int], network: Network) -> bool | None:
    """Whether the features of a map are its last axis, as TensorFlow computes it on CPUs."""
    if len(shape) != 3:
        return None
    is_square_behind = shape[0] != shape[1] == shape[2]
    return network.picture.is_channels_last or not is_square_behind


def _of_two(network: Network, size_px: int) -> Mapping[str, Sequence[Tensor]]:
    try:
        return network.shapes(size_px, 2)
    except ValueError:  # it is made for one picture
        return {
            name: [each._replace(shape=None) for each in outputs]
            for name, outputs in network.shapes(size_px, 1).items()
        }


def _of_larger(network: Network, size_px: int) -> Mapping[str, Sequence[Tensor]]:
    """Of a picture of twice the size, where the network takes any."""
    if network.picture.size_px is not None:
        return {}
    try:
        return network.shapes(2 * size_px, 1)
    except ValueError:  # it is made for one size, which nothing says
        return {}


def taken(network: Network, values: Mapping[str, Value], size_px: int) -> str:
    """The name of the value that is taken where none is chosen; empty if there is none.

    An output that is named as features are; else one that gives no classes; else what the layer
    that gives the classes is computed from. Of several, the one with the fewest axes.
    """
    outputs = {name: name_of(ref) for name, ref in network.outputs.items()}
    usable = {
        name: value
        for name, value in outputs.items()
        if value in values and usual_pooling(values[value].shape, size_px, values[value].is_last)
    }
    befores = {name: _before_classes(network, name, values) for name in usable}
    for known in _EMBEDDINGS:
        for name, value in usable.items():
            if name.lower() == known:
                return (befores[name] if known == _ONLY_OUTPUT else None) or value
    plain = [value for name, value in usable.items() if befores[name] is None]
    if plain:
        n_axes = [len(values[value].shape) for value in plain]
        least = min(n_axes)
        return plain[n_axes.index(least)] if n_axes.count(least) == 1 else ""
    return next((before for before in befores.values() if before), "")


def _before_classes(network: Network, output: str, values: Mapping[str, Value]) -> str | None:
    """What the classes are computed from, if an output is classes; else None."""
    ref = network.outputs[output]
    shape = values[name_of(ref)].shape
    said = any(part in output.lower() for part in _LOGITS) or shape[-1] in N_CLASSES
    has_bias = False
    while (node := network.nodes[ref[0]]).op != "Placeholder":
        inputs = [each for each in node.inputs if name_of(each) in values]
        if node.op == "MatMul":
            return _behind(network, inputs, values) if said or has_bias else None
        if node.op == "Conv2D":
            is_last = said and values[name_of(ref)].shape[-1] == shape[-1]
            return _behind(network, inputs, values) if is_last else None
        if node.op in ("Softmax", "LogSoftmax", "Sigmoid"):
            said = True
        elif node.op in ("BiasAdd", "Add", "AddV2"):
            if len(inputs) != 1:
                return None  # two branches meet
            has_bias = True
        elif node.op not in (*_THROUGH, *(_POOLS if said else ())):
            return None
        if not inputs:
            return None
        ref = inputs[0]
    return None


def _behind(network: Network, inputs: Sequence[Ref], values: Mapping[str, Value]) -> str | None:
    """The layer itself, before what only changes the type of its numbers."""
    if not inputs:
        return None
    ref = inputs[0]
    while (node := network.nodes[ref[0]]).op in _THROUGH:
        before = [each for each in node.inputs if name_of(each) in values]
        if not before:
            break
        ref = before[0]
    return name_of(ref)


def resolved(
    names: Sequence[str], values: Sequence[Value], aliases: Mapping[str, str]
) -> list[str]:
    """What layers are called in the network, for other names of them.

    A layer of Keras is several nodes, whose names begin with its own: the last is what it makes.

    Parameters
    ----------
    names
        Of what is asked for. What is not found stays as it is.
    values
        What can be chosen.
    aliases
        Outputs of the network by their names, and what nodes that only pass on a value pass on.
    """
    known = {value.name for value in values}
    found = []
    for name in names:
        chosen = name if name in known else aliases.get(name, name)
        if chosen not in known:
            chosen = _last_within(name, values) or name
        found.append(chosen)
    return found


def _last_within(name: str, values: Sequence[Value]) -> str:
    """The last node of a layer of Keras, where one alone can be meant; else an empty name.

    Keras 3 numbers the names of layers when it exports them: ``conv2d`` is ``conv2d_1``, and
    ``conv2d_1`` is ``conv2d_1_2``. Keras 2 leaves them as they are.
    """
    places: dict[str, str] = {}
    for value in values:
        if within := re.match(rf"(.*?/)?{re.escape(name)}(_\d+)?/", value.name):
            places[within[0]] = value.name
    return next(iter(places.values())) if len(places) == 1 else ""
