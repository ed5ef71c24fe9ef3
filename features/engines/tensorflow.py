"""The reference engine: freezes a network that its backbone builds, and runs it in TensorFlow."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import EngineError
from ...extras import how_to_install
from ...fork_safety import claim
from ...native_stderr import silent_stderr

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ..backbones.registry import Backbone, PixelScaling
    from ..backbones.weights import Weights
    from .base import Source

with silent_stderr():
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,  # pyright: ignore[reportMissingImports]
    )


def start(source: Source, precision: str, *, many: bool) -> TensorFlowEngine:
    """See `registry`; it takes batches of any size, be there many images or few."""
    module = source.backbone.imported()
    if not hasattr(module, "build"):
        raise EngineError(f"TensorFlow cannot run {source.backbone.constructor} networks")
    if precision == "float16":
        raise EngineError("TensorFlow does not compute in float16 here")
    if not getattr(module, "BUILDS_APART", False):
        return TensorFlowEngine(source.backbone, source.weights(), precision)
    if precision != "float32":
        raise EngineError(f"TensorFlow runs {source.backbone.constructor} networks in float32 only")
    return GraphEngine(source.graph())


def has_gpu() -> bool:
    """Whether TensorFlow computes on a GPU."""
    return bool(tf.config.list_physical_devices("GPU"))


class TensorFlowEngine:
    """A network frozen into one graph of constants, with the pixel scaling inside."""

    name = "tensorflow"
    n_calls = 2  # one computes while the pixels of the other are copied

    def __init__(
        self,
        backbone: Backbone,
        weights: Weights,
        precision: str = "float32",
        one_image: bool = False,
    ) -> None:
        """Build the network, load its weights and freeze it; with `one_image`, for one in a call.

        In bfloat16, as in Keras's mixed precision, weights and sums stay float32.

        Raises
        ------
        EngineError
            When the weights file does not fit the architecture.
        """
        claim("TensorFlow")
        with silent_stderr():
            frozen = _freeze(backbone, weights, precision, one_image=one_image)
        self._take(frozen, precision)

    def _take(self, function: Any, precision: str) -> None:
        self.precision = precision
        self._function = function
        self.batch_size = 128 if has_gpu() else 32
        self.batch_sizes: Sequence[int] = range(1, self.batch_size + 1)
        if function.inputs[0].shape[0] == 1:
            self.batch_size, self.batch_sizes = 1, (1,)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """See `Engine`."""
        parts = [images] if self.batch_size > 1 else np.split(images, len(images))
        results = [self._function(tf.constant(part))[0].numpy() for part in parts]
        return results[0] if len(results) == 1 else np.concatenate(results)

    def frozen(self) -> tuple[Any, Any]:
        """The frozen graph, a GraphDef, and the function that it is of."""
        return self._function.graph.as_graph_def(), self._function

    def graph(self) -> bytes:
        """The frozen graph as a serialised GraphDef; its input is uint8 (n, height, width, 3)."""
        return self._function.graph.as_graph_def().SerializeToString()


class GraphEngine(TensorFlowEngine):
    """A frozen graph that a `TensorFlowEngine` gave, in float32."""

    def __init__(self, graph: bytes) -> None:
        """Import the graph."""
        claim("TensorFlow")
        _share_gpus()
        held = tf.compat.v1.GraphDef.FromString(graph)

        def imported() -> None:
            tf.graph_util.import_graph_def(held, name="")

        with silent_stderr():
            wrapped: Any = tf.compat.v1.wrap_function(imported, [])
            given = [node.name for node in held.node if node.op == "Placeholder"]
            used = {name for node in held.node for name in _inputs_of(node)}
            made = [node.name for node in held.node if node.name not in used and node.op != "NoOp"]
            if len(given) != 1 or len(made) != 1:
                raise EngineError(
                    f"a frozen graph has {len(given)} inputs and {len(made)} outputs, not one each"
                )
            ends = [[wrapped.graph.get_tensor_by_name(f"{name}:0")] for (name,) in (given, made)]
            self._take(wrapped.prune(*ends), "float32")


def scaled(pixels: Any, scaling: PixelScaling) -> Any:
    """The network's input, of pixels float32 (n, height, width, 3), RGB, 0 to 255."""
    if scaling.channels == "BGR":
        pixels = tf.reverse(pixels, axis=[-1])
    return pixels * tf.constant(scaling.scale) + tf.constant(scaling.offset)


