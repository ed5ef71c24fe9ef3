"""Another model of the same layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np


def clone_with(model: Any, weights: Sequence[np.ndarray], **settings: Any) -> Any:
    """A model of the same layers as a Keras model, with these weights, in the order of its own.

    `settings` are those of `keras.models.clone_model`.
    """
    import keras

    clone: Any = keras.models.clone_model(model, **settings)
    clone.set_weights(weights)
    _finish(clone)
    return clone


def _finish(model: Any) -> None:
    """`Normalization` computes with copies of its weights, which `set_weights` leaves alone."""
    import keras

    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()
        elif isinstance(layer, keras.Model):
            _finish(layer)
