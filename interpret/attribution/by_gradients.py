"""Explainers that follow gradients through the network and the head."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from ...progress import Progress
from .baseline import baseline_of
from .explainer import Explainer
from .gradcam import GradCam, enlarged, layer_for
from .integrated import GradientsOnAWay, Way, integrated_gradients
from .methods import GRADCAM, INTEGRATED
from .sanity import NOT_WANTED

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...classifier.head import HeadAnswer
    from ..network import DifferentiableNetwork
    from .explainer import Found

    RandomMaps = Callable[[np.ndarray, int], list[np.ndarray]]

_SANITY_STEPS = 32
_RANDOM_NETWORKS = 5
"""That Grad-CAM's map is compared with: of its few places, one alone agrees or not by chance."""


class _ByGradients(Explainer):
    def __init__(self, network: DifferentiableNetwork, seed: int | None, **settings: Any) -> None:
        super().__init__(network.recipe, network.classes, **settings)
        import tensorflow as tf

        side_px = network.input_size_px
        picture = tf.TensorSpec([1, side_px, side_px, 3], tf.float32)
        self._features = tf.function(network.features, input_signature=[picture])
        self._network, self._seed = network, seed
        self._random: RandomMaps | None = None

    def _answer(self, pixels: np.ndarray) -> HeadAnswer:
        head = self._network.head
        assert head is not None
        return head.answer(self._features(pixels.astype(np.float32)).numpy())

    def _permuted(self, pixels: np.ndarray, index: int) -> tuple[list[np.ndarray], str]:
        if self._seed is None:
            return [], NOT_WANTED
        if self._random is None:
            self._random = self._random_maps(self._network.with_permuted_kernels(self._seed))
        return self._random(pixels, index), ""

    @abstractmethod
    def _random_maps(self, network: DifferentiableNetwork) -> RandomMaps:
        """What makes maps of a network with random weights."""


class ByGradCam(_ByGradients):
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
                again((seed + number) % 2**32)
                found.append(map_of(pixels, index))
            return found

        return maps_of

    def _shown(self, values: np.ndarray, *, signed: bool = False) -> np.ndarray:
        """Cut at zero before it is enlarged, as by the authors: no place loses to its neighbour."""
        kept = values if signed else np.maximum(values, 0)
        return enlarged(kept, self.recipe.input_size_px)


class ByIntegratedGradients(_ByGradients):
    """By the pixels, from a baseline."""

    method = INTEGRATED

    def __init__(
        self,
        network: DifferentiableNetwork,
        seed: int | None,
        baseline: str,
        most_steps: int,
        **settings: Any,
    ) -> None:
        super().__init__(network, seed, **settings)
        self._baseline, self._most_steps = baseline, most_steps
        self._gradients = GradientsOnAWay(network)

    def _explained(self, pixels: np.ndarray, index: int) -> Found:
        way = Way(baseline_of(self._baseline, pixels), pixels, index)
        with Progress("Integrating gradients", unit="steps", show=self._progress) as bar:
            found = integrated_gradients(self._gradients, way, most_steps=self._most_steps, bar=bar)
        return found.values, {
            "baseline": self._baseline,
            "steps": found.steps,
            "score_difference": found.difference,
            "completeness_error": found.error,
            "completeness_miss": found.miss,
        }

    def _random_maps(self, network: DifferentiableNetwork) -> RandomMaps:
        """With a fixed number of points: such a network has no answer to be complete about."""
        gradients = GradientsOnAWay(network)
        middles = (np.arange(_SANITY_STEPS) + 0.5) / _SANITY_STEPS

        def maps_of(pixels: np.ndarray, index: int) -> list[np.ndarray]:
            way = Way(baseline_of(self._baseline, pixels), pixels, index)
            with Progress("Checking with random weights", unit="steps", show=self._progress) as bar:
                return [gradients(way, middles, bar)[1].mean(axis=0)]

        return maps_of
