"""SavedModel: a folder that TensorFlow and TensorFlow Serving load; it takes any size."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from .frozen_network import function_of
from .job import PROBABILITIES
from .resizing import fitted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np

    from .job import Job


def write(job: Job, folder: Path) -> bool:
    """See `registry`."""
    module: Any = tf.Module()
    function = function_of(job, partial(fitted, preprocessing=job.preprocessing))
    module.probabilities = function
    signatures = {"serving_default": function.get_concrete_function()}
    # Nobody trains it; and that of swish, frozen, could not be saved.
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(module, str(folder), signatures=signatures, options=options)
    return function.input_signature[0].shape[0] is None


def opened(folder: Path) -> Callable[[np.ndarray], np.ndarray]:
    """See `registry`."""
    loaded = tf.saved_model.load(str(folder))
    function = loaded.signatures["serving_default"]
    return lambda pixels: function(tf.constant(pixels))[PROBABILITIES].numpy()
