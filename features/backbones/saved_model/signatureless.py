"""What can be called in a SavedModel without signatures, as many of TensorFlow Hub are.

Its objects are a graph of their own, SavedObjectGraph. The one at its root has ``__call__``, which
has been traced for some shapes and settings; that which infers is taken. Its variables are found in
``variables/`` by the names that lead to them, in this graph and in that of the checkpoint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .structure import TensorInfo
from .tensors import read_shape
from .variables import OBJECTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .checkpoint import Checkpoint
    from .structure import MetaGraph

_MAX_OBJECTS = 100_000
_NOTHING = (
    "it has no signature and no __call__ that takes pictures: export it with a signature "
    "serving_default"
)


class Call(NamedTuple):
    """A function that can be called, and what it takes."""

    function: str
    inputs: dict[str, TensorInfo]
    variables: list[tuple[str, str]]
    """Behind the inputs: the name of each, and under which name its value is in ``variables/``;
    empty for a constant, which is in the graph under its name."""


def call_of(graph: MetaGraph, checkpoint: Checkpoint | None) -> Call:
    """The function that is called, and what it takes.

    Raises
    ------
    ValueError
        When there is none that takes pictures.
    """
    reader = graph.reader
    objects = reader.messages(graph.objects, 1)
    if not objects or len(objects) > _MAX_OBJECTS:
        raise ValueError(_NOTHING)
    children = _Children(graph, objects)
    at = children.of(0).get("__call__")
    names = [] if at is None else reader.texts(reader.message(objects[at], 6), 1)
    functions = reader.pairs(graph.objects, 2)
    found: list[tuple[int, str, dict[str, TensorInfo]]] = []
    for name in names:
        if name not in functions:
            raise ValueError("its objects are damaged")
        given = list(_arguments(graph, reader.message(functions[name], 3)))
        inputs = {each.name: each.info for each in given if each.info is not None}
        is_training = any(each.is_true for each in given)
        if not is_training and inputs:
            n_fixed = sum(size is not None for info in inputs.values() for size in info.shape or ())
            found.append((n_fixed, name, inputs))
    if not found:
        raise ValueError(_NOTHING)
    _, name, inputs = min(found, key=lambda each: (each[0], each[1]))
    bound = reader.numbers(functions[name], 2)
    return Call(name, inputs, _Bound(graph, checkpoint, objects, children).of(bound))


class _Argument(NamedTuple):
    name: str
    info: TensorInfo | None
    """Where it is a tensor."""
    is_true: bool


def _arguments(graph: MetaGraph, message: memoryview, depth: int = 0) -> Iterator[_Argument]:
    """The leaves of a StructuredValue, in order."""
    reader = graph.reader
    if depth > 20:
        raise ValueError("its objects are nested too deep")
    for number, _, value in reader.fields(message):
        if isinstance(value, int):
            yield _Argument("", None, number == 14 and bool(value))
        elif number in (33, 35):
            shape = read_shape(reader, reader.message(value, 2))
            name = reader.text(value, 1) or "inputs"
            yield _Argument(name, TensorInfo(name, reader.number(value, 3), shape), is_true=False)
        elif number in (51, 52):
            for each in reader.messages(value, 1):
                yield from _arguments(graph, each, depth + 1)
        elif number == 53:
            for _, each in sorted(reader.pairs(value, 1).items()):
                yield from _arguments(graph, each, depth + 1)


class _Children:
    """The objects that an object owns."""

    def __init__(self, graph: MetaGraph, objects: Sequence[memoryview]) -> None:
        self._reader, self._objects = graph.reader, objects

    def of(self, at: int) -> dict[str, int]:
        """By name."""
        reader = self._reader
        found: dict[str, int] = {}
        for child in reader.messages(self._objects[at], 1):
            number = reader.number(child, 1)
            if not 0 <= number < len(self._objects):
                raise ValueError("its objects are damaged")
            found[reader.text(child, 2)] = number
        return found


class _Bound:
    """What a function takes beside its inputs."""

    def __init__(
        self,
        graph: MetaGraph,
        checkpoint: Checkpoint | None,
        objects: Sequence[memoryview],
        children: _Children,
    ) -> None:
        self._graph, self._checkpoint = graph, checkpoint
        self._objects, self._children = objects, children
        self._keys: dict[int, str] | None = None

    def of(self, numbers: Sequence[int]) -> list[tuple[str, str]]:
        """The name of each, and its name in ``variables/``."""
        reader = self._graph.reader
        found: list[tuple[str, str]] = []
        for number in numbers:
            if number >= len(self._objects):
                raise ValueError("its objects are damaged")
            of_object = {field: value for field, _, value in reader.fields(self._objects[number])}
            constant, variable = of_object.get(9), of_object.get(7)
            if isinstance(constant, memoryview):
                found.append((reader.text(constant, 1), ""))
            elif isinstance(variable, memoryview):
                if self._keys is None:
                    self._keys = self._named()
                if number not in self._keys:
                    raise ValueError("one of its variables has no value in variables/")
                found.append((str(number), self._keys[number]))
            else:
                raise ValueError("its __call__ needs more than variables, such as a table or file")
        return found

    def _named(self) -> dict[int, str]:
        """The names in ``variables/`` of all variables: by walking through both graphs at once."""
        if self._checkpoint is None:
            return {}
        reader = self._graph.reader
        saved = reader.messages(memoryview(self._checkpoint.text(OBJECTS)), 1)
        keys: dict[int, str] = {}
        to_see, seen = [(0, 0)], {(0, 0)}
        while to_see:
            here, there = to_see.pop()
            for attribute in reader.messages(saved[there], 2):
                if reader.text(attribute, 1) == "VARIABLE_VALUE":
                    keys[here] = reader.text(attribute, 3)
            owned = self._children.of(here)
            for child in reader.messages(saved[there], 1):
                name, number = reader.text(child, 2), reader.number(child, 1)
                pair = (owned.get(name, -1), number)
                if pair[0] >= 0 and 0 <= number < len(saved) and pair not in seen:
                    seen.add(pair)
                    to_see.append(pair)
        return keys
