"""Building a convolutional network as an ONNX graph, layer by layer, without TensorFlow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from pathlib import Path

    from .registry import PixelScaling

_OPSET, _IR_VERSION = 17, 8


class OnnxGraph:
    """A chain of layers that begins with 8-bit pixels, as `openvino_graph.OpenVinoGraph` is one.

    Parameters
    ----------
    size_px
        Height and width of the input.
    scaling
        How pixels become the first layer's input.
    """

    def __init__(self, size_px: int, scaling: PixelScaling) -> None:
        self._size_px = size_px
        self._nodes: list[Any] = []
        self._arrays: list[Any] = []
        self.node = "pixels"
        self._then("Cast", to=TensorProto.FLOAT)
        self._then("Transpose", perm=[0, 3, 1, 2])
        if scaling.channels == "BGR":
            self._then("Gather", np.array([2, 1, 0]), axis=1)
        for operator, numbers in (("Mul", scaling.scale), ("Add", scaling.offset)):
            self._then(operator, np.array(numbers, np.float32).reshape(1, 3, 1, 1))

    def convolve(
        self, kernel: np.ndarray, bias: np.ndarray, stride: int, *, depthwise: bool = False
    ) -> None:
        """Convolve with a kernel (out, in, height, width) and add a bias (out,)."""
        self._then(
            "Conv",
            kernel,
            bias,
            strides=[stride] * 2,
            auto_pad="SAME_UPPER",
            group=len(kernel) if depthwise else 1,
        )

    def clamp(self, least: float, most: float) -> None:
        """Limit each value."""
        self._then("Clip", np.array(least, np.float32), np.array(most, np.float32))

    def add(self, node: str) -> None:
        """Add what an earlier `node` gave."""
        self._then("Add", node)

    def average(self) -> None:
        """Average over height and width: (n, channels)."""
        self._then("ReduceMean", axes=[2, 3], keepdims=0)

    def flatten(self) -> None:
        """Make one row of a map, in the order height, width, channels."""
        self._then("Transpose", perm=[0, 2, 3, 1])
        self._then("Flatten", axis=1)

    def save(self, folder: Path) -> None:
        """Write the network as ``network.onnx``."""
        shape = ["n", self._size_px, self._size_px, 3]
        pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, shape)
        features = helper.make_tensor_value_info(self.node, TensorProto.FLOAT, ["n", None])
        graph = helper.make_graph(self._nodes, "network", [pixels], [features], self._arrays)
        opsets = [helper.make_opsetid("", _OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
        onnx.save(model, folder / "network.onnx")

    def _then(self, operator: str, *others: np.ndarray | str, **attributes: Any) -> None:
        inputs = [self.node]
        for other in others:
            if isinstance(other, np.ndarray):
                inputs.append(f"array_{len(self._arrays)}")
                self._arrays.append(numpy_helper.from_array(other, inputs[-1]))
            else:
                inputs.append(other)
        self.node = f"node_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [self.node], **attributes))


def take_one_image(file: Path) -> None:
    """Rewrite an ONNX file that bottlebank wrote so that it takes one image in a call."""
    model = onnx.load(file)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(model, file)
