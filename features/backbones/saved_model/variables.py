"""Which of the names in ``variables/`` is the value of which variable.

A SavedModel says it as a program that restores them. It is read here, and never run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .operators import CALLS, HANDLES
from .structure import Attributes
from .tensors import read_strings
from .wire import text_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .structure import MetaGraph, RawNode

OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"
"""The name in ``variables/`` under which the objects are that own variables."""

_ASSIGNS = ("Assign", "AssignVariableOp")
_MAX_DEPTH = 8


def restored(graph: MetaGraph) -> dict[str, str]:
    """The variables of a graph, by the names of their nodes: under which name each value is.

    Raises
    ------
    ValueError
        When they are not simply read from files.
    """
    if not graph.restore_op:
        return {}
    own = {name: name for name, node in graph.nodes.items() if node.op in HANDLES}
    running = _before(graph.nodes, [graph.restore_op.split(":")[0]])
    found: dict[str, str] = {}
    _Restoring(graph, graph.nodes, found, 0).collect(running, own)
    return found


def _before(nodes: Mapping[str, RawNode], names: list[str]) -> list[RawNode]:
    """Nodes, and all that run before them."""
    seen: dict[str, RawNode] = {}
    to_see = list(names)
    while to_see:
        name = to_see.pop()
        if name in seen or name not in nodes:
            continue
        seen[name] = nodes[name]
        to_see += map(_node_of, nodes[name].inputs)
    return list(seen.values())


class _Restoring:
    """The graph, or a function of it, that restores variables."""

    def __init__(
        self, graph: MetaGraph, nodes: Mapping[str, RawNode], found: dict[str, str], depth: int
    ) -> None:
        if depth > _MAX_DEPTH:
            raise ValueError("what restores its variables is nested too deep")
        self._graph, self._nodes, self._found, self._depth = graph, nodes, found, depth
        self._lists: dict[str, list[str]] = {}

    def collect(self, running: Sequence[RawNode], handles: Mapping[str, str]) -> None:
        """Note what nodes assign to variables, which `handles` names."""
        for node in running:
            if node.op in _ASSIGNS and len(node.inputs) > 1:
                variable = handles.get(_node_of(node.inputs[0]))
                key = self._key(node.inputs[1])
                if variable is not None and key is not None:
                    self._found[variable] = key
            elif node.op in CALLS:
                name = Attributes(self._graph.reader, node.attributes).function("f")
                function = self._graph.function(name)
                given = zip(function.arguments, map(_node_of, node.inputs), strict=False)
                inner = {to: handles[by] for to, by in given if by in handles}
                within = list(function.nodes.values())
                deeper = self._depth + 1
                _Restoring(self._graph, function.nodes, self._found, deeper).collect(within, inner)

    def _key(self, text: str) -> str | None:
        """Under which name a value is read from files; None where it is not read from one."""
        for _ in range(_MAX_DEPTH):
            name, *more = text.split(":")
            node = self._nodes.get(name)
            if node is None or not node.inputs:
                return None
            if node.op == "RestoreV2" and len(node.inputs) > 2:
                at = int(more[-1]) if more and more[-1].isdecimal() else 0
                names, slices = map(self._texts, node.inputs[1:3])
                if at >= len(names) or at >= len(slices):
                    raise ValueError("what restores its variables is damaged")
                if slices[at]:
                    raise ValueError(f"its variable {names[at][:80]!r} is in parts, not supported")
                return names[at]
            if node.op != "Identity":
                return None
            text = node.inputs[0]
        return None

    def _texts(self, text: str) -> list[str]:
        name = _node_of(text)
        if name not in self._lists:
            node = self._nodes.get(name)
            if node is None or node.op != "Const":
                raise ValueError("what restores its variables is not a list of names")
            tensor = Attributes(self._graph.reader, node.attributes).tensor("value")
            self._lists[name] = [
                text_of(memoryview(each)) for each in read_strings(self._graph.reader, tensor)
            ]
        return self._lists[name]


def _node_of(text: str) -> str:
    return text.removeprefix("^").split(":")[0]
