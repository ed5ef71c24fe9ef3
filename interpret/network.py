"""A network, and a head behind it, as functions of pixels whose gradients TensorFlow knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UsageError, in_brief
from ..features.backbones.described import hint_at
from ..features.images.decoder import MAX_PIXELS, Limits
from ..features.images.fit import decode_and_resize
from .cloning import clone_with

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..classifier import Head
    from ..features import Recipe

    Function = Callable[[Any], Any]


_ACTIVATIONS = ("Activation", "ReLU", "LeakyReLU", "PReLU", "ELU")


def without_layers(network: str) -> str:
    """What to do where a network has no layers that can be looked at."""
    return (
        f"the layers of {network} cannot be looked at: expected a network of keras.applications, "
        f"such as mobilenet_v2, or an EfficientNet-Lite"
    )


class DifferentiableNetwork:
    """A network in TensorFlow, in float32: from pixels to maps, features and logits.

    Pixels are float32 (n, height, width, 3), RGB, 0 to 255, of `input_size_px`, also between the
    values of 8 bits: a tensor, or an array where no gradient is wanted.

    Parameters
    ----------
    recipe
        Which network.
    features
        From pixels to features (n, width), tensors both.
    model
        The functional model of Keras in which maps are looked at, from scaled pixels to features;
        None: the network has no layers that can be looked at.
    scaled
        From pixels to the input of `model`.
    head
        What turns features into logits; None: there are only features.
    permuted
        Makes the same with the values of every kernel in another order, of a seed.
    permute_again
        Of what that made: orders the original's values by another seed, in place, so that
        functions that were traced of it need not be traced again; None: it cannot.
    """

    def __init__(
        self,
        recipe: Recipe,
        features: Function,
        *,
        permuted: Callable[[int], DifferentiableNetwork],
        permute_again: Callable[[int], None] | None = None,
        model: Any = None,
        scaled: Function | None = None,
        head: Head | None = None,
    ) -> None:
        self.recipe, self.head = recipe, head
        self.features = features
        self.with_permuted_kernels, self.permute_again = permuted, permute_again
        self._model, self._scaled = model, scaled
        self._parts: dict[tuple[str, ...], Any] = {}

    @property
    def input_size_px(self) -> int:
        """Height and width of the pictures that it takes."""
        return self.recipe.input_size_px

    @property
    def classes(self) -> tuple[str, ...]:
        """Of the head, in the order of `logits`; none where there is no head."""
        return () if self.head is None else self.head.classes

    def logits(self, pixels: Any) -> Any:
        """The head's logits of pixels, divided by its temperature: a tensor (n, n_classes)."""
        return self.logits_of_features(self.features(pixels))

    def logits_of_features(self, features: Any) -> Any:
        """The head's logits of features (n, width), divided by its temperature."""
        import tensorflow as tf

        assert self.head is not None, "only a network with a head has logits"
        layers = self.head.layers
        values = (features - layers.mean) / layers.scale
        *hidden, (kernel, bias) = zip(layers.kernels, layers.biases, strict=True)
        for each, its_bias in hidden:
            values = tf.nn.relu(tf.matmul(values, each) + its_bias)
        return (tf.matmul(values, kernel) + bias) / np.float32(self.head.temperature)

    @property
    def layers(self) -> Mapping[str, tuple[int | None, ...]]:
        """The layers that can be looked at, from input to output, with the shapes of their outputs.

        They are (height, width, channels) of maps, (units,) of vectors.
        """
        if self._model is None:
            return {}
        return {
            layer.name: tuple(layer.output.shape[1:])
            for layer in self._model.layers
            if type(layer).__name__ != "InputLayer"
            and not isinstance(layer.output, list)
            and len(layer.output.shape) in (2, 4)
        }

    @property
    def map_layers(self) -> list[str]:
        """The layers whose outputs are maps, from input to output."""
        return [name for name, shape in self.layers.items() if len(shape) == 3]

    @property
    def activations(self) -> list[str]:
        """The layers among `map_layers` that are, or end with, an activation such as ReLU."""
        found = []
        for name in self.map_layers:
            layer = self._model.get_layer(name)
            function = getattr(getattr(layer, "activation", None), "__name__", "linear")
            if type(layer).__name__ in _ACTIVATIONS or function != "linear":
                found.append(name)
        return found

    def maps_at_any_size(self, layers: Sequence[str]) -> Function:
        """What makes maps of pixels of any height and width: a list of tensors, one per layer.

        Raises
        ------
        UsageError
            When the network has no such layer.
        """
        for name in layers:
            self.require_layer(name)
        import keras

        ends = [self._model.get_layer(name).output for name in layers]
        part = keras.Model(self._model.input, ends)
        free = clone_with(part, part.get_weights(), input_tensors=keras.Input((None, None, 3)))
        assert self._scaled is not None
        scaled = self._scaled

        def maps(pixels: Any) -> list[Any]:
            made = free(scaled(pixels), training=False)
            return made if isinstance(made, list) else [made]

        return maps

    def outputs(self, pixels: Any, layers: Sequence[str]) -> tuple[list[Any], Any]:
        """What layers, and the whole network, make of pixels, in one pass.

        Returns
        -------
        list, tensor
            The output of each layer, of shapes (n, *shape); and the features (n, width). On a tape,
            features and logits can be differentiated by the outputs.

        Raises
        ------
        UsageError
            When the network has no such layer.
        """
        for name in layers:
            self.require_layer(name)
        import keras

        key = tuple(layers)
        if key not in self._parts:
            ends = [self._model.get_layer(name).output for name in layers]
            self._parts[key] = keras.Model(self._model.input, [*ends, self._model.output])
        assert self._scaled is not None
        *maps, features = self._parts[key](self._scaled(pixels), training=False)
        return maps, features

    def require_layer(self, name: str) -> tuple[int | None, ...]:
        """The shape of a layer's output.

        Raises
        ------
        UsageError
            When the network has no such layer.
        """
        known, network = self.layers, self.recipe.extractor
        if not known:
            raise UsageError(without_layers(network))
        if name not in known:
            hint = hint_at(name, known) or f"it has {in_brief(', '.join(self.activations), 300)}"
            raise UsageError(f"{network} has no layer {in_brief(repr(name))}: {hint}".rstrip(" ;"))
        return known[name]

    def before_activation(self, name: str) -> str | None:
        """The layer whose output a layer of ReLU or the like takes; None: it is no such layer.

        Raises
        ------
        UsageError
            When the network has no such layer.
        """
        shape = self.require_layer(name)
        layer = self._model.get_layer(name)
        if type(layer).__name__ not in _ACTIVATIONS:
            return None
        before = layer.input._keras_history.operation.name
        return before if self.layers.get(before) == shape else None

    def decode(self, data: bytes, max_pixels: int = MAX_PIXELS) -> np.ndarray:
        """Decode the bytes of an image file: uint8, (height, width, 3), of `input_size_px`.

        Raises
        ------
        ImageRejectedError
            With the reason.
        """
        limits = Limits(pixels=max_pixels)
        return decode_and_resize(data, self.recipe.preprocessing, limits=limits).pixels

    def __repr__(self) -> str:
        head = "" if self.head is None else f", head {self.head.version}"
        return f"<DifferentiableNetwork {self.recipe.in_words()}{head}>"
