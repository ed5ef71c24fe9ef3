"""ONNX: one file, for ONNX Runtime and many others; it takes any size."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import compose, helper, numpy_helper, version_converter

from .job import PIXELS, PROBABILITIES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .job import Job

_FILE = "model.onnx"
_NEWEST_OPSET = 18
"""That tf2onnx writes."""


def write(job: Job, folder: Path) -> bool:
    """See `registry`."""
    model = onnx.load(job.folder / "network.onnx")
    _add_head(model, job)
    opset = _opset(model)
    fitting = _fitting(job, min(opset, _NEWEST_OPSET))
    if opset > _NEWEST_OPSET:
        fitting = version_converter.convert_version(fitting, opset)
    fitting.ir_version = model.ir_version = max(fitting.ir_version, model.ir_version)
    fitting = compose.add_prefix(fitting, "fitting/", rename_inputs=False)
    joint = [(fitting.graph.output[0].name, model.graph.input[0].name)]
    merged = compose.merge_models(fitting, model, io_map=joint, producer_name="bottlebank")
    _name_each_domain_once(merged)
    n_images: Any = model.graph.input[0].type.tensor_type.shape.dim[0].dim_value or "n"
    given = merged.graph.input[0]
    sides = (n_images, "height", "width", 3)
    given.CopyFrom(helper.make_tensor_value_info(given.name, onnx.TensorProto.UINT8, sides))
    made = (n_images, len(job.labels))
    spec = helper.make_tensor_value_info(PROBABILITIES, onnx.TensorProto.FLOAT, made)
    merged.graph.output[0].CopyFrom(spec)
    helper.set_model_props(merged, job.about)
    onnx.checker.check_model(merged)
    onnx.save(merged, folder / _FILE)
    return n_images == "n"


def _opset(model: Any) -> int:
    return next(each.version for each in model.opset_import if each.domain in ("", "ai.onnx"))


def _name_each_domain_once(merged: Any) -> None:
    """Joining models names a domain once for each of them, which some programs refuse."""
    versions = {each.domain: each.version for each in merged.opset_import}
    del merged.opset_import[:]
    merged.opset_import.extend(helper.make_opsetid(*each) for each in versions.items())


def _add_head(model: Any, job: Job) -> None:
    """Add the layers of the head behind the features of a network."""
    graph, layers = model.graph, job.layers
    values = graph.output[0].name

    def then(operator: str, array: np.ndarray | None = None, made: str = "", **more: Any) -> None:
        nonlocal values
        inputs = [values]
        if array is not None:
            inputs.append(f"head/array_{len(graph.initializer)}")
            graph.initializer.append(numpy_helper.from_array(array, inputs[-1]))
        values = made or f"head/node_{len(graph.node)}"
        graph.node.append(helper.make_node(operator, inputs, [values], **more))

    then("Sub", layers.mean)
    then("Div", layers.scale)
    last = len(layers.kernels) - 1
    for number, (kernel, bias) in enumerate(zip(layers.kernels, layers.biases, strict=True)):
        then("MatMul", kernel)
        then("Add", bias)
        if number < last:
            then("Relu")
    then("Softmax", made=PROBABILITIES, axis=1)
    graph.output[0].name = PROBABILITIES
    graph.output[0].type.tensor_type.shape.dim[1].Clear()


def _fitting(job: Job, opset: int) -> Any:
    """What makes of pictures of any size those of the network."""
    import tensorflow as tf
    import tf2onnx

    from .resizing import fitted

    spec = tf.TensorSpec((None, None, None, 3), tf.uint8, name=PIXELS)
    function = tf.function(
        partial(fitted, preprocessing=job.preprocessing), input_signature=[spec], autograph=False
    )
    model, _ = tf2onnx.convert.from_function(function, input_signature=[spec], opset=opset)
    _state_shape(model.graph, job.preprocessing.size_px)
    return model


def _state_shape(graph: Any, size_px: tuple[int, int]) -> None:
    """Say which shape fitted pictures have, for programs that compute shapes without running it.

    They would have to know what becomes of the sides of a picture on the way.
    """
    given, made = graph.input[0].name, graph.output[0].name
    arrays = {"fitted/first": [0], "fitted/sides": [*size_px, 3]}
    for name, numbers in arrays.items():
        graph.initializer.append(numpy_helper.from_array(np.array(numbers, np.int64), name))
    graph.node.extend(
        [
            helper.make_node("Shape", [given], ["fitted/given"]),
            helper.make_node("Gather", ["fitted/given", "fitted/first"], ["fitted/n"], axis=0),
            helper.make_node("Concat", ["fitted/n", "fitted/sides"], ["fitted/shape"], axis=0),
            helper.make_node("Reshape", [made, "fitted/shape"], ["fitted/pixels"]),
        ]
    )
    graph.output[0].name = "fitted/pixels"


def opened(folder: Path) -> Callable[[np.ndarray], np.ndarray]:
    """See `registry`."""
    import onnxruntime

    session: Any = onnxruntime.InferenceSession(folder / _FILE, providers=["CPUExecutionProvider"])
    return lambda pixels: session.run([PROBABILITIES], {PIXELS: pixels})[0]
