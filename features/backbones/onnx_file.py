"""A network in an ONNX file of somebody's own.

Nothing of the file is read in this process: `onnx_process` does that in another, and refuses what
reaches outside of the file and its folder, or has no bound.
"""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import EngineError, UsageError, in_brief
from ...untrusted.files import require_regular
from ...untrusted.isolation import DiedError, FailedError, isolated_reader
from .layer_pooling import CLS, MEAN_OVER_PIXELS, MEAN_OVER_TOKENS, usual_pooling, width_of
from .opening import Layer
from .registry import SCALINGS, Backbone, PixelScaling, find_scaling
from .weights import IMAGENET, Weights

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .spec import ExtractorSpec

_PROCESS = f"{__package__}.onnx_process"
_MORE_BYTES = 1 << 30
_UINT8 = 2
# What the standard's metadata of pictures says of their numbers, as `find_scaling` has it.
_RANGE, _FORMAT = "Image.NominalPixelRange", "Image.BitmapPixelFormat"
_RANGES = {"NominalRange_0_255": "none", "Normalized_0_1": "0,1", "Normalized_1_1": "tf"}


class _Value(NamedTuple):
    """As `onnx_layers.Value`."""

    name: str
    node: str
    kind: str
    shape: Sequence[int]
    takes_many: bool


class _Description(NamedTuple):
    """What `onnx_process.describe` sends."""

    size_px: int
    is_any_size: bool
    is_8_bit: bool
    values: Mapping[str, _Value]
    taken: str
    files: Sequence[Path]
    metadata: Mapping[str, str]


def open_file(path: Path, spec: ExtractorSpec) -> tuple[Backbone, Weights]:
    """See the docstring of the room.

    Raises
    ------
    UsageError
        When a setting means nothing to the network, or one that it needs is missing.
    EngineError
        When the file is damaged, or holds what no network for pictures needs.
    """
    if spec.weights != IMAGENET:
        raise UsageError(f"the weights of {path.name} are in it; weights has no meaning")
    about = _described(path, spec.size_px)
    if about.is_any_size and spec.size_px is None:
        raise UsageError(
            f"{path.name} takes pictures of any size: choose that which it was trained for with "
            f"--size, such as --size 224"
        )
    chosen = _chosen(path, about, spec.layers)
    poolings = [_pooling(value, about, spec.pooling) for value in chosen]
    if spec.pooling is not None and not {CLS, MEAN_OVER_TOKENS, MEAN_OVER_PIXELS} & {*poolings}:
        raise UsageError(
            f"{' and '.join(value.name for value in chosen)} of {path.name} is one vector for each "
            f"image; pooling has no meaning"
        )
    for value, pooling in zip(chosen, poolings, strict=True):
        if not pooling:
            raise UsageError(
                f"the layer {value.name} of {path.name} makes {tuple(value.shape)} of one image, "
                f"which is no list of vectors"
            )
    backbone = Backbone(
        path.name,
        "onnx",
        about.size_px,
        sum(width_of(value.shape, about.size_px) for value in chosen),
        _scaling(path, about, spec.scaling),
        pooling=_joined(poolings),
        module=".onnx_file",
        layers=tuple(value.name for value in chosen),
    )
    return backbone, Weights(path.name, path, more=tuple(about.files))


def layers(path: Path, spec: ExtractorSpec) -> list[Layer]:
    """The layers of a network that can be chosen, from input to output.

    Shapes are those for pictures of the size in `spec`, or that of the file; where it takes any
    size, of 224 px.

    Raises
    ------
    UsageError, EngineError
        As `open_file`.
    """
    about = _described(path, spec.size_px)
    return [
        Layer(
            value.name,
            value.kind,
            tuple(value.shape),
            usual_pooling(value.shape, about.size_px),
            value.name == about.taken,
        )
        for value in about.values.values()
    ]


def write_onnx(backbone: Backbone, weights: Weights, folder: Path) -> None:
    """See the docstring of the room.

    Raises
    ------
    EngineError
        When the file is damaged, or no longer what it was.
    """
    assert weights.path is not None
    poolings = backbone.pooling.split(", ")
    if len(poolings) == 1:
        poolings *= len(backbone.layers)
    settings = {
        "size_px": backbone.input_size_px,
        "channels": backbone.scaling.channels,
        "scale": backbone.scaling.scale,
        "offset": backbone.scaling.offset,
        "layers": list(zip(backbone.layers, poolings, strict=True)),
    }
    n_bytes = sum(path.stat().st_size for path in (weights.path, *weights.more))
    file = folder / "network.onnx"
    _call("write", weights.path, str(file), json.dumps(settings), more_bytes=8 * n_bytes)


