"""What is known of a network in a file of somebody's own, and what is chosen of it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import EngineError, UsageError, in_brief
from ...untrusted.isolation import DiedError, FailedError, isolated_reader
from .layer_pooling import (
    AS_IT_IS,
    CLS,
    IN_DOUBT,
    MEAN_OVER_PIXELS,
    MEAN_OVER_TOKENS,
    joined,
    usual_pooling,
    width_of,
)
from .opening import Layer, Layers
from .registry import SCALINGS, Backbone, PixelScaling, find_scaling, nearest
from .spec import SettingError
from .weights import IMAGENET

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from .spec import ExtractorSpec


_MAX_NAMED = 8
_MORE_BYTES = 1 << 30
"""Address space that libraries take in a process that reads."""


class Value(NamedTuple):
    """What a node computes from the picture."""

    name: str
    node: str
    """Another name, by which it may be chosen too; empty for none."""
    kind: str
    """What it computes, in the words of the file."""
    shape: Sequence[int]
    """For one image, without the axis of images."""
    takes_many: bool
    """Whether it computes several images at once."""
    is_last: bool | None = None
    """Whether the last axis is that of features, else the first; None: as the shape says."""


class Description(NamedTuple):
    """What a file says of its network."""

    size_px: int
    is_any_size: bool
    is_8_bit: bool
    """Whether its input is 8-bit pixels."""
    values: Mapping[str, Value]
    """What can be chosen, by name, from input to output."""
    taken: str
    """Which of them, where nothing is; empty where that cannot be told."""
    files: Sequence[Path]
    """Others that belong to it."""
    scaling: PixelScaling | None
    """How pixels become its input, where the file says it."""
    is_scaling: bool = False
    """Whether the network scales pixels itself."""


def ask_apart(
    process: str, function: str, path: Path, *arguments: str | int, more_bytes: int
) -> dict[str, Any]:
    """What a function sends that reads a file of somebody's own, in a process of its own.

    Parameters
    ----------
    process, function
        The module, and its function; see `isolated_reader`.
    path, arguments
        Given to it.
    more_bytes
        Memory that it may take for the file, beside what its libraries take.

    Raises
    ------
    EngineError
        When it refuses the file, or dies.
    """
    sent: dict[str, Any] = {}
    try:
        with isolated_reader(
            process, function, str(path), *arguments, more_bytes=_MORE_BYTES + more_bytes
        ) as messages:
            for message in messages:
                sent.update(message.about)
    except (FailedError, DiedError) as error:
        raise EngineError(f"{path} cannot be an extractor: {in_brief(error, 500)}") from error
    return sent


def backbone_of(
    path: Path, about: Description, spec: ExtractorSpec, constructor: str, module: str
) -> Backbone:
    """The network with the layers, size and scaling that are chosen.

    Parameters
    ----------
    path, about
        The file, and what it says.
    spec
        What is chosen.
    constructor, module
        As `Backbone` has them.

    Raises
    ------
    UsageError
        When a setting means nothing to the network, or one that it needs is missing.
    """
    if spec.weights != IMAGENET:
        raise SettingError.of(
            "weights", f"the weights of {path.name} are in it; --weights has no meaning"
        )
    if about.is_any_size and spec.size_px is None:
        raise UsageError(
            f"{path.name} takes pictures of any size: choose that which it was trained for with "
            f"--size, such as --size 224"
        )
    chosen = _chosen(path, about, spec)
    poolings = [_pooling(value, about, spec.pooling) for value in chosen]
    if spec.pooling is not None and not {CLS, MEAN_OVER_TOKENS, MEAN_OVER_PIXELS} & {*poolings}:
        raise SettingError.of(
            "pooling",
            f"{' and '.join(value.name for value in chosen)} of {path.name} is one vector for each "
            f"image; --pooling has no meaning",
        )
    if spec.pooling == "cls" and CLS not in poolings:
        raise SettingError.of(
            "pooling",
            f"{path.name}: {' and '.join(value.name for value in chosen)} is a map without a class "
            f"token",
        )
    for value, pooling in zip(chosen, poolings, strict=True):
        if not pooling:
            raise UsageError(
                f"the layer {value.name} of {path.name} makes {tuple(value.shape)} of one image, "
                f"which cannot become one vector"
            )
    return Backbone(
        path.name,
        constructor,
        about.size_px,
        sum(width_of(value.shape, about.size_px, value.is_last) for value in chosen),
        _scaling(path, about, spec.scaling),
        pooling=joined(poolings),
        module=module,
        layers=tuple(value.name for value in chosen),
    )


def poolings_of(backbone: Backbone) -> list[tuple[str, str]]:
    """The layers of a network in a file, each with how it becomes one vector.

    Raises
    ------
    ValueError
        When it has no layers, or other poolings than one for each of them or one for all.
    """
    poolings = backbone.pooling.split(", ")
    if len(poolings) == 1:
        poolings *= len(backbone.layers)
    is_known = {*poolings} <= {CLS, MEAN_OVER_TOKENS, MEAN_OVER_PIXELS, AS_IT_IS}
    if not (backbone.layers and is_known and len(poolings) == len(backbone.layers)):
        raise ValueError(
            f"no pooling of {len(backbone.layers)} layers: {in_brief(repr(backbone.pooling), 200)}"
        )
    return list(zip(backbone.layers, poolings, strict=True))


def layers_of(about: Description, spec: ExtractorSpec) -> Layers:
    """The layers that can be chosen."""
    found = [
        Layer(
            value.name,
            value.kind,
            tuple(value.shape),
            usual_pooling(value.shape, about.size_px, value.is_last),
            value.name == about.taken,
        )
        for value in about.values.values()
    ]
    scales_none = about.is_8_bit or about.is_scaling
    scaling = SCALINGS["none"] if scales_none else about.scaling
    if scaling is None and spec.scaling is not None:
        scaling = find_scaling(spec.scaling)
    return Layers(found, about.size_px, scaling, about.is_any_size and spec.size_px is None)


def hint_at(name: str, known: Collection[str], more: Collection[str] = ()) -> str:
    """The names that are nearest to one that is not known, as a question; else all, of a few.

    `more` holds other names of the same, which are hinted at alone.
    """
    near = nearest(name, {**dict.fromkeys(known), **dict.fromkeys(more)})
    if near:
        return f"did you mean {' or '.join(near)}? "
    return f"it has {in_brief(', '.join(known), 200)}; " if 0 < len(known) <= _MAX_NAMED else ""


def require_size(path: Path, fixed: Sequence[int] | None, size_px: int | None) -> None:
    """Refuse pictures that are not square, and another size than that which a file fixes.

    Parameters
    ----------
    path
        The file.
    fixed
        (height, width), where it fixes them.
    size_px
        What is chosen.

    Raises
    ------
    EngineError
        When pictures would not be square.
    UsageError
        When another size is chosen.
    """
    if fixed is None:
        return
    height, width = fixed
    if height != width:
        raise EngineError(
            f"{path} cannot be an extractor: it takes pictures of {height}×{width} px, not "
            f"square ones"
        )
    if size_px not in (None, height):
        raise SettingError.of(
            "size", f"{path.name} takes pictures of {height} px, not of {size_px}: leave --size out"
        )


def own_scaling(path: Path, own: PixelScaling, chosen: str | None) -> PixelScaling:
    """What a file or folder says; raises SettingError where another is chosen."""
    if chosen is not None and find_scaling(chosen)[1:] != own[1:]:
        raise SettingError.of(
            "scaling", f"{path.name} says how pixels become its input: leave --scaling out"
        )
    return own


def _chosen(path: Path, about: Description, spec: ExtractorSpec) -> list[Value]:
    lists_them = f"`bottlebank extractors {shlex.quote(spec.extractor)}` lists"
    if not spec.layers:
        if not about.taken:
            raise UsageError(
                f"it is not clear which output of {path.name} holds features: name a layer with "
                f"--layer; {lists_them} them"
            )
        return [about.values[about.taken]]
    of_nodes = {value.node: value for value in about.values.values() if value.node}
    known = {**of_nodes, **about.values}
    for name in spec.layers:
        if name not in known:
            raise SettingError.of(
                "layer",
                f"{path.name} has no layer {in_brief(repr(name))} of known shape: "
                f"{hint_at(name, about.values, of_nodes)}{lists_them} its layers",
            )
    return [known[name] for name in spec.layers]


def _pooling(value: Value, about: Description, chosen: str | None) -> str:
    usual = usual_pooling(value.shape, about.size_px, value.is_last)
    if usual in (CLS, MEAN_OVER_TOKENS, IN_DOUBT) and chosen is not None:
        return {"cls": CLS, "mean": MEAN_OVER_TOKENS}[chosen]
    if usual == IN_DOUBT:
        raise UsageError(
            f"the layer {value.name} makes {tuple(value.shape)} of one image, which does not say "
            f"whether a class token is the first: choose it with --pooling cls, or the mean of "
            f"all with --pooling mean"
        )
    return usual


def _scaling(path: Path, about: Description, chosen: str | None) -> PixelScaling:
    """As the file says it, else as chosen; never guessed, since no error would show it wrong."""
    if chosen is not None:
        scaling = find_scaling(chosen)
        if about.is_8_bit and scaling[2:] != SCALINGS["none"][2:]:
            raise SettingError.of(
                "scaling", f"{path.name} takes pixels of 8 bits: leave --scaling out"
            )
        if about.is_scaling and scaling[1:] != SCALINGS["none"][1:]:
            raise SettingError.of(
                "scaling", f"{path.name} scales pixels itself: leave --scaling out"
            )
        if about.scaling is not None and not about.is_8_bit:
            return own_scaling(path, about.scaling, chosen)
        return scaling
    if about.is_8_bit or about.is_scaling:
        return SCALINGS["none"]
    if about.scaling is None:
        raise UsageError(
            f"{path.name} does not say how pixels become its input: choose it with --scaling, such "
            f"as torch (most networks of PyTorch), tf (-1 to 1), 0,1 (0 to 1) or none (0 to 255)"
        )
    return about.scaling
