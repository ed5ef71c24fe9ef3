"""OpenVINO: two files, the graph and its numbers, for processors of Intel and others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..features.openvino_runtime import ov
from .job import PIXELS, PROBABILITIES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .job import Job

_HEAD = "head"
op = ov.opset13


def write(job: Job, folder: Path) -> bool:
    """See `registry`."""
    model = ov.Core().read_model(job.folder / "network.xml")
    values: Any = model.output(0).get_node().input_value(0)
    layers = job.layers
    values = op.subtract(values, op.constant(layers.mean[np.newaxis]), name=f"{_HEAD}/centred")
    values = op.divide(values, op.constant(layers.scale[np.newaxis]), name=f"{_HEAD}/scaled")
    last = len(layers.kernels) - 1
    for number, (kernel, bias) in enumerate(zip(layers.kernels, layers.biases, strict=True)):
        name = f"{_HEAD}/layer_{number}"
        values = op.matmul(values, op.constant(kernel), False, False, name=name)
        values = op.add(values, op.constant(bias[np.newaxis]))
        if number < last:
            values = op.relu(values)
    values = op.softmax(values, 1, name=PROBABILITIES)
    values.output(0).set_names({PROBABILITIES})
    (given,) = model.get_parameters()
    given.output(0).set_names({PIXELS})
    given.set_friendly_name(PIXELS)
    made: Any = ov.Model([values], [given], "bottlebank")  # pyright: ignore[reportGeneralTypeIssues]
    for key, text in job.about.items():
        made.set_rt_info(text, ["model_info", key])
    images = job.calibration()
    if images is not None:
        made = _quantized(made, images)
    ov.save_model(made, folder / "model.xml", compress_to_fp16=False)
    return given.partial_shape[0].is_dynamic


def _quantized(model: Any, images: np.ndarray) -> Any:
    import nncf

    return nncf.quantize(
        model,
        nncf.Dataset(list(images), lambda image: np.asarray(image)[np.newaxis]),
        # Activations below 0 are few in most networks: they need no half of the range.
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(images),
    )


def opened(folder: Path) -> Callable[[np.ndarray], np.ndarray]:
    """See `registry`."""
    core = ov.Core()
    # Without the hint, CPUs that have bfloat16 compute in it.
    network = core.compile_model(folder / "model.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda pixels: network({0: pixels})[0]
