"""Keras: one ``.keras`` file, for those who go on with it in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from .job import PIXELS, PROBABILITIES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ..classifier.layers import Layers
    from ..features.backbones.registry import PixelScaling
    from .job import Job

_FILE = "model.keras"


def write(job: Job, folder: Path) -> bool:
    """See `registry`."""
    backbone = job.backbone
    size_px = backbone.input_size_px
    pixels = keras.Input((size_px, size_px, 3), dtype="uint8", name=PIXELS)
    network = backbone.imported().build(backbone, job.weights, "float32")
    values = network(_scaled(pixels, backbone.scaling))
    model = keras.Model(pixels, _classified(values, job.layers), name="bottlebank")
    model.save(folder / _FILE)
    return True


def _scaled(pixels: Any, scaling: PixelScaling) -> Any:
    if scaling.channels == "RGB":
        numbers: Any = (list(scaling.scale), list(scaling.offset))
        layer = keras.layers.Rescaling(*numbers, name="scaling")
        return layer(pixels)
    # A layer for every channel of other channels: no layer of Keras turns RGB into BGR.
    values = keras.layers.Rescaling(1.0, name="numbers")(pixels)
    layer = keras.layers.Conv2D(3, 1, name="scaling")
    values = layer(values)
    kernel = np.diag(scaling.scale)[::-1].reshape(1, 1, 3, 3)
    layer.set_weights([kernel.astype(np.float32), np.array(scaling.offset, np.float32)])
    return values


def _classified(features: Any, layers: Layers) -> Any:
    # `Normalization` divides by no less than 1e-7; features of a layer may scatter less.
    centring = keras.layers.Normalization(name="centring")
    centring.build(features.shape)
    centring.set_weights([layers.mean, np.ones_like(layers.mean), np.array(0)])
    centring.finalize_state()
    values = centring(features)
    first, *others = layers.kernels
    scaled = (first / layers.scale[:, np.newaxis].astype(np.float64)).astype(np.float32)
    last = len(others)
    for number, (kernel, bias) in enumerate(zip((scaled, *others), layers.biases, strict=True)):
        name = PROBABILITIES if number == last else f"hidden_{number}"
        activation = "softmax" if number == last else "relu"
        dense = keras.layers.Dense(len(bias), activation=activation, name=name)
        values = dense(values)
        dense.set_weights([kernel, bias])
    return values


def opened(folder: Path) -> Callable[[np.ndarray], np.ndarray]:
    """See `registry`."""
    model: Any = keras.saving.load_model(folder / _FILE, compile=False)
    return lambda pixels: model.predict(pixels, verbose=0)
