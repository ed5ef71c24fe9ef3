"""What explainers have in common that follow gradients through the network and the head."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from .explainer import Explainer
from .sanity import NOT_WANTED

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from ...classifier.head import HeadAnswer
    from ..network import DifferentiableNetwork

    RandomMaps = Callable[[np.ndarray, int], list[np.ndarray]]


class ByGradients(Explainer):
    """With TensorFlow."""

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
        return head.answer(self._features(pixels.astype("float32")).numpy())

    def _permuted(self, pixels: np.ndarray, index: int) -> tuple[list[np.ndarray], str]:
        if self._seed is None:
            return [], NOT_WANTED
        if self._random is None:
            self._random = self._random_maps(self._network.with_permuted_kernels(self._seed))
        return self._random(pixels, index), ""

    @abstractmethod
    def _random_maps(self, network: DifferentiableNetwork) -> RandomMaps:
        """What makes maps of a network with random weights."""
