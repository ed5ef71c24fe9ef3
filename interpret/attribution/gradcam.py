"""Grad-CAM: where the maps of a layer speak for a class.

R. R. Selvaraju et al., "Grad-CAM: visual explanations from deep networks via gradient-based
localization", ICCV 2017, equations 1 and 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ...errors import UsageError
from .. import log_odds
from .by_gradients import ByGradients
from .methods import GRADCAM

if TYPE_CHECKING:
    from ..network import DifferentiableNetwork
    from .by_gradients import RandomMaps
    from .explainer import Found

_RANDOM_NETWORKS = 5
"""That a map is compared with: of its few places, one alone agrees or not by chance."""


def layer_for(network: DifferentiableNetwork, layer: str | None) -> str:
    """The layer whose maps are used: the one that is named, or the last that has maps.

    Raises
    ------
    UsageError
        When the network has no layers, or none of that name with maps.
    """
    name = network.recipe.extractor
    maps = network.map_layers
    if not maps:
        raise UsageError(
            f"Grad-CAM needs the maps of a layer, and {name} shows none: choose the "
            f"method integrated-gradients, which follows the gradient to the pixels, or occlusion"
        )
    if layer is None:
        return maps[-1]
    if len(network.require_layer(layer)) != 3:
        raise UsageError(
            f"the layer {layer} of {name} has no maps: choose one that has, such as {maps[-1]}"
        )
    return layer


class GradCam:
    """How much each place speaks for a class; traced once for a network and one of its layers.

    Parameters
    ----------
    network
        With a head.
    layer
        From `layer_for`.

    Raises
    ------
    UsageError
        When the answer does not depend on the layer.
    """

    def __init__(self, network: DifferentiableNetwork, layer: str) -> None:
        import tensorflow as tf

        def at(given: Any, index: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(given)
                (maps,), features = network.outputs(given, [layer])
                score = log_odds.of_logits(network.logits_of_features(features), index)
            slopes = tape.gradient(score, maps)
            if slopes is None:
                raise UsageError(
                    f"the head does not read the layer {layer}: choose one between the image and "
                    f"its features, such as {network.map_layers[-1]}"
                )
            weights = tf.reduce_mean(slopes, axis=(1, 2), keepdims=True)
            return tf.reduce_sum(weights * maps, axis=-1)[0]

        side_px = network.input_size_px
        picture = tf.TensorSpec([1, side_px, side_px, 3], tf.float32)
        self._at = tf.function(at, autograph=False).get_concrete_function(
            picture, tf.TensorSpec([], tf.int32)
        )

    def __call__(self, pixels: np.ndarray, index: int) -> np.ndarray:
        """The sum of the layer's maps, each weighted by the mean of its gradient.

        Parameters
        ----------
        pixels
            uint8, (height, width, 3), of the network's input size.
        index
            The number of the class.

        Returns
        -------
        ndarray
            float32, (height, width) of the layer's maps. Grad-CAM shows where it is positive.
        """
        import tensorflow as tf

        given = tf.constant(pixels[np.newaxis], tf.float32)
        return self._at(given, tf.constant(index)).numpy()


def enlarged(values: np.ndarray, side_px: int) -> np.ndarray:
    """A map float32 (height, width) as one of `side_px` by `side_px`."""
    size = (side_px, side_px)
    return np.asarray(Image.fromarray(values).resize(size, Image.Resampling.BILINEAR), np.float32)


class ByGradCam(ByGradients):
    """By the places of a layer."""

    method = GRADCAM

    def __init__(
        self, network: DifferentiableNetwork, seed: int | None, layer: str | None, **settings: Any
    ) -> None:
        super().__init__(network, seed, **settings)
        self._layer = layer_for(network, layer)
        self._map_of = GradCam(network, self._layer)

    def _explained(self, pixels: np.ndarray, index: int) -> Found:
        return self._map_of(pixels, index), {"layer": self._layer}

    def _random_maps(self, network: DifferentiableNetwork) -> RandomMaps:
        map_of, seed, again = GradCam(network, self._layer), self._seed, network.permute_again
        assert seed is not None and again is not None, "layers are those of a Keras model"

        def maps_of(pixels: np.ndarray, index: int) -> list[np.ndarray]:
            found = []
            for number in range(_RANDOM_NETWORKS):
                again((_RANDOM_NETWORKS * seed + number) % 2**32)
                found.append(map_of(pixels, index))
            return found

        return maps_of

    def _shown(self, values: np.ndarray) -> np.ndarray:
        """Cut at zero before it is enlarged, as by the authors: no place loses to its neighbour."""
        return enlarged(np.maximum(values, 0), self.recipe.input_size_px)
