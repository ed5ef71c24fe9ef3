"""What a ``saved_model.pb`` says: its graph, its functions, and what it offers to be called.

The messages and their numbers are those of SavedModel, MetaGraphDef, GraphDef, FunctionDef and
NodeDef in TensorFlow's sources. A function is read when it is first needed: most are for training.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from .tensors import read_shape
from .wire import Reader, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_SERVING = ("serve",)


class RawNode:
    """A node as the file has it."""

    def __init__(
        self, reader: Reader, name: str, op: str, inputs: list[str], entries: list[memoryview]
    ) -> None:
        self.name, self.op, self.inputs = name, op, inputs
        self._reader, self._entries = reader, entries

    @cached_property
    def attributes(self) -> dict[str, memoryview]:
        """By name, as messages AttrValue. Those of most nodes are never needed."""
        reader = self._reader
        return {reader.text(entry, 1): reader.message(entry, 2) for entry in self._entries}


class Function(NamedTuple):
    """A function of the library."""

    arguments: list[str]
    results: list[str]
    """Which value each output is, as inputs of its nodes are named."""
    nodes: dict[str, RawNode]


class TensorInfo(NamedTuple):
    """An input or output that can be called by name."""

    tensor: str
    """Of the graph."""
    data_type: int
    shape: tuple[int | None, ...] | None


class Signature(NamedTuple):
    """What can be called."""

    inputs: Mapping[str, TensorInfo]
    outputs: Mapping[str, TensorInfo]


class MetaGraph:
    """The graph of a SavedModel that is meant for serving.

    Parameters
    ----------
    data
        The file.

    Raises
    ------
    ValueError
        When it is none, or damaged.
    """

    def __init__(self, data: memoryview) -> None:
        self.reader = Reader()
        message = self._chosen(data)
        graph = self.reader.message(message, 2)
        self._nodes_message = graph
        self.version = self.reader.message(graph, 4)
        """Of TensorFlow's operators, as a message."""
        self._nodes: dict[str, RawNode] | None = None
        self.restore_op = self.reader.text(self.reader.message(message, 3), 3)
        self.objects = self.reader.message(message, 7)
        self.signatures = {
            name: self._signature(each)
            for name, each in self.reader.pairs(message, 5).items()
            if not name.startswith("__saved_model_")
        }
        self._functions: dict[str, Function] = {}
        self._unread: dict[str, memoryview] = {}
        for each in self.reader.messages(self.reader.message(graph, 2), 1):
            name = self._name_of(each)
            if name in self._unread:
                raise ValueError(f"two of its functions are called {name[:80]!r}")
            self._unread[name] = each

    def _chosen(self, data: memoryview) -> memoryview:
        """Of several graphs, that for serving, else that without a purpose of its own."""
        found: dict[tuple[str, ...], memoryview] = {}
        for each in self.reader.messages(data, 2):
            tags = self.reader.texts(self.reader.message(each, 1), 4)
            found[tuple(sorted(tags))] = each
        for tags in (_SERVING, ()):
            if tags in found:
                return found[tags]
        if len(found) == 1:
            return next(iter(found.values()))
        if not found:
            raise ValueError("it is not a SavedModel, or an empty one")
        names = ", ".join("+".join(tags)[:80] for tags in list(found)[:6])
        raise ValueError(f"none of its graphs is for serving: they are for {names}")

    @property
    def nodes(self) -> dict[str, RawNode]:
        """The nodes of the graph, by name."""
        if self._nodes is None:
            self._nodes = self._named(self.reader.messages(self._nodes_message, 1))
        return self._nodes

    def has_function(self, name: str) -> bool:
        """Whether the library has a function of this name."""
        return name in self._unread

    def function(self, name: str) -> Function:
        """A function of the library.

        Raises
        ------
        ValueError
            When there is none of this name, or it is damaged.
        """
        if name not in self._functions:
            if name not in self._unread:
                raise ValueError(f"it calls a function that it does not have: {name[:80]!r}")
            self._functions[name] = self._read_function(self._unread[name])
        return self._functions[name]

    def _name_of(self, function: memoryview) -> str:
        for number, _, value in self.reader.fields(function):
            if number == 1 and isinstance(value, memoryview):
                return self.reader.text(value, 1)
        return ""

    def _read_function(self, message: memoryview) -> Function:
        signature = self.reader.message(message, 1)
        arguments = [self.reader.text(each, 1) for each in self.reader.messages(signature, 2)]
        outputs = [self.reader.text(each, 1) for each in self.reader.messages(signature, 3)]
        entries = self.reader.messages(message, 4)
        returns = {self.reader.text(entry, 1): self.reader.text(entry, 2) for entry in entries}
        if returns.keys() != {*outputs} or len({*arguments}) != len(arguments):
            raise ValueError("one of its functions is damaged")
        return Function(
            arguments,
            [returns[name] for name in outputs],
            self._named(self.reader.messages(message, 3)),
        )

    def _named(self, messages: list[memoryview]) -> dict[str, RawNode]:
        nodes: dict[str, RawNode] = {}
        for message in messages:
            node = self._node(message)
            if node.name in nodes:
                raise ValueError(f"two of its nodes are called {node.name[:80]!r}")
            nodes[node.name] = node
        return nodes

    def _node(self, message: memoryview) -> RawNode:
        texts: dict[int, list[memoryview]] = {1: [], 2: [], 3: [], 5: []}
        for number, _, value in self.reader.fields(message):
            if number in texts and isinstance(value, memoryview):
                texts[number].append(value)
        name, op, inputs = ([text_of(each) for each in texts[key]] for key in (1, 2, 3))
        if len(name) != 1 or len(op) != 1:
            raise ValueError("one of its nodes has no name or no operator")
        return RawNode(self.reader, name[0], op[0], inputs, texts[5])

    def _signature(self, message: memoryview) -> Signature:
        inputs, outputs = (
            {
                name: self._tensor_info(each)
                for name, each in sorted(self.reader.pairs(message, number).items())
            }
            for number in (1, 2)
        )
        return Signature(inputs, outputs)

    def _tensor_info(self, message: memoryview) -> TensorInfo:
        return TensorInfo(
            self.reader.text(message, 1),
            self.reader.number(message, 2),
            read_shape(self.reader, self.reader.message(message, 3)),
        )


