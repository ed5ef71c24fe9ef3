"""From what can be called in a SavedModel to one list of operators, its functions written out."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .operators import CALLS, GATHERS_VARIABLE, LEFT_OUT, PASSING, output_index, require_known
from .structure import Attributes
from .tensors import INT32, constant_bytes
from .wire import field

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from .structure import MetaGraph, RawNode

MAX_NODES = 20_000
_MAX_DEPTH = 50
_MAX_NAME = 400

_INT32 = memoryview(field(6, INT32))

Ref = tuple[str, int]
"""An output of a node, by name and number."""


class Node(NamedTuple):
    """An operator."""

    name: str
    op: str
    inputs: tuple[Ref, ...]
    attributes: Mapping[str, memoryview]


class Flattened:
    """The operators that some values of a graph are computed from, in order.

    Attributes
    ----------
    nodes
        By name.
    aliases
        Names of nodes that only pass on a value, and that value.
    """

    def __init__(self, graph: MetaGraph) -> None:
        self.nodes: dict[str, Node] = {}
        self.aliases: dict[str, Ref] = {}
        self._graph = graph
        self._n_written = 0

    def of_graph(self, tensors: Sequence[str], given: Mapping[str, Ref]) -> list[Ref]:
        """Take in tensors of the graph itself.

        Parameters
        ----------
        tensors
            As ``node:0``.
        given
            Nodes that are not computed, but taken from elsewhere: name to what stands for them.

        Raises
        ------
        ValueError
            When an operator is unknown, or something has no bound.
        """
        self._require_known(self._graph.nodes, tensors, given)
        values = {(name, 0): ref for name, ref in given.items()}
        return self._written(_Scope(self._graph.nodes, ""), tensors, values, ())

    def of_function(self, name: str, arguments: Sequence[Ref]) -> list[Ref]:
        """Take in the results of a function."""
        self._require_known_functions([name])
        return self._called(name, arguments, "", ())

    def add(self, node: Node) -> Ref:
        """Add a node that stands for something; its name is its own."""
        self.nodes[node.name] = node
        return node.name, 0

    def _require_known(
        self, nodes: Mapping[str, RawNode], tensors: Iterable[str], given: Mapping[str, Ref]
    ) -> None:
        """Whatever would run for these tensors, be it only before or beside what they need."""
        to_see = [_node_of(tensor) for tensor in tensors]
        seen = {*given}
        functions: list[str] = []
        while to_see:
            name = to_see.pop()
            if name in seen:
                continue
            seen.add(name)
            node = _found(nodes, name)
            functions += self._called_by(node)
            to_see += [_node_of(each) for each in node.inputs]
        self._require_known_functions(functions)

    def _require_known_functions(self, names: Sequence[str]) -> None:
        to_see, seen = list(names), set()
        while to_see:
            name = to_see.pop()
            if name not in seen:
                seen.add(name)
                for node in self._graph.function(name).nodes.values():
                    to_see += self._called_by(node)

    def _called_by(self, node: RawNode) -> list[str]:
        """The functions that a node calls, which may be none; it is of a kind that is known."""
        if self._graph.has_function(node.op):
            return [node.op]
        require_known(node.op)
        attributes = Attributes(self._graph.reader, node.attributes)
        if node.op in CALLS:
            return [attributes.function("f")]
        if node.op not in LEFT_OUT and (name := attributes.refers()):
            raise ValueError(f"its node {node.name[:80]!r} has a function as its {name[:80]!r}")
        return []

    def _called(
        self, name: str, arguments: Sequence[Ref], prefix: str, callers: tuple[str, ...]
    ) -> list[Ref]:
        if name in callers:
            raise ValueError(f"its function {name[:80]!r} calls itself")
        if len(callers) > _MAX_DEPTH:
            raise ValueError(f"its functions are nested more than {_MAX_DEPTH} deep")
        function = self._graph.function(name)
        if len(arguments) != len(function.arguments):
            raise ValueError(f"its function {name[:80]!r} is called with {len(arguments)} inputs")
        values = {
            (argument, 0): ref for argument, ref in zip(function.arguments, arguments, strict=True)
        }
        scope = _Scope(function.nodes, prefix)
        return self._written(scope, function.results, values, (*callers, name))

    def _written(
        self,
        scope: _Scope,
        tensors: Sequence[str],
        values: Mapping[Ref, Ref],
        callers: tuple[str, ...],
    ) -> list[Ref]:
        """Write out what tensors of a scope are computed from, and return what they are."""
        known = dict(values)
        names: dict[str, str] = {}

        def value(ref: Ref) -> Ref:
            if ref in known:
                return known[ref]
            if ref[0] in names:
                return names[ref[0]], ref[1]
            raise ValueError(f"one of its nodes needs what nothing computes: {ref[0][:80]!r}")

        for node in scope.ordered(tensors, {name for name, _ in values}):
            self._n_written += 1
            if self._n_written > MAX_NODES:
                raise ValueError(f"it has more than {MAX_NODES:,} nodes")
            inputs = tuple(map(value, scope.refs(node.inputs)))
            called = self._called_by(node)
            if called:
                prefix = f"{scope.prefix}{node.name}/"
                results = self._called(called[0], inputs, prefix, callers)
                known.update({(node.name, at): ref for at, ref in enumerate(results)})
            elif node.op in PASSING:
                known.update({(node.name, at): ref for at, ref in enumerate(inputs)})
                self.aliases.setdefault(node.name, inputs[0])
            else:
                name = names[node.name] = self._free_name(node.name, scope.prefix)
                self._add(Node(name, node.op, inputs, node.attributes))
        return list(map(value, scope.refs(tensors)))

    def _add(self, node: Node) -> None:
        if node.op == GATHERS_VARIABLE:  # as of a tensor, which the variable becomes
            axis = f"{node.name}/axis"
            tensor = field(8, constant_bytes(np.array(0), INT32))
            self.nodes[axis] = Node(
                axis, "Const", (), {"value": memoryview(tensor), "dtype": _INT32}
            )
            names = {"dtype": "Tparams", "Tindices": "Tindices", "batch_dims": "batch_dims"}
            given = node.attributes
            attributes = {names[key]: value for key, value in given.items() if key in names}
            inputs = (*node.inputs, (axis, 0))
            node = Node(node.name, "GatherV2", inputs, {**attributes, "Taxis": _INT32})
        self.nodes[node.name] = node

    def _free_name(self, name: str, prefix: str) -> str:
        """The name of a node, with that of the call it is in only where two are equal."""
        name = name[-_MAX_NAME:]
        for candidate in (name, f"{prefix}{name}"[-_MAX_NAME:]):
            if candidate not in self.nodes:
                return candidate
        number = 1
        while f"{name}_{number}" in self.nodes:
            number += 1
        return f"{name}_{number}"


class _Scope:
    """The graph, or a function of it, in which inputs are named."""

    def __init__(self, nodes: Mapping[str, RawNode], prefix: str) -> None:
        self.prefix = prefix
        self._nodes = nodes

    def _ref(self, text: str) -> Ref | None:
        """The value that an input names; None where it only says what has to be done before."""
        if text.startswith("^"):
            return None
        name, *more = text.split(":")
        if not more:
            return name, 0
        if len(more) > 2 or not more[-1].isdecimal() or len(more[-1]) > 6:
            raise ValueError(f"one of its nodes has an input that is not a value: {text[:80]!r}")
        if len(more) == 1:
            return name, int(more[0])
        return name, output_index(_found(self._nodes, name).op, more[0], int(more[1]))

    def refs(self, texts: Sequence[str]) -> list[Ref]:
        """The values that inputs name."""
        return [ref for text in texts if (ref := self._ref(text)) is not None]

    def ordered(self, tensors: Sequence[str], held: set[str]) -> Iterator[RawNode]:
        """What the tensors are computed from, each after what it needs itself."""
        done, begun = set(held), set()
        stack = [name for name, _ in self.refs(tensors)][::-1]
        while stack:
            name = stack[-1]
            if name in done:
                stack.pop()
                continue
            node = _found(self._nodes, name)
            needed = [each for each, _ in self.refs(node.inputs) if each not in done]
            if name in begun:
                if needed:
                    raise ValueError(f"its node {name[:80]!r} needs itself")
                stack.pop()
                done.add(name)
                yield node
            else:
                begun.add(name)
                if any(each in begun for each in needed):
                    raise ValueError(f"its node {name[:80]!r} needs itself")
                stack += needed[::-1]


def _found(nodes: Mapping[str, RawNode], name: str) -> RawNode:
    if name not in nodes:
        raise ValueError(f"one of its nodes needs what nothing computes: {name[:80]!r}")
    return nodes[name]


def _node_of(tensor: str) -> str:
    return tensor.removeprefix("^").split(":")[0]
