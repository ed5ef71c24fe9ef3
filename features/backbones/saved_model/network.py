"""The network of a SavedModel: what takes the picture, what it gives, and every step between."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .checkpoint import INDEX, Checkpoint
from .flattening import Flattened, Node
from .operators import HANDLES
from .shapes import Tensor, shapes_of
from .signatureless import call_of
from .structure import Attributes, MetaGraph
from .tensors import DTYPES, FLOATS, INT32, RESOURCE, UINT8
from .variables import restored

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from .checkpoint import Entry
    from .flattening import Ref
    from .structure import Signature, TensorInfo

_PREFERRED = ("serving_default", "default", "serve")
_PICTURE_TYPES = (*FLOATS, UINT8, INT32)


class Picture(NamedTuple):
    """The input that takes pictures."""

    name: str
    """Of its node."""
    is_channels_last: bool
    data_type: int
    size_px: tuple[int, int] | None
    """(height, width), where the file fixes them."""


class Network:
    """What is computed from pictures when a SavedModel is called.

    Parameters
    ----------
    data
        The bytes of ``saved_model.pb``.
    located
        Finds a file by its name in the folder; raises ValueError where it is outside of it.

    Raises
    ------
    ValueError
        When it is damaged, or holds what a network for pictures does not.
    """

    def __init__(self, data: memoryview, located: Callable[[str], Path]) -> None:
        self._graph = MetaGraph(data)
        self.reader = self._graph.reader
        self.version = self._graph.version
        self.checkpoint = Checkpoint(located) if located(INDEX).exists() else None
        self._flattened = Flattened(self._graph)
        self._keys: dict[str, str] = {}
        self.outputs: dict[str, Ref] = {}
        """What it gives, by name."""
        name, inputs = self._begin()
        self.picture = _picture_of(name, inputs)
        self.nodes: Mapping[str, Node] = self._flattened.nodes
        """By name, in the order of computation."""
        self.aliases: Mapping[str, Ref] = self._flattened.aliases
        self.variables = self._variables()
        """Where their values are, by the names of nodes."""

    def _begin(self) -> tuple[str, dict[str, TensorInfo]]:
        """Choose what is called, and write it out."""
        signatures = self._graph.signatures
        names = [name for name in _PREFERRED if name in signatures] or list(signatures)
        if len(signatures) > 1 and names[0] not in _PREFERRED:
            raise ValueError(
                f"it has several signatures, none of which is serving_default: "
                f"{', '.join(name[:60] for name in names[:8])}"
            )
        if names:
            return names[0], self._call_signature(signatures[names[0]])
        return "__call__", self._call_object()

    def _call_signature(self, signature: Signature) -> dict[str, TensorInfo]:
        given: dict[str, Ref] = {}
        for name, info in signature.inputs.items():
            node = info.tensor.split(":")[0]
            placeholder = Node(name, "Placeholder", (), {})
            given[node] = self._flattened.add(placeholder)
        own = restored(self._graph)
        handles = [name for name, node in self._graph.nodes.items() if node.op in HANDLES]
        for name in handles:
            if name in own and name not in given:
                node = self._graph.nodes[name]
                free = name if name not in self._flattened.nodes else f"variables/{name}"
                given[name] = self._flattened.add(Node(free, node.op, (), node.attributes))
                self._keys[free] = own[name]
        tensors = [info.tensor for info in signature.outputs.values()]
        refs = self._flattened.of_graph(tensors, given)
        self.outputs = dict(zip(signature.outputs, refs, strict=True))
        return dict(signature.inputs)

    def _call_object(self) -> dict[str, TensorInfo]:
        call = call_of(self._graph, self.checkpoint)
        arguments = [self._flattened.add(Node(name, "Placeholder", (), {})) for name in call.inputs]
        for name, key in call.variables:
            if key:
                free = f"variables/{name}"
                arguments.append(self._flattened.add(Node(free, "VarHandleOp", (), {})))
                self._keys[free] = key
            else:
                arguments += self._flattened.of_graph([name], {})
        refs = self._flattened.of_function(call.function, arguments)
        self.outputs = {f"output_{at}": ref for at, ref in enumerate(refs)}
        return call.inputs

    def _variables(self) -> dict[str, Entry]:
        used = {name for node in self.nodes.values() for name, _ in node.inputs}
        used |= {name for name, _ in self.outputs.values()}
        entries: dict[str, Entry] = {}
        for name in used & self._keys.keys():
            if self.checkpoint is None:
                raise ValueError(f"its variables are missing: there is no {INDEX}")
            entries[name] = self.checkpoint.entry(self._keys[name])
        return entries

    def shapes(self, size_px: int, n_images: int) -> dict[str, list[Tensor]]:
        """What each node makes of so many pictures of this size."""
        given = {
            name: Tensor(entry.data_type, entry.shape) for name, entry in self.variables.items()
        }
        of = self.picture
        sides = (size_px, size_px)
        shape = (n_images, *sides, 3) if of.is_channels_last else (n_images, 3, *sides)
        given[of.name] = Tensor(of.data_type, shape)
        unused = self._keys.keys() - self.variables.keys()
        nodes = [node for node in self.nodes.values() if node.name not in unused]
        inputs = {node.name for node in nodes if node.op == "Placeholder"} - {of.name}
        needed = {name for node in nodes for name, _ in node.inputs}
        nodes = [node for node in nodes if node.name not in inputs - needed]
        return shapes_of(nodes, self.reader, given)

    def attributes(self, node: Node) -> Attributes:
        """The attributes of a node."""
        return Attributes(self.reader, node.attributes)

    def of_picture(self) -> set[str]:
        """The nodes that are computed from the picture, in some way."""
        found = {self.picture.name}
        for node in self.nodes.values():
            if any(name in found for name, _ in node.inputs):
                found.add(node.name)
        return found


def _picture_of(name: str, inputs: Mapping[str, TensorInfo]) -> Picture:
    found = [picture for each, info in inputs.items() if (picture := _as_picture(each, info))]
    if len(found) == 1:
        return found[0]
    shown = ", ".join(f"{each[:60]} {_in_words(info)}" for each, info in list(inputs.items())[:6])
    raise ValueError(
        f"{len(found)} of the inputs of {name} take pictures, (n, height, width, 3), not "
        f"one: its inputs are {shown or 'none'}"
    )


def _as_picture(name: str, info: TensorInfo) -> Picture | None:
    shape = info.shape
    if info.data_type not in _PICTURE_TYPES or shape is None or len(shape) != 4:
        return None
    is_last = shape[3] == 3 or (shape[3] is None and shape[1] != 3)
    if not is_last and shape[1] != 3:
        return None
    if shape[0] not in (None, 1):
        raise ValueError(
            f"its input {name!r} takes exactly {shape[0]} images; expected 1 or any number"
        )
    height, width = shape[1:3] if is_last else shape[2:4]
    height, width = height or width, width or height
    size_px = None if height is None or width is None else (height, width)
    return Picture(name, is_last, info.data_type, size_px)


def _in_words(info: TensorInfo) -> str:
    if info.data_type not in DTYPES:
        return "(text)" if info.data_type != RESOURCE else "(a variable)"
    if info.shape is None:
        return "(of any shape)"
    return f"({', '.join('?' if size is None else str(size) for size in info.shape)})"