def features_of_pixels(graph: bytes) -> Callable[[Any], Any]:
    """A frozen graph of `TensorFlowEngine.graph` as a function of pixels that are not 8-bit.

    Returns
    -------
    callable
        From float32 (n, height, width, 3), 0 to 255, to float32 (n, width), tensors both; it can be
        differentiated.

    Raises
    ------
    EngineError
        When the graph does not turn its pixels into float32 first.
    """
    held = tf.compat.v1.GraphDef.FromString(graph)
    (given,) = (node for node in held.node if node.op == "Placeholder")
    users = [node for node in held.node if given.name in _inputs_of(node)]
    if not users or any(
        node.op != "Cast" or node.attr["DstT"].type != tf.float32.as_datatype_enum for node in users
    ):
        raise EngineError("its pixels are not turned into float32 first: there are no gradients")
    used = {name for node in held.node for name in _inputs_of(node)}
    (made,) = (node.name for node in held.node if node.name not in used and node.op != "NoOp")
    shape = tf.TensorShape(given.attr["shape"].shape)
    for node in held.node:  # of a function whose own gradient only the process that built it knows
        node.attr.pop("_gradient_op_type", None)

    def imported(pixels: Any) -> Any:
        replaced = {f"{node.name}:0": pixels for node in users}
        ends = tf.graph_util.import_graph_def(
            held, input_map=replaced, return_elements=[f"{made}:0"], name=""
        )
        return ends[0]

    with silent_stderr():
        signature = [tf.TensorSpec(shape, tf.float32)]
        function: Any = tf.compat.v1.wrap_function(imported, signature)
    if shape[0] != 1:
        return function
    width = function.outputs[0].shape[1:]

    def one_by_one(pixels: Any) -> Any:
        # Not a loop in Python: where a caller is traced, it knows no number of images.
        return tf.map_fn(
            lambda one: function(one[tf.newaxis])[0],
            pixels,
            fn_output_signature=tf.TensorSpec(width, tf.float32),
        )

    return one_by_one


def with_constants(graph: bytes, changed: Callable[[np.ndarray], np.ndarray]) -> bytes:
    """A frozen graph with other constants: what `changed` makes of each float32 array."""
    held = tf.compat.v1.GraphDef.FromString(graph)
    for node in held.node:
        if node.op == "Const" and node.attr["dtype"].type == tf.float32.as_datatype_enum:
            values = changed(tf.make_ndarray(node.attr["value"].tensor))
            node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(values))
    return held.SerializeToString()


def _inputs_of(node: Any) -> set[str]:
    return {name.split(":")[0].lstrip("^") for name in node.input}


def write_onnx(engine: TensorFlowEngine, file: Path) -> None:
    """Write the graph of an engine as an ONNX file, with inputs of any number of images.

    Raises
    ------
    EngineError
        When tf2onnx is not installed, or cannot express the network.
    """
    try:
        import tf2onnx
    except ImportError as error:
        raise EngineError(
            f"a network of Keras runs in ONNX Runtime once it is exported by tf2onnx, which is not "
            f"installed: {how_to_install('onnxruntime')}"
        ) from error
    graph, function = engine.frozen()
    with silent_stderr():
        tf2onnx.convert.from_graph_def(
            graph,
            input_names=[function.inputs[0].name],
            output_names=[function.outputs[0].name],
            opset=17,
            output_path=str(file),
        )


def _share_gpus() -> None:
    """Take a GPU's memory as it is needed, instead of all of it at once."""
    for gpu in tf.config.list_physical_devices("GPU"):
        with contextlib.suppress(RuntimeError):  # in use already: as whoever began it wanted
            tf.config.experimental.set_memory_growth(gpu, True)


def _freeze(backbone: Backbone, weights: Weights, precision: str, *, one_image: bool) -> Any:
    _share_gpus()
    network = backbone.imported().build(backbone, weights, precision)
    scaling = backbone.scaling
    size_px = backbone.input_size_px
    n_images = 1 if one_image else getattr(network, "n_images", None)
    pixels_spec = tf.TensorSpec((n_images, size_px, size_px, 3), tf.uint8)

    @tf.function(input_signature=[pixels_spec], autograph=False)
    def transfer_values(pixels: Any) -> Any:
        values = scaled(tf.cast(pixels, tf.float32), scaling)
        return tf.cast(network(values), tf.float32)

    function: Any = transfer_values
    return convert_variables_to_constants_v2(function.get_concrete_function())
