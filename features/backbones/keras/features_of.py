"""Which layers of a Keras model can be features, which is taken, and what it does with pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..described import Value
from ..layer_pooling import usual_pooling
from ..output_names import EMBEDDINGS, LOGITS, N_CLASSES
from .graph import Shapes, Step, Traced
from .settings import Activation

if TYPE_CHECKING:
    from collections.abc import Iterator

_CLASSIFY = ("softmax", "sigmoid", "log_softmax")
_ANY = (None, "linear")
_AFTER_LOGITS = ("Identity", "Flatten", "Reshape", "ops.Reshape", "ops.Squeeze")
_POOLS = ("GlobalAveragePooling2D", "AveragePooling2D", "ops.Mean", "ReLU", "Activation")
_MOVES = (
    "Identity",
    "Resizing",
    "CenterCrop",
    "ZeroPadding2D",
    "Cropping2D",
    "ops.GetItem",
    "ops.Stack",
    "ops.Concatenate",
)
_FACTORS = ("ops.Multiply", "ops.Divide", "ops.TrueDivide")
_SUMS = ("ops.Add", "ops.Subtract")


def values_of(shapes: Shapes, is_channels_first: bool) -> list[Value]:
    """What the layers make that are called once, from input to output."""
    return [
        Value(
            step.name, "", step.layer.said, step.made, True, not is_channels_first or _is_list(step)
        )
        for step in shapes.steps
        if step.is_only
    ]


def _is_list(step: Step) -> bool:
    return len(step.made) != 3


def taken(shapes: Shapes, size_px: int) -> str:
    """The name of the layer that is taken where none is chosen; empty if there is none.

    An output that is named as features are; else one that gives no classes; else what the layer
    that gives the classes is computed from.
    """
    steps = {step.name: step for step in shapes.steps if step.layer.model is None}
    outputs = [output.step for output in shapes.outputs if output.step]
    usable = [name for name in outputs if steps[name].is_only and _usable(steps[name], size_px)]
    for name in EMBEDDINGS:
        for output in usable:
            if output.lower().rsplit("/")[-1] == name:
                return output
    befores = {name: _before_classes(name, steps, size_px) for name in usable}
    plain = [name for name in usable if befores[name] is None]
    if plain:
        return min(plain, key=lambda name: len(steps[name].made))
    return next((before for before in befores.values() if before), "")


def _usable(step: Step, size_px: int) -> bool:
    return bool(usual_pooling(step.made, size_px, True))


def _sources(value: Any) -> Iterator[str]:
    if isinstance(value, Traced):
        yield value.step
    elif isinstance(value, list):
        for each in value:
            yield from _sources(each)


def _before_classes(output: str, steps: dict[str, Step], size_px: int) -> str | None:
    """What the classes are computed from, if an output is classes; else None."""
    n_outputs = steps[output].made[-1]
    said = n_outputs in N_CLASSES or any(name in output.lower() for name in LOGITS)
    name = output
    while (step := steps.get(name)) and len(sources := [*_sources(step.given)]) == 1:
        layer = step.layer
        chosen = layer.settings.get("activation")
        function = chosen.name if isinstance(chosen, Activation) else chosen
        said = said or function in _CLASSIFY or layer.kind in ("Softmax", "ops.Softmax")
        if layer.kind == "Dense" and function in (*_ANY, *_CLASSIFY):
            has_bias = layer.settings.get("use_bias", True)
            return _behind(sources[0], steps, size_px) if said or has_bias else None
        if layer.kind == "Conv2D":
            is_last = said and step.made[-1] == n_outputs
            return _behind(sources[0], steps, size_px) if is_last else None
        is_between = layer.kind in _AFTER_LOGITS or (said and layer.kind in (*_POOLS, "Softmax"))
        if not is_between and layer.kind != "ops.Softmax":
            return None
        name = sources[0]
    return None


def _behind(name: str, steps: dict[str, Step], size_px: int) -> str | None:
    """The layer itself, before what does nothing, and before what makes one long list of a map."""
    while (step := steps.get(name)) and (
        step.layer.kind == "Identity"
        or (step.layer.kind == "Flatten" and not _usable(step, size_px))
    ):
        sources = [*_sources(step.given)]
        if len(sources) != 1 or not sources[0]:
            break
        name = sources[0]
    return name or None


def scales_pixels(shapes: Shapes) -> bool:
    """Whether the network itself brings pixels from 0 to 255 to the range that it was trained on.

    It does if all that becomes of the picture begins with a layer that makes such numbers small.
    """
    pixels, scaled = {""}, False
    for step in shapes.steps:
        sources = [*_sources(step.given)]
        if not pixels.intersection(sources) or step.layer.model is not None:
            continue
        if _makes_small(step):
            scaled = True
        elif step.layer.kind in _MOVES:
            pixels.add(step.name)
        else:
            return False  # it takes them as they are
    return scaled


def _makes_small(step: Step) -> bool:
    kind, settings = step.layer.kind, step.layer.settings
    constants = [each for given in step.given for each in _numbers(given)]
    if kind == "Rescaling":
        return max(_numbers(settings.get("scale")), default=1, key=abs) <= 0.1
    if kind == "Normalization":
        return max(_numbers(settings.get("mean")), default=0, key=abs) > 1.5
    if kind == "ops.Multiply":
        return bool(constants) and max(map(abs, constants)) <= 0.1
    if kind in _FACTORS:
        return bool(constants) and min(map(abs, constants)) >= 10
    return kind in _SUMS and bool(constants) and max(map(abs, constants)) > 1.5


def _numbers(value: Any) -> list[float]:
    if isinstance(value, int | float):
        return [value]
    if isinstance(value, list):
        return [number for each in value for number in _numbers(each)]
    return []
