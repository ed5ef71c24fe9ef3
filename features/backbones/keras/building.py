"""Making the network of a file with Keras: its layers by our own list, its weights as arrays."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from ..described import poolings_of
from ..layer_pooling import CLS, pooled_axes
from .container import opened
from .finite import require_finite
from .graph import SEPARATOR, Walk
from .known_layers import KNOWN, layer_class
from .known_operations import applied
from .process import picture_of, sound_shapes
from .settings import HARD_SIGMOID_OF_KERAS_2, Activation

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..registry import Backbone
    from .container import Container
    from .structure import Layer, Model

_WITHOUT_FORMAT = ("ZeroPadding1D",)
"""In some versions of Keras."""
_TENSORS_IN_LISTS = ("ops.Concatenate", "ops.Stack", "ops.GetItem")


def built(path: Path, backbone: Backbone) -> Callable[[Any], Any]:
    """What makes of scaled pixels (n, height, width, 3) the features (n, width).

    Raises
    ------
    ValueError
        When the weights are not those of the layers, or not finite.
    """
    with opened(path) as container:
        picture = picture_of(container.model)
        sound_shapes(container, picture, backbone.input_size_px)
        made = _Made()
        model = made.model(container.model, picture.shape(backbone.input_size_px), "")
        if container.is_by_name:
            _load_by_name(container, made)
        else:
            _load_by_kind(container, model)
        require_finite(model)
        structure = container.model

    def network(values: Any) -> Any:
        if picture.is_channels_first:
            values = keras.ops.transpose(values, (0, 3, 1, 2))
        walk = Walk(made.applied)
        walk.run(structure, values)
        found = {step.name: step.made for step in walk.steps}
        parts = [
            _pooled(found[name], pooling, backbone.input_size_px, picture.is_channels_first)
            for name, pooling in poolings_of(backbone)
        ]
        features: Any = keras.ops.concatenate(parts, axis=-1) if len(parts) > 1 else parts[0]
        if features.shape[-1] != backbone.width:
            raise ValueError(f"it makes {features.shape[-1]} features, not {backbone.width}")
        return features

    return network


def _pooled(values: Any, pooling: str, size_px: int, is_channels_first: bool) -> Any:
    shape = tuple(values.shape[1:])
    axes = pooled_axes(shape, size_px, not is_channels_first or len(shape) != 3)
    if pooling == CLS:
        return values[:, 0]
    return keras.ops.mean(values, axes) if axes else values


class _Made:
    """The layers of a model, each made once."""

    def __init__(self) -> None:
        self.layers: dict[str, Any] = {}

    def model(self, structure: Model, shape: Any, prefix: str) -> Any:
        """A model of Keras, whose layers are made as they are called."""
        value = keras.Input(shape, dtype="float32")

        def called(name: str, layer: Layer, args: list[Any], kwargs: dict[str, Any]) -> Any:
            return self.applied(prefix + name, layer, args, kwargs)

        def called_model(name: str, layer: Layer, value: Any) -> list[Any]:
            assert layer.model is not None
            path = prefix + name
            if path not in self.layers:
                self.layers[path] = self.model(layer.model, value.shape[1:], path + SEPARATOR)
            outputs = self.layers[path](value)
            return outputs if isinstance(outputs, list) else [outputs]

        outputs = Walk(called, called_model).run(structure, value)
        if structure.kind == "Sequential":
            layers = [self.layers[prefix + layer.name] for layer in structure.layers if layer.calls]
            return keras.Sequential([value, *layers])
        return keras.Model(value, outputs if len(outputs) > 1 else outputs[0])

    def applied(self, name: str, layer: Layer, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """What a layer makes of tensors."""
        if layer.kind.startswith("ops."):
            if layer.kind not in _TENSORS_IN_LISTS:
                args = [
                    np.array(each, np.float32) if isinstance(each, list) else each for each in args
                ]
            return applied(layer.kind[4:], layer.settings, args)
        if name not in self.layers:
            self.layers[name] = layer_class(layer.kind)(**_settings(layer), dtype="float32")
        return self.layers[name](*args, **kwargs, **_not_training(layer))


def _not_training(layer: Layer) -> dict[str, Any]:
    return {"training": False} if layer.kind in ("BatchNormalization", "MultiHeadAttention") else {}


def _settings(layer: Layer) -> dict[str, Any]:
    """What decides how a layer computes, also where Keras would look into files of its user."""
    settings = {key: _value(each) for key, each in layer.settings.items()}
    if "data_format" in KNOWN[layer.kind].settings and settings.get("data_format") is None:
        settings.pop("data_format", None)
        if layer.kind not in _WITHOUT_FORMAT:
            settings["data_format"] = "channels_last"
    return settings


def _value(setting: Any) -> Any:
    if not isinstance(setting, Activation):
        return setting
    if setting == HARD_SIGMOID_OF_KERAS_2:
        return _hard_sigmoid_of_keras_2
    if setting.settings is None:
        return setting.name
    return layer_class(setting.name)(**dict(setting.settings))


def _hard_sigmoid_of_keras_2(values: Any) -> Any:
    return keras.ops.clip(keras.ops.add(keras.ops.multiply(values, 0.2), 0.5), 0.0, 1.0)


def _load_by_name(container: Container, made: _Made) -> None:
    """Weights under the names of layers, those of a model inside of another together."""
    for layer in container.model.layers:
        variables = _in_order(layer, made, container.is_of_keras_2)
        if not variables:
            continue
        arrays = container.of_layer(layer.name)
        shapes = [tuple(array.shape) for array in arrays]
        expected = [tuple(variable.shape) for variable in variables]
        if shapes != expected:
            raise ValueError(
                f"the weights of its layer {layer.name[:80]!r} are of the shapes {shapes[:6]}; "
                f"expected {expected[:6]}"
            )
        for variable, array in zip(variables, arrays, strict=True):
            variable.assign(array)
    for layer in made.layers.values():
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()  # which computes with copies of its weights


def _in_order(layer: Layer, made: _Made, is_of_keras_2: bool) -> list[Any]:
    """The weights of a layer, as both versions write them: those that are trained come first.

    Keras 2 has this order within each model inside of another, Keras 3 only at the end, and not
    where the whole is frozen.
    """

    def found(layer: Layer, prefix: str) -> list[tuple[bool, Any]]:
        path = prefix + layer.name
        if layer.model is None:
            held = made.layers.get(path)
            if held is None:
                return []
            trained = [(layer.trainable, each) for each in held.trainable_weights]
            return trained + [(False, each) for each in held.non_trainable_weights]
        inner = [each for one in layer.model.layers for each in found(one, path + SEPARATOR)]
        if not is_of_keras_2:
            return inner
        inner.sort(key=lambda each: not each[0])
        return [(layer.trainable and is_trained, each) for is_trained, each in inner]

    held = found(layer, "")
    if is_of_keras_2 or layer.trainable:
        held.sort(key=lambda each: not each[0])
    return [each for _, each in held]


def _load_by_kind(container: Container, model: Any) -> None:
    """Weights as Keras 3 orders them, in a new file with nothing but these arrays."""
    with tempfile.TemporaryDirectory(prefix="bottlebank-") as folder:
        file = Path(folder) / "network.weights.h5"
        container.weights.copy(file, without=("optimizer",))
        model.load_weights(file)
