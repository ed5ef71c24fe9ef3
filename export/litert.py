"""LiteRT (TensorFlow Lite): one file, for phones and small computers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from .job import Job

_FILE = "model.tflite"


def write(job: Job, folder: Path) -> bool:
    """See `registry`."""
    import tensorflow as tf

    from .frozen_network import function_of

    function = function_of(job).get_concrete_function()
    converter: Any = tf.lite.TFLiteConverter.from_concrete_functions([function])
    images = job.calibration()
    if images is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: _one_by_one(images)
    (folder / _FILE).write_bytes(converter.convert())
    return function.inputs[0].shape[0] is None


def _one_by_one(images: np.ndarray) -> Iterator[list[np.ndarray]]:
    for image in images:
        yield [np.asarray(image)[np.newaxis]]


def opened(folder: Path) -> Callable[[np.ndarray], np.ndarray]:
    """See `registry`."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(folder / _FILE))
    (given,), (made,) = interpreter.get_input_details(), interpreter.get_output_details()

    def run(pixels: np.ndarray) -> np.ndarray:
        interpreter.resize_tensor_input(given["index"], pixels.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(given["index"], pixels)
        interpreter.invoke()
        return interpreter.get_tensor(made["index"])

    return run
