"""Building a convolutional network as an OpenVINO graph, layer by layer, without TensorFlow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..openvino_runtime import ov

if TYPE_CHECKING:
    from pathlib import Path

    from .registry import PixelScaling

op = ov.opset13


class OpenVinoGraph:
    """A chain of layers that begins with 8-bit pixels; each method adds one behind `node`.

    Padding is 'same' as in TensorFlow: where it is odd, more is at the bottom and the right.

    Parameters
    ----------
    size_px
        Height and width of the input.
    scaling
        How pixels become the first layer's input.
    """

    def __init__(self, size_px: int, scaling: PixelScaling) -> None:
        self._pixels = op.parameter([-1, size_px, size_px, 3], np.uint8, name="pixels")
        values = op.convert(self._pixels, np.float32)
        values = op.transpose(values, np.array([0, 3, 1, 2]))
        if scaling.channels == "BGR":
            values = op.gather(values, np.array([2, 1, 0]), np.array(1))
        scale, offset = (
            np.array(numbers, np.float32).reshape(1, 3, 1, 1)
            for numbers in (scaling.scale, scaling.offset)
        )
        self.node = op.add(op.multiply(values, scale), offset)

    def convolve(
        self, kernel: np.ndarray, bias: np.ndarray, stride: int, *, depthwise: bool = False
    ) -> None:
        """Convolve with a kernel (out, in, height, width) and add a bias (out,)."""
        settings = ([stride] * 2, [0, 0], [0, 0], [1, 1], "same_upper")
        if depthwise:
            values = op.group_convolution(self.node, kernel[:, np.newaxis], *settings)
        else:
            values = op.convolution(self.node, kernel, *settings)
        self.node = op.add(values, bias.reshape(1, -1, 1, 1))

    def clamp(self, least: float, most: float) -> None:
        """Limit each value."""
        self.node = op.clamp(self.node, least, most)

    def add(self, node: ov.Node) -> None:
        """Add what an earlier `node` gave."""
        self.node = op.add(self.node, node)

    def average(self) -> None:
        """Average over height and width: (n, channels)."""
        self.node = op.reduce_mean(self.node, np.array([2, 3]), keep_dims=False)

    def flatten(self) -> None:
        """Make one row of a map, in the order height, width, channels."""
        values = op.transpose(self.node, np.array([0, 2, 3, 1]))
        self.node = op.reshape(values, np.array([0, -1]), special_zero=True)

    def save(self, folder: Path) -> None:
        """Write the network as ``network.xml`` and ``network.bin``."""
        model = ov.Model([self.node], [self._pixels])  # pyright: ignore[reportGeneralTypeIssues]
        ov.save_model(model, folder / "network.xml", compress_to_fp16=False)
