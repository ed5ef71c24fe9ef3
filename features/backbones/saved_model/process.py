"""Reading SavedModels, in a process of its own: see `isolation.isolated_reader`."""

from __future__ import annotations

import json
import mmap
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ....untrusted.files import open_regular, require_regular
from .frozen_graph import MAX_BYTES
from .layers import name_of, resolved, taken, values_of
from .network import Network
from .said_scaling import said_scaling
from .tensors import UINT8

if TYPE_CHECKING:
    from ....untrusted.isolation import Send

GRAPH = "saved_model.pb"

_DESCRIBED_WITHIN_S = 2.0
"""Each of two steps."""
_ANY_SIZE_PX = 224


def describe(send: Send, folder: str, size_px: int, layers: str) -> None:
    """Send what a folder holds.

    Parameters
    ----------
    send
        Is given ``size_px``, ``fixed_px`` (height and width, if they are), ``is_8_bit``, ``values``
        (each a `described.Value`), ``taken`` (which value, if none is chosen), ``files`` (that hold
        weights), ``scaling`` (as `registry.find_scaling` has it; empty for unknown) and ``layers``
        (what those that are asked for are called).
    folder
        The folder.
    size_px
        Height and width of pictures; 0: as the file has it, or 224 where it takes any.
    layers
        Names of layers, as JSON.
    """
    send({}, next_s=_DESCRIBED_WITHIN_S)
    network = read(Path(folder))
    fixed = network.picture.size_px
    size_px = size_px or (fixed or (_ANY_SIZE_PX,))[0]
    send({}, next_s=_DESCRIBED_WITHIN_S)
    values = values_of(network, size_px)
    named = {value.name: value for value in values}
    aliases = {name: name_of(ref) for name, ref in network.aliases.items()}
    aliases |= {name: name_of(ref) for name, ref in network.outputs.items()}
    entries = network.variables.values()
    files = network.checkpoint.files(entries) if network.checkpoint else []
    send(
        {
            "size_px": size_px,
            "fixed_px": fixed,
            "is_8_bit": network.picture.data_type == UINT8,
            "values": values,
            "taken": taken(network, named, size_px),
            "files": files,
            "scaling": said_scaling(network),
            "layers": resolved(json.loads(layers), values, aliases),
        }
    )


def read(folder: Path) -> Network:
    """The network of a folder.

    Raises
    ------
    ValueError
        When a file is damaged, or holds what no network for pictures needs.
    """
    path = located(folder, GRAPH)
    n_bytes = require_regular(path)
    if not 0 < n_bytes <= MAX_BYTES:
        raise ValueError(f"{GRAPH} has {n_bytes:,} bytes; expected 1 to {MAX_BYTES:,}")
    with open_regular(path) as file:
        data = memoryview(mmap.mmap(file.fileno(), n_bytes, access=mmap.ACCESS_READ))
    return Network(data, lambda name: located(folder, name))


def located(folder: Path, name: str) -> Path:
    """A file of the folder.

    A link may only lead to where one at ``saved_model.pb`` leads, as in the caches of model hubs.

    Raises
    ------
    ValueError
        When it leads elsewhere.
    """
    path = folder / name
    real = Path(os.path.realpath(path))
    allowed = (
        Path(os.path.realpath(folder)),
        Path(os.path.realpath(folder / GRAPH)).parent,
    )
    if name != GRAPH and not any(real.is_relative_to(place) for place in allowed):
        raise ValueError(f"{name} is a link that leads away")
    return path
