"""The `random` extractor: a small convolutional network whose weights are drawn from a seed.

It is not trained. It stands in where no ImageNet weights can be had (the demo without a network,
the tests), goes through the same code as every other network, and separates simple pictures such
as digits well enough to show what the program does.
"""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .spec import SettingError
from .weights import IMAGENET, SEED_WEIGHTS, Weights

if TYPE_CHECKING:
    from collections.abc import Callable

    from .registry import Backbone

SEED = 0
OF_KERAS = True


class Convolution(NamedTuple):
    """A convolution with stride 2 and 'same' padding, followed by ReLU."""

    kernel: np.ndarray
    """float32, (height, width, channels in, channels out)."""
    bias: np.ndarray
    """float32, (channels out,)."""


def draw_weights() -> list[Convolution]:
    """Draw the two convolutions with He's scale (He et al., 2015): variance 2 / fan-in."""
    generator = np.random.default_rng(SEED)
    layers = []
    for shape in ((5, 5, 3, 16), (3, 3, 16, 32)):
        scale = math.sqrt(2 / math.prod(shape[:3]))
        kernel = (generator.standard_normal(shape) * scale).astype(np.float32)
        bias = (generator.standard_normal(shape[3]) * 0.1).astype(np.float32)
        layers.append(Convolution(kernel, bias))
    return layers


def find_weights(
    backbone: Backbone, weights: str, download_timeout_s: float | None, progress: bool | None
) -> Weights:
    """The weights, which are drawn."""
    if weights != IMAGENET:
        raise SettingError.of(
            "weights",
            f"the extractor {backbone.name!r} draws its weights; --weights has no meaning",
        )
    return Weights(SEED_WEIGHTS, None, weights_sha256())


def build(backbone: Backbone, weights: Weights, precision: str) -> Callable[[Any], Any]:
    """Build the network: both convolutions, and the average in a grid of 4 by 4."""
    from keras import layers

    network = []
    for kernel, bias in draw_weights():
        *_, n_in, n_out = kernel.shape
        convolution = layers.Conv2D(
            n_out, len(kernel), 2, "same", activation="relu", dtype=precision
        )
        convolution.build((None, None, None, n_in))
        convolution.set_weights([kernel, bias])
        network.append(convolution)
    network += [layers.AveragePooling2D(4, dtype=precision), layers.Flatten(dtype=precision)]

    def run(values: Any) -> Any:
        for layer in network:
            values = layer(values)
        return values  # (n, 4 * 4 * 32)

    return run


def weights_sha256() -> str:
    """SHA-256 of all weights, in order, as little-endian float32."""
    digest = hashlib.sha256()
    for layer in draw_weights():
        for array in layer:
            digest.update(array.astype("<f4").tobytes())
    return digest.hexdigest()
