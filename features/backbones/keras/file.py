"""A network in a file of Keras of somebody's own, ``.keras`` or ``.h5``.

Nothing of the file is read in this process: `process` reads its structure in another, without
Keras, and `building` makes the network in a third. The classes, functions and settings that it may
have are listed in `known_layers`, `known_operations` and `settings`; Keras is given no names, code
or files of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....errors import EngineError, in_brief
from ....untrusted.files import require_regular
from ..described import Description, Value, ask_apart, backbone_of, layers_of, require_size
from ..weights import Weights

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ..opening import Layers
    from ..registry import Backbone
    from ..spec import ExtractorSpec

BUILDS_APART = True
OF_KERAS = True

_PROCESS = f"{__package__}.process"
_FLOATS = ("float32", "float16", "bfloat16", "float64")


def open_file(path: Path, spec: ExtractorSpec) -> tuple[Backbone, Weights]:
    """See the docstring of the room.

    Raises
    ------
    UsageError
        When a setting means nothing to the network, or one that it needs is missing.
    EngineError
        When the file is damaged, or holds what no network for pictures needs.
    """
    about = _described(path, spec.size_px)
    backbone = backbone_of(path, about, spec, "keras", ".keras.file")
    return backbone, Weights(path.name, path)


def layers(path: Path, spec: ExtractorSpec) -> Layers:
    """The layers that can be chosen.

    Shapes are those for pictures of the size in `spec`, or that of the file; where it takes any
    size, of 224 px.

    Raises
    ------
    UsageError, EngineError
        As `open_file`.
    """
    return layers_of(_described(path, spec.size_px), spec)


def build(backbone: Backbone, weights: Weights, precision: str) -> Callable[[Any], Any]:
    """See the docstring of the room; it computes in float32.

    Raises
    ------
    EngineError
        When the file is damaged, or no longer what it was.
    """
    from .building import built

    assert weights.path is not None
    try:
        return built(weights.path, backbone)
    except Exception as error:  # whatever Keras raises
        raise EngineError(
            f"{weights.path} cannot be an extractor: {in_brief(error, 500)}"
        ) from error


def _described(path: Path, size_px: int | None) -> Description:
    try:
        n_bytes = require_regular(path)
    except (OSError, ValueError) as error:
        raise EngineError(f"{path} cannot be an extractor: {in_brief(error, 500)}") from error
    sent = ask_apart(_PROCESS, "describe", path, size_px or 0, more_bytes=n_bytes)
    require_size(path, sent["fixed"], size_px)
    values = [Value(*value) for value in sent["values"]]
    return Description(
        sent["size_px"],
        sent["fixed"] is None,
        sent["dtype"] not in _FLOATS,
        {value.name: value for value in values},
        sent["taken"],
        [],
        None,
        sent["scales_pixels"],
    )
