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
    set_weights(clone, weights)
    return clone


def set_weights(model: Any, weights: Sequence[np.ndarray]) -> None:
    """Give a Keras model other weights, in the order of its own; traced functions see them."""
    model.set_weights(weights)
    _finish(model)


def _finish(model: Any) -> None:
    """`Normalization` computes with copies of its weights, which `set_weights` leaves alone."""
    import keras

    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()
        elif isinstance(layer, keras.Model):
            _finish(layer)
