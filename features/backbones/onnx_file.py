"""A network in an ONNX file of somebody's own.

Nothing of the file is read in this process: `onnx_process` does that in another, and refuses what
reaches outside of the file and its folder, or has no bound.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import EngineError
from ...untrusted.files import require_regular
from .described import (
    Description,
    Value,
    ask_apart,
    backbone_of,
    layers_of,
    poolings_of,
    require_size,
)
from .registry import Backbone, PixelScaling, find_scaling
from .weights import Weights

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .opening import Layers
    from .spec import ExtractorSpec

_PROCESS = f"{__package__}.onnx_process"
# What the standard's metadata of pictures says of their numbers, as `find_scaling` has it.
_RANGE, _FORMAT = "Image.NominalPixelRange", "Image.BitmapPixelFormat"
_RANGES = {"NominalRange_0_255": "none", "Normalized_0_1": "0,1", "Normalized_1_1": "tf"}


def open_file(
    path: Path, spec: ExtractorSpec, *, folder: Path | None = None
) -> tuple[Backbone, Weights]:
    """See the docstring of the room.

    Parameters
    ----------
    path, spec
        The file, and what is chosen of it.
    folder
        What was named, where that is a folder with the file in it.

    Raises
    ------
    UsageError
        When a setting means nothing to the network, or one that it needs is missing.
    EngineError
        When the file is damaged, or holds what no network for pictures needs.
    """
    about = _described(path, spec.size_px, folder)
    backbone = backbone_of(folder or path, about, spec, "onnx", ".onnx_file")
    return backbone, Weights(path.name, path, more=tuple(about.files))


def layers(path: Path, spec: ExtractorSpec, *, folder: Path | None = None) -> Layers:
    """The layers of a network that can be chosen.

    Shapes are those for pictures of the size in `spec`, or that of the file; where it takes any
    size, of 224 px.

    Raises
    ------
    UsageError, EngineError
        As `open_file`.
    """
    return layers_of(_described(path, spec.size_px, folder), spec)


def write_onnx(backbone: Backbone, weights: Weights, folder: Path) -> None:
    """See the docstring of the room.

    Raises
    ------
    EngineError
        When the file is damaged, or no longer what it was.
    """
    assert weights.path is not None
    settings = {
        "size_px": backbone.input_size_px,
        "channels": backbone.scaling.channels,
        "scale": backbone.scaling.scale,
        "offset": backbone.scaling.offset,
        "layers": poolings_of(backbone),
    }
    n_bytes = sum(path.stat().st_size for path in (weights.path, *weights.more))
    file = folder / "network.onnx"
    ask_apart(
        _PROCESS, "write", weights.path, str(file), json.dumps(settings), more_bytes=8 * n_bytes
    )


def _described(path: Path, size_px: int | None, folder: Path | None) -> Description:
    try:
        n_bytes = require_regular(path)
    except (OSError, ValueError) as error:
        raise EngineError(f"{path} cannot be an extractor: {error}") from error
    sent = ask_apart(_PROCESS, "describe", path, size_px or 0, more_bytes=n_bytes)
    fixed = sent["fixed_px"]
    require_size(folder or path, fixed, size_px)
    values = (Value(*value) for value in sent["values"])
    return Description(
        sent["size_px"],
        fixed is None,
        sent["is_8_bit"],
        {value.name: value for value in values},
        sent["taken"],
        [Path(file) for file in sent["files"]],
        _said(sent["metadata"]) if folder is None else None,
    )


def _said(metadata: Mapping[str, str]) -> PixelScaling | None:
    """How pixels become its input, in the standard's metadata of pictures."""
    words = _RANGES.get(metadata.get(_RANGE, ""))
    if words is None:
        return None
    is_bgr = "bgr" in metadata.get(_FORMAT, "").lower()
    return find_scaling(words)._replace(channels="BGR" if is_bgr else "RGB")
