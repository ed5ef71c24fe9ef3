"""The blocks of a network in Keras: where it can be cut, so that the end of it can be trained.

A network can be cut behind a layer through which everything goes, such as the addition at the end
of a residual block. The layers between two cuts belong to the block that their names say; where
names say none, as in Inception, a block ends with each layer that joins branches.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_BLOCK = re.compile(
    r"(?:^|(?<!downsampling)_)("
    r"block\d+_\d+"  # Inception-ResNet: block8_10
    r"|conv\d+_block\d+"  # ResNet, DenseNet
    r"|stage_\d+_block_\d+"  # ConvNeXt
    r"|expanded_conv(?:_\d+)?"  # MobileNetV2's first, MobileNetV3
    r"|blocks?[_.]?\d+[a-z]?"  # MobileNetV2, EfficientNet, VGG, Xception, EfficientNet-Lite
    r")(?=_|\.|$)"
    r"|^conv_(?:pad|dw|pw)(_\d+)"  # MobileNet
)
_JOINS = ("Add", "Concatenate")


class Block(NamedTuple):
    """Layers that follow one another, between two places at which the network can be cut."""

    name: str
    layers: tuple[str, ...]
    """From its input to its output."""
    begins: str
    """The first of them, by which recipes say where the network is cut: at its input."""


def blocks_of(model: Any) -> list[Block]:
    """The blocks of a functional model of Keras, from input to output.

    What is before the first, the stem, is none of them. The last has the layers at the end, such as
    the pooling; so a block has at least one kernel.
    """
    found = {layer.name: layer for layer in model.operations}
    own = {layer.name for layer in model.layers}  # and not arithmetic between them
    segments = list(_segments(model))
    names = [_name_of(segment) for segment in segments]
    if not any(names):
        ends = [segment[-1] for segment in segments]
        names = [end if type(found[end]).__name__ in _JOINS else "" for end in ends]
    for number in reversed(range(len(names) - 1)):  # what has no name begins the next block
        names[number] = names[number] or names[number + 1]
    first = next((number for number, name in enumerate(names) if name), len(names))
    blocks: list[Block] = []
    for name, run in itertools.groupby(range(len(names)), lambda number: names[number]):
        numbers = list(run)
        layers = tuple(itertools.chain.from_iterable(segments[number] for number in numbers))
        if numbers[0] == 0 or (not name and numbers[0] < first):
            continue  # the stem
        cut = found[segments[numbers[0] - 1][-1]].output
        begins = next((each for each in layers if each in own and found[each].input is cut), None)
        if begins and any(_has_kernel(found[layer]) for layer in layers):
            blocks.append(Block(name or layers[0], layers, begins))
        elif blocks:
            blocks[-1] = blocks[-1]._replace(layers=(*blocks[-1].layers, *layers))
    return blocks


def trained_weights(layers: Sequence[Any]) -> list[Any]:
    """The weights of layers that fine-tuning changes: all but those of batch normalisation.

    A batch of few images says little of the mean and deviation of all.
    """
    return [
        weight
        for layer in layers
        for each in _inside(layer)
        if type(each).__name__ != "BatchNormalization"
        for weight in getattr(each, "_trainable_variables", ())  # its own, not of those inside it
    ]


def _inside(layer: Any) -> Iterator[Any]:
    """A layer, and those inside of it."""
    yield layer
    for each in getattr(layer, "layers", ()):
        yield from _inside(each)


def _has_kernel(layer: Any) -> bool:
    return any(len(weight.shape) > 1 for weight in trained_weights([layer]))


def _name_of(segment: Sequence[str]) -> str:
    for layer in segment:
        if found := _BLOCK.search(layer):
            return found[1] or f"conv{found[2]}"
    return ""


def _segments(model: Any) -> Iterator[tuple[str, ...]]:
    """The layers between two cuts, with that behind which the second is, by name."""
    held = model.get_config()["layers"]
    inputs = {each["name"]: {*_names_in(each["inbound_nodes"])} for each in held}
    last_use = {name: place for place, each in enumerate(inputs) for name in inputs[each]}
    open_until, segment = -1, []
    for place, name in enumerate(inputs):
        segment.append(name)
        is_cut = open_until <= place
        open_until = max(open_until, last_use.get(name, len(inputs)))
        if is_cut:
            yield tuple(segment)
            segment = []


def _names_in(nodes: Any) -> Iterator[str]:
    """The layers whose outputs are somewhere in what `get_config` says of calls."""
    if isinstance(nodes, dict):
        if nodes.get("class_name") == "__keras_tensor__":
            yield nodes["config"]["keras_history"][0]
        else:
            yield from _names_in(list(nodes.values()))
    elif isinstance(nodes, list | tuple):
        for each in nodes:
            yield from _names_in(each)
