"""Going through a model from its input to its outputs: shapes before, tensors later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from .calls import Ref, refs_of
from .known_layers import KNOWN
from .known_operations import OPERATIONS
from .structure import INPUT

if TYPE_CHECKING:
    from collections.abc import Callable

    from .calls import Call
    from .structure import Layer, Model

SEPARATOR = "/"
"""Between the name of a model inside of another and that of its layer."""

MAX_NUMBERS = 1 << 28
"""In what one layer makes of one image."""
_MAX_CALLS = 20_000


class Step(NamedTuple):
    """A call of a layer that has been made."""

    name: str
    """With those of the models that it is in."""
    layer: Layer
    given: list[Any]
    """With what it was called."""
    made: Any
    is_only: bool
    """Whether it is the only call of its layer."""


class Walk:
    """Calls the layers of a model, in an order in which each has what it needs.

    Parameters
    ----------
    apply
        Calls a layer: it is given its name, the layer, arguments and keywords.
    apply_model
        Calls a model inside of another: it is given its name, the layer and one value, and returns
        its outputs; by default, its layers are called.
    """

    def __init__(
        self,
        apply: Callable[[str, Layer, list[Any], dict[str, Any]], Any],
        apply_model: Callable[[str, Layer, Any], list[Any]] | None = None,
    ) -> None:
        self._apply, self._apply_model = apply, apply_model
        self.steps: list[Step] = []

    def run(self, model: Model, value: Any, prefix: str = "") -> list[Any]:
        """What a model makes of its one input: its outputs.

        Raises
        ------
        ValueError
            When some of its layers need what nothing makes.
        """
        if len(model.inputs) != 1:
            raise ValueError(
                f"its model {model.name[:80]!r} has {len(model.inputs)} inputs, not one"
            )
        made: dict[Ref, Any] = {model.inputs[0]: value}
        waiting = [
            (layer, number)
            for layer in model.layers
            if layer.kind != INPUT
            for number in range(len(layer.calls))
        ]
        while waiting:
            left: list[tuple[Layer, int]] = []
            for layer, number in waiting:
                call = layer.calls[number]
                if not all(ref in made for ref in refs_of(call)):
                    left.append((layer, number))
                    continue
                outputs = self._called(layer, call, made, prefix)
                for place, output in enumerate(outputs):
                    made[Ref(layer.name, number, place)] = output
            if len(left) == len(waiting):
                raise ValueError(
                    f"its layer {left[0][0].name[:80]!r} needs what no layer makes, or itself"
                )
            waiting = left
        if missing := [ref for ref in model.outputs if ref not in made]:
            raise ValueError(f"nothing computes the output of {missing[0].layer[:80]!r}")
        return [made[ref] for ref in model.outputs]

    def _called(self, layer: Layer, call: Call, made: dict[Ref, Any], prefix: str) -> list[Any]:
        if len(self.steps) >= _MAX_CALLS:
            raise ValueError(f"its layers are called more than {_MAX_CALLS:,} times")
        args = [_filled(each, made) for each in call.args]
        kwargs = {name: _filled(each, made) for name, each in call.kwargs.items()}
        name = prefix + layer.name
        if layer.model is not None:
            if len(args) == 1 and isinstance(args[0], list) and len(args[0]) == 1:
                args = args[0]
            if len(args) != 1 or isinstance(args[0], list) or kwargs:
                raise ValueError(f"its model {name[:80]!r} is not called with one value")
            if self._apply_model is None:
                outputs = self.run(layer.model, args[0], name + SEPARATOR)
            else:
                outputs = self._apply_model(name, layer, args[0])
        else:
            outputs = [self._apply(name, layer, args, kwargs)]
        self.steps.append(Step(name, layer, args, outputs[0], len(layer.calls) == 1))
        return outputs


class Traced(tuple[int, ...]):
    """The shape of what a step makes of one image."""

    step: str
    """Its name; empty for the picture."""


class Shapes:
    """What the layers of a model make of a picture, and how many numbers their weights are.

    Parameters
    ----------
    model
        The model.
    shape
        Of the picture.

    Raises
    ------
    ValueError
        When a layer cannot be called as it is, or would make absurdly many numbers.
    """

    def __init__(self, model: Model, shape: tuple[int, ...]) -> None:
        self._n_numbers: dict[str, int] = {}
        walk = Walk(self._shaped)
        self.outputs: list[Traced] = walk.run(model, _traced(shape, ""))
        self.steps = walk.steps
        self.n_numbers = sum(self._n_numbers.values())

    def _shaped(self, name: str, layer: Layer, args: list[Any], kwargs: dict[str, Any]) -> Traced:
        made = _made(name, layer, args, kwargs)
        self._n_numbers[name] = made.n_numbers
        return _traced(made.shape, name)


def _traced(shape: tuple[int, ...], step: str) -> Traced:
    traced = Traced(shape)
    traced.step = step
    return traced


def _made(name: str, layer: Layer, args: list[Any], kwargs: dict[str, Any]) -> Any:
    where = f"its layer {name[:80]!r}"
    try:
        if layer.kind.startswith("ops."):
            made = OPERATIONS[layer.kind[4:]].rule(layer.settings, *args, **kwargs)
        else:
            known = KNOWN[layer.kind]
            if known.takes_several:
                (given,) = args
                args = given if isinstance(given, list) else [given]
            made = known.rule(layer.settings, *args, **kwargs)
        if not all(isinstance(n, int) and n > 0 for n in made.shape):
            raise ValueError(f"would make {made.shape}")
    except (KeyError, TypeError, IndexError, AttributeError, OverflowError) as error:
        raise ValueError(f"{where} ({layer.kind}) cannot be called as it is") from error
    except ValueError as error:
        raise ValueError(f"{where} ({layer.kind}) {error}") from error
    n_numbers = 1
    for n in made.shape:
        n_numbers *= n
    if n_numbers > MAX_NUMBERS or made.n_numbers > MAX_NUMBERS * 8:
        raise ValueError(f"{where} would be of shape {made.shape}")
    return made


def _filled(value: Any, made: dict[Ref, Any]) -> Any:
    if isinstance(value, Ref):
        return made[value]
    return [_filled(each, made) for each in value] if isinstance(value, list) else value
