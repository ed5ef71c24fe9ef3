"""How pixels become the input of a network, where the network itself says it.

A network that scales its input begins with that: a Rescaling or Normalization layer of Keras is a
product and a sum. From these it can be seen whether pixels of 0 to 255 or of 0 to 1 are expected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .tensors import DTYPES, read_tensor

if TYPE_CHECKING:
    from collections.abc import Callable

    from .flattening import Node, Ref
    from .network import Network

_THROUGH = ("Cast", "ResizeBilinear", "ReverseV2")
_MAX_STEPS = 32


def said_scaling(network: Network) -> str:
    """As `registry.find_scaling` has it; empty where the network does not say it."""
    factor, offset = _first_steps(network)
    if factor is None or offset is None:
        return ""
    with np.errstate(all="ignore"):
        unit, zero = 1 / factor, -offset / factor
    if not (np.isfinite(unit).all() and np.isfinite(zero).all() and (unit > 0).all()):
        return ""
    if np.all((zero >= 0) & (zero <= 160) & (unit >= 20) & (unit <= 256)):
        return "none"  # divided by 255, 127.5 or a deviation of 0 to 255
    if np.all((zero >= 90) & (zero <= 140) & (unit == 1)):
        return "none"  # less their mean
    if np.all((zero >= 0.3) & (zero <= 0.6) & (unit >= 0.1) & (unit <= 0.51)):
        return "0,1"
    return ""


def _first_steps(network: Network) -> tuple[np.ndarray | None, np.ndarray | None]:
    """``pixel * factor + offset``, as the network begins; None where it does not."""
    users: dict[Ref, list[Node]] = {}
    for node in network.nodes.values():
        for ref in node.inputs:
            users.setdefault(ref, []).append(node)
    factor, offset, has_begun = np.ones(1), np.zeros(1), False
    ref: Ref = (network.picture.name, 0)
    known = _constants(network)
    for _ in range(_MAX_STEPS):
        following = [node for node in users.get(ref, []) if node.op not in ("Shape", "ShapeN")]
        if len(following) != 1:
            break
        [node] = following
        if node.op not in _THROUGH:
            others = [each for each in node.inputs if each != ref]
            number = known(others[0]) if len(node.inputs) == 2 and len(others) == 1 else None
            if number is None:
                break
            is_first = node.inputs[0] == ref
            with np.errstate(all="ignore"):
                if node.op == "Mul":
                    factor, offset = factor * number, offset * number
                elif node.op in ("Add", "AddV2", "BiasAdd"):
                    offset = offset + number
                elif node.op == "Sub" and is_first:
                    offset = offset - number
                elif node.op in ("RealDiv", "Div") and is_first:
                    factor, offset = factor / number, offset / number
                else:
                    break
            has_begun = True
        ref = (node.name, 0)
    return (factor, offset) if has_begun else (None, None)


def _constants(network: Network) -> Callable[[Ref], np.ndarray | None]:
    """Reads what is one number, or one for each channel."""

    def known(ref: Ref, depth: int = 0) -> np.ndarray | None:
        node = network.nodes[ref[0]]
        value = None
        if node.name in network.variables and network.checkpoint is not None:
            entry = network.variables[node.name]
            if np.prod(entry.shape) <= 3 and entry.data_type in DTYPES:
                value = network.checkpoint.array(entry)
        elif node.op == "Const":
            constant = read_tensor(network.reader, network.attributes(node).tensor("value"), "")
            value = constant.value
        elif depth < _MAX_STEPS and node.inputs:
            inner = [known(each, depth + 1) for each in node.inputs]
            first = inner[0]
            if node.op in ("Cast", "Reshape"):
                value = first
            elif first is not None and node.op == "Sqrt":
                value = np.sqrt(np.maximum(first, 0))
            elif first is not None and node.op == "Maximum" and inner[1] is not None:
                value = np.maximum(first, inner[1])
        if value is None or value.size not in (1, 3):
            return None
        return value.astype(np.float64).ravel()

    return known