def _call(function: str, path: Path, *arguments: str | int, more_bytes: int) -> dict[str, Any]:
    """What a function of `onnx_process` sends."""
    sent: dict[str, Any] = {}
    try:
        with isolated_reader(
            _PROCESS, function, str(path), *arguments, more_bytes=_MORE_BYTES + more_bytes
        ) as messages:
            for message in messages:
                sent.update(message.about)
    except (FailedError, DiedError) as error:
        raise EngineError(f"{path} cannot be an extractor: {in_brief(error, 500)}") from error
    return sent


def _described(path: Path, size_px: int | None) -> _Description:
    try:
        n_bytes = require_regular(path)
    except (OSError, ValueError) as error:
        raise EngineError(f"{path} cannot be an extractor: {error}") from error
    sent = _call("describe", path, size_px or 0, more_bytes=n_bytes)
    _, _, data_type, fixed = sent["picture"]
    if fixed is not None:
        height, width = fixed
        if height != width:
            raise EngineError(
                f"{path} cannot be an extractor: it takes pictures of {height}×{width} px, not "
                f"square ones"
            )
        if size_px not in (None, height):
            raise UsageError(
                f"{path.name} takes pictures of {height} px, not of {size_px}: leave --size out"
            )
    values = (_Value(*value) for value in sent["values"])
    return _Description(
        sent["size_px"],
        fixed is None,
        data_type == _UINT8,
        {value.name: value for value in values},
        sent["taken"],
        [Path(file) for file in sent["files"]],
        sent["metadata"],
    )


def _chosen(path: Path, about: _Description, names: Sequence[str]) -> list[_Value]:
    if not names:
        if not about.taken:
            raise UsageError(
                f"no output of {path.name} can be told to be features: name a layer with --layer; "
                f"`bottlebank extractors {path.name}` lists them"
            )
        return [about.values[about.taken]]
    of_nodes = {value.node: value for value in about.values.values() if value.node}
    known = {**of_nodes, **about.values}
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3)
            hint = f"did you mean {' or '.join(near)}? " if near else ""
            raise UsageError(
                f"{path.name} has no layer {in_brief(repr(name))} whose shape for one image is "
                f"known: {hint}`bottlebank extractors {path.name}` lists its layers"
            )
    return [known[name] for name in names]


def _pooling(value: _Value, about: _Description, chosen: str | None) -> str:
    usual = usual_pooling(value.shape, about.size_px)
    if usual in (CLS, MEAN_OVER_TOKENS) and chosen is not None:
        return {"cls": CLS, "mean": MEAN_OVER_TOKENS}[chosen]
    if usual == MEAN_OVER_PIXELS and chosen == "cls":
        raise UsageError(f"the layer {value.name} is a map without a class token")
    return usual


def _joined(poolings: Sequence[str]) -> str:
    return poolings[0] if len({*poolings}) == 1 else ", ".join(poolings)


def _scaling(path: Path, about: _Description, chosen: str | None) -> PixelScaling:
    """As chosen, else as the file says it; never guessed, since no error would show it wrong."""
    if chosen is not None:
        scaling = find_scaling(chosen)
        if about.is_8_bit and scaling[2:] != SCALINGS["none"][2:]:
            raise UsageError(f"{path.name} takes pixels of 8 bits: leave --scaling out")
        return scaling
    if about.is_8_bit:
        return SCALINGS["none"]
    words = _RANGES.get(about.metadata.get(_RANGE, ""))
    if words is None:
        raise UsageError(
            f"{path.name} does not say how pixels become its input: choose it with --scaling, such "
            f"as torch (most networks of PyTorch), tf (-1 to 1), 0,1 (0 to 1) or none (0 to 255)"
        )
    is_bgr = "bgr" in about.metadata.get(_FORMAT, "").lower()
    return find_scaling(words)._replace(channels="BGR" if is_bgr else "RGB")
