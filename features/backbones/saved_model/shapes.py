"""The shape of everything that a network computes, without computing it.

Numbers are computed where they are few, as those of shapes are; of anything else, the shape alone.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .known_tensor import NotKnownError
from .known_values import computed
from .operators import COMPARISONS, HANDLES, NORMALISATIONS
from .shape_rules import RULES
from .structure import Attributes
from .tensors import (
    BFLOAT16,
    BOOL,
    DTYPES,
    INT32,
    INT64,
    MAX_KNOWN,
    MAX_NUMBERS,
    STRING,
    read_tensor,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .flattening import Node
    from .wire import Reader


class Tensor(NamedTuple):
    """What is known of a value."""

    data_type: int
    shape: tuple[int, ...] | None
    """None where it depends on data."""
    value: np.ndarray | None = None
    """Where it is known."""


def shapes_of(
    nodes: Iterable[Node], reader: Reader, given: Mapping[str, Tensor]
) -> dict[str, list[Tensor]]:
    """What each node makes.

    Parameters
    ----------
    nodes
        In the order of computation.
    reader
        Of the file.
    given
        What is known beforehand, by the name of the node: inputs and variables.

    Returns
    -------
    dict
        The outputs of each node.

    Raises
    ------
    ValueError
        When shapes contradict one another, or one is absurd.
    """
    found: dict[str, list[Tensor]] = {}
    for node in nodes:
        if node.name in given:
            found[node.name] = [given[node.name]]
            continue
        inputs = []
        for name, at in node.inputs:
            if at >= len(found[name]):
                raise ValueError(f"its node {name[:80]!r} has no output {at}")
            inputs.append(found[name][at])
        found[node.name] = _outputs(node, inputs, reader)
    return found


def _outputs(node: Node, inputs: Sequence[Tensor], reader: Reader) -> list[Tensor]:
    what = f"its node {node.name[:80]!r}"
    attributes = Attributes(reader, node.attributes)
    if node.op == "Const":
        constant = read_tensor(reader, attributes.tensor("value"), node.name)
        if constant.data_type == STRING:
            raise ValueError(f"{what} is text, which is not part of a network for pictures")
        value = None if constant.data_type == BFLOAT16 else constant.value
        return [Tensor(constant.data_type, constant.shape, value)]
    if node.op in HANDLES:
        raise ValueError(f"the variable {node.name[:80]!r} has no value in variables/")
    if node.op == "Placeholder":
        raise ValueError(f"its input {node.name[:80]!r}, which is not a picture, is needed")
    if node.op in NORMALISATIONS and not _is_repeatable(attributes, inputs):
        raise ValueError(f"{what} normalises by all images of a batch, as in training")
    types = _types(node.op, attributes, inputs)
    n_outputs = _n_outputs(node.op, attributes)
    shapes: list[tuple[int, ...] | None] = [None] * n_outputs
    try:
        if all(each.shape is not None for each in inputs):
            shapes = [*RULES[node.op](attributes, inputs)]
        if len(shapes) != n_outputs:
            raise ValueError(f"{n_outputs} outputs")
    except NotKnownError:
        pass
    except (ArithmeticError, IndexError, TypeError, ValueError) as error:
        shown = ", ".join(str(each.shape) for each in inputs[:4])
        raise ValueError(
            f"its shapes contradict one another: {node.op} {node.name[:80]!r} of {shown}: {error}"
        ) from error
    for shape in shapes:
        if shape is not None and (min(shape, default=0) < 0 or math.prod(shape) > MAX_NUMBERS):
            raise ValueError(f"its value {node.name[:80]!r} would be of shape {shape}")
    known = _values(node.op, attributes, inputs, shapes, types)
    return [
        Tensor(data_type, shape, value)
        for data_type, shape, value in zip(types * len(shapes), shapes, known, strict=False)
    ]


def _is_repeatable(attributes: Attributes, inputs: Sequence[Tensor]) -> bool:
    """Whether a normalisation has its own mean, or is LayerNormalization as Keras 2 writes it.

    The latter is that of one image, of which every vector is a channel. That a network mixes no
    images is tried where it is run for the first time.
    """
    if not attributes.flag("is_training", default=True):
        return True
    shape = inputs[0].shape if inputs else None
    is_of_one = shape is not None and len(shape) == 4 and shape[0] == shape[3] == 1
    return is_of_one and attributes.text("data_format") == "NCHW"


def _n_outputs(op: str, attributes: Attributes) -> int:
    if op in NORMALISATIONS:
        return 6
    count = {"Split": "num_split", "SplitV": "num_split", "Unpack": "num", "ShapeN": "N"}.get(op)
    if count is not None:
        return max(0, min(attributes.number(count), 10_000))
    return 2 if op == "TopKV2" else 1


def _types(op: str, attributes: Attributes, inputs: Sequence[Tensor]) -> list[int]:
    """The type of numbers of each output, or of all."""
    if op in COMPARISONS:
        return [BOOL]
    if op == "Cast":
        return [attributes.data_type("DstT")]
    if op in ("Shape", "ShapeN", "Size"):
        return [attributes.data_type("out_type", INT32)]
    if op in ("ArgMax", "ArgMin"):
        return [attributes.data_type("output_type", INT64)]
    if op == "Rank":
        return [INT32]
    if op == "TopKV2":
        return [inputs[0].data_type, attributes.data_type("index_type", INT32)]
    if op in ("ResizeBilinear", "ResizeBicubic", "ResizeArea"):
        return [1]
    at = {"Select": 1, "SelectV2": 1, "Fill": 1, "Concat": 1, "Split": 1, "OneHot": 2}.get(op, 0)
    at = 1 if op == "Conv2DBackpropInput" else at
    return [inputs[at].data_type]


def _values(
    op: str,
    attributes: Attributes,
    inputs: Sequence[Tensor],
    shapes: Sequence[tuple[int, ...] | None],
    types: Sequence[int],
) -> list[Any]:
    """What the outputs are, where that is known."""
    unknown = [None] * len(shapes)
    if any(shape is None or math.prod(shape) > MAX_KNOWN for shape in shapes):
        return unknown
    if any(data_type not in DTYPES or data_type == BFLOAT16 for data_type in types):
        return unknown
    made = computed(op, attributes, inputs)
    if made is None or len(made) != len(shapes):
        return unknown
    dtype = DTYPES[types[0]]
    with np.errstate(all="ignore"):
        arrays = [np.asarray(each).astype(dtype) for each in made]
    fitting = zip(arrays, shapes, strict=True)
    return [array if array.shape == shape else None for array, shape in fitting]
