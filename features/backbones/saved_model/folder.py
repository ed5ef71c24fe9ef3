"""The extractor in a SavedModel, as `features.backbones` has kinds of files.

Nothing of the folder is read in this process: `process` does that in another.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ....errors import EngineError, in_brief
from ....untrusted.files import require_regular
from ..described import (
    Description,
    Value,
    ask_apart,
    backbone_of,
    layers_of,
    poolings_of,
    require_size,
)
from ..registry import Backbone, find_scaling
from ..weights import Weights

if TYPE_CHECKING:
    from pathlib import Path

    from ..opening import Layers
    from ..spec import ExtractorSpec

BUILDS_APART = True

_GRAPH = "saved_model.pb"
_PROCESS = f"{__package__}.process"


def open_file(path: Path, spec: ExtractorSpec) -> tuple[Backbone, Weights]:
    """Read which network a folder holds; nothing is run.

    Raises
    ------
    UsageError
        When a setting means nothing to the network, or one that it needs is missing.
    EngineError
        When a file is damaged, or holds what no network for pictures needs.
    """
    about, layers = _described(path, spec)
    spec = spec._replace(layers=tuple(layers))
    backbone = backbone_of(path, about, spec, "saved_model", ".saved_model.folder")
    name = path.resolve().name
    weights = Weights(name, path / _GRAPH, more=tuple(about.files))
    return backbone._replace(name=name), weights


def layers(path: Path, spec: ExtractorSpec) -> Layers:
    """The layers that can be chosen."""
    return layers_of(_described(path, spec)[0], spec)


def build(backbone: Backbone, weights: Weights, precision: str) -> Any:
    """See the docstring of `features.backbones`.

    Raises
    ------
    EngineError
        When the folder is damaged, or no longer what it was.
    """
    from .running import running

    if precision != "float32":
        raise EngineError(f"a SavedModel is not computed in {precision} by TensorFlow")
    assert weights.path is not None
    try:
        return running(weights.path.parent, backbone.input_size_px, poolings_of(backbone))
    except (OSError, ValueError) as error:
        path = weights.path.parent
        raise EngineError(f"{path} cannot be an extractor: {in_brief(error, 500)}") from error


def _described(path: Path, spec: ExtractorSpec) -> tuple[Description, list[str]]:
    """What a folder says, and what the layers that are asked for are called in it."""
    try:
        n_bytes = require_regular(path / _GRAPH)
    except (OSError, ValueError) as error:
        raise EngineError(f"{path} cannot be an extractor: {_GRAPH} is {error}") from error
    asked = json.dumps(spec.layers)
    sent = ask_apart(_PROCESS, "describe", path, spec.size_px or 0, asked, more_bytes=n_bytes)
    require_size(path, sent["fixed_px"], spec.size_px)
    values = (Value(*value) for value in sent["values"])
    about = Description(
        sent["size_px"],
        sent["fixed_px"] is None,
        sent["is_8_bit"],
        {value.name: value for value in values},
        sent["taken"],
        [path / name for name in sent["files"]],
        find_scaling(sent["scaling"]) if sent["scaling"] else None,
    )
    return about, sent["layers"]