class Attributes:
    """The attributes of a node, by name."""

    def __init__(self, reader: Reader, messages: Mapping[str, memoryview]) -> None:
        self._reader, self._messages = reader, messages

    def __contains__(self, name: str) -> bool:
        return name in self._messages

    def _message(self, name: str) -> memoryview:
        return self._messages.get(name, memoryview(b""))

    def number(self, name: str, default: int = 0) -> int:
        """A whole number."""
        return self._reader.number(self._message(name), 3) if name in self else default

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Yes or no."""
        return bool(self._reader.number(self._message(name), 5)) if name in self else default

    def data_type(self, name: str, default: int = 0) -> int:
        """A type of numbers."""
        return self._reader.number(self._message(name), 6) if name in self else default

    def text(self, name: str, default: str = "") -> str:
        """A text."""
        return self._reader.text(self._message(name), 2) if name in self else default

    def numbers(self, name: str, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        """A list of whole numbers."""
        if name not in self:
            return default
        found = self._reader.numbers(self._reader.message(self._message(name), 1), 3)
        return tuple(each - (1 << 64) if each >= 1 << 63 else each for each in found)

    def shape(self, name: str) -> tuple[int | None, ...] | None:
        """A shape."""
        return read_shape(self._reader, self._reader.message(self._message(name), 7))

    def tensor(self, name: str) -> memoryview:
        """A tensor, as a message."""
        return self._reader.message(self._message(name), 8)

    def function(self, name: str) -> str:
        """The name of a function."""
        return self._reader.text(self._reader.message(self._message(name), 10), 1)

    def refers(self) -> str:
        """The name of an attribute that is a function or stands for another; empty if none does."""
        for name, message in self._messages.items():
            for number, _, value in self._reader.fields(message):
                if number in (9, 10):
                    return name
                if (
                    number == 1
                    and isinstance(value, memoryview)
                    and self._reader.messages(value, 9)
                ):
                    return name
        return ""
