"""The weights file of a fine-tuned EfficientNet-Lite: plain arrays of NumPy in one ``.npz``.

It holds what the published file does, without the layer of the classes, and what the network makes
of the golden images: so it is checked on each machine without TensorFlow.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ...untrusted.arrays import read_npz
from ..golden_images import COSINE_LIMITS, N_IMAGES, golden_pixels, least_cosine
from .weights import WrongWeightsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .registry import Backbone

    Arrays = Mapping[str, np.ndarray]
    Shapes = Mapping[str, tuple[int, ...]]

GOLDEN = "golden"
_MORE_BYTES = 1 << 20


def read_lite_weights(
    path: Path, backbone: Backbone, shapes: Shapes
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The arrays (float32) of a file, and what the network makes of the golden images.

    Parameters
    ----------
    path
        The file.
    backbone
        The network.
    shapes
        Of the arrays of the network, by name.

    Raises
    ------
    WrongWeightsError
        When it holds anything else.
    """
    expected = {**shapes, GOLDEN: (N_IMAGES, backbone.width)}
    if backbone.layers:  # the width is that of a part of the network
        expected[GOLDEN] = (N_IMAGES, -1)
    n_bytes = 4 * sum(map(math.prod, shapes.values())) + _MORE_BYTES
    kinds = {name: ("<f4", len(shape)) for name, shape in expected.items()}
    try:
        arrays = read_npz(path, kinds, n_bytes)
        for name, array in arrays.items():
            is_fitting = all(n in (-1, m) for n, m in zip(expected[name], array.shape, strict=True))
            if not (is_fitting and np.isfinite(array).all()):
                raise ValueError(f"{name} does not fit")
            if name.endswith("running_var") and (array < 0).any():
                raise ValueError(f"{name} has numbers below 0")
    except (OSError, ValueError) as error:
        raise WrongWeightsError(
            f"{path} does not hold weights of {backbone.name} that `bottlebank finetune` wrote: "
            f"{error}"
        ) from error
    golden = arrays.pop(GOLDEN)
    return arrays, golden


def write_lite_weights(
    path: Path, arrays: Arrays, backbone: Backbone, shapes: Shapes, model: Any
) -> None:
    """Write the arrays of these shapes and what `model`, of Keras, makes of the golden images."""
    golden = _made_of_golden_images(model, backbone)
    plain = {name: np.ascontiguousarray(arrays[name], "<f4") for name in shapes}
    np.savez(path, **{GOLDEN: golden, **plain})  # pyright: ignore[reportArgumentType]


def require_golden(path: Path, golden: np.ndarray, backbone: Backbone, model: Any) -> None:
    """Refuse a file whose arrays do not make of the golden images what it says.

    Raises
    ------
    WrongWeightsError
        When the cosine is below the limit of float32.
    """
    cosine = least_cosine(_made_of_golden_images(model, backbone), golden)
    limit = COSINE_LIMITS["float32"]
    if cosine < limit:
        raise WrongWeightsError(
            f"{path} has been changed since `bottlebank finetune` wrote it: its weights do not "
            f"make of the golden images what the file says (cosine {cosine:.5f}, expected at least "
            f"{limit}); take a copy of the file as it was"
        )


def _made_of_golden_images(model: Any, backbone: Backbone) -> np.ndarray:
    scaling = backbone.scaling
    pixels = golden_pixels(backbone.input_size_px).astype(np.float32)
    scaled = pixels * np.array(scaling.scale, np.float32) + np.array(scaling.offset, np.float32)
    return model(scaled, training=False).numpy()
