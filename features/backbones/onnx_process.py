"""Reading and rewriting ONNX files, in a process of its own: see `isolation.isolated_reader`."""

from __future__ import annotations

import json
import mmap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper

from ...untrusted.files import open_regular, require_regular
from . import onnx_layers
from .layer_pooling import CLS, pooled_axes, width_of
from .onnx_checks import External, external_of, nodes_within, opset_of, require_sound, tensors_of
from .onnx_skeleton import DATA_KEPT_BYTES, MAX_BYTES, skeleton
from .onnx_training import require_inference, sees_whole_batch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...untrusted.isolation import Send

_DESCRIBED_WITHIN_S = 1.5
_WRITTEN_WITHIN_S = 300.0
_ANY_SIZE_PX = 224
_PIXELS, _FEATURES = "pixels", "features"


def describe(send: Send, path: str, size_px: int) -> None:
    """Send what a file holds.

    Parameters
    ----------
    send
        Is given ``fixed_px`` (height and width, where the file fixes them), ``is_8_bit`` (whether
        its input is 8-bit pixels), ``size_px``, ``values`` (each a `described.Value`), ``taken``
        (which value, if none is chosen), ``files`` (that hold data) and ``metadata``.
    path
        The file.
    size_px
        Height and width of pictures; 0: as the file has it, or 224 where it takes any.
    """
    send({}, next_s=_DESCRIBED_WITHIN_S)
    model, files = _read_structure(Path(path))
    picture = onnx_layers.picture_of(model.graph)
    size_px = size_px or (picture.size_px or (_ANY_SIZE_PX,))[0]
    values = onnx_layers.values_of(model, picture, size_px)
    named = {value.name: value for value in values}
    send(
        {
            "fixed_px": picture.size_px,
            "is_8_bit": picture.data_type == TensorProto.UINT8,
            "size_px": size_px,
            "values": values,
            "taken": onnx_layers.taken(model, named, size_px),
            "files": [str(file) for file in files],
            "metadata": {entry.key: entry.value for entry in model.metadata_props},
        }
    )


def write(send: Send, path: str, file: str, settings: str) -> None:
    """Write a file that takes 8-bit pixels and gives features.

    Parameters
    ----------
    send
        Is given nothing.
    path
        The file of somebody else.
    file
        What is written.
    settings
        As JSON: ``size_px``; ``channels``, ``scale`` and ``offset`` of the `PixelScaling`;
        ``layers``, pairs of a name and how it becomes one vector.
    """
    send({}, next_s=_WRITTEN_WITHIN_S)
    model = _Rewritten(Path(path), json.loads(settings)).model()
    Path(file).write_bytes(model.SerializeToString())


def _mapped(path: Path) -> memoryview:
    n_bytes = require_regular(path)
    if not 0 < n_bytes <= MAX_BYTES:
        raise ValueError(f"it has {n_bytes:,} bytes; expected 1 to {MAX_BYTES:,}")
    with open_regular(path) as file:
        return memoryview(mmap.mmap(file.fileno(), n_bytes, access=mmap.ACCESS_READ))


def _read_structure(path: Path, data: memoryview | None = None) -> tuple[ModelProto, list[Path]]:
    model = skeleton(_mapped(path) if data is None else data)
    files = require_sound(model, path)
    for tensor in tensors_of(model):  # a shape may be in another file, too
        external = external_of(tensor, path)
        if external is not None and external.n_bytes <= DATA_KEPT_BYTES:
            _take_in(tensor, external)
    model = _inlined(model)
    require_inference(model)
    return model, files


def _inlined(model: ModelProto) -> ModelProto:
    if not model.functions:
        return model
    import onnx.inliner

    return onnx.inliner.inline_local_functions(model)


class _Rewritten:
    """A model between pixels and features."""

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        data = _mapped(path)
        structure, _ = _read_structure(path, data)
        self._path, self._settings = path, settings
        self._picture = onnx_layers.picture_of(structure.graph)
        self._size_px = settings["size_px"]
        values = onnx_layers.values_of(structure, self._picture, self._size_px)
        self._values = {value.name: value for value in values}
        model = ModelProto()
        model.ParseFromString(bytes(data))
        self._model = _inlined(model)
        self._opset = opset_of(model)
        self._constants: list[TensorProto] = []
        self._nodes: list[onnx.NodeProto] = []
        taken = {name for node in nodes_within(self._model) for name in (*node.input, *node.output)}
        self._prefix = "bottlebank."
        while any(name.startswith(self._prefix) for name in taken):
            self._prefix += "."

    def model(self) -> ModelProto:
        """The model, its data inside."""
        layers = self._settings["layers"]
        kept, initializers = self._needed([name for name, _ in layers])
        self._from_pixels()
        nodes = [*self._nodes, *kept]
        self._nodes = []
        self._to_features(layers)
        values = [self._values[name] for name, _ in layers]
        width = sum(width_of(value.shape, self._size_px, value.is_last) for value in values)
        is_apart = not sees_whole_batch(kept, self._picture.name)
        n = "n" if is_apart and all(value.takes_many for value in values) else 1
        size_px = self._size_px
        graph = helper.make_graph(
            [*nodes, *self._nodes],
            "bottlebank",
            [
                helper.make_tensor_value_info(
                    self._name(_PIXELS), TensorProto.UINT8, [n, size_px, size_px, 3]
                )
            ],
            [helper.make_tensor_value_info(self._name(_FEATURES), TensorProto.FLOAT, [n, width])],
            [*initializers, *self._constants],
        )
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self._opset)])
        made.ir_version = max(self._model.ir_version, 4)
        self._take_in_data(made)
        return made

    def _needed(self, layers: Sequence[str]) -> tuple[list[onnx.NodeProto], list[TensorProto]]:
        """The nodes and tensors that layers are computed from."""
        needed, kept = set(layers), []
        for node in reversed(self._model.graph.node):
            if needed.intersection(node.output):
                kept.append(node)
                needed |= onnx_layers.all_inputs(node)
        return kept[::-1], [each for each in self._model.graph.initializer if each.name in needed]

    def _take_in_data(self, made: ModelProto) -> None:
        """Read what is in other files."""
        total = 0
        for tensor in tensors_of(made):
            found = external_of(tensor, self._path)
            if found is not None:
                total += found.n_bytes
                if total > MAX_BYTES:
                    raise ValueError("its weights take more than 2 GiB")
                _take_in(tensor, found)
        if made.ByteSize() > MAX_BYTES:
            raise ValueError("its weights take more than 2 GiB")

    def _name(self, name: str) -> str:
        return f"{self._prefix}{name}"

    def _constant(self, name: str, array: np.ndarray) -> str:
        self._constants.append(numpy_helper.from_array(array, self._name(name)))
        return self._name(name)

    def _add(self, kind: str, inputs: Sequence[str], **attributes: Any) -> str:
        output = self._name(f"{kind}{len(self._nodes)}.{len(self._constants)}")
        self._nodes.append(helper.make_node(kind, inputs, [output], output, **attributes))
        return output

    def _from_pixels(self) -> None:
        """From (n, height, width, 3) in 8 bits to what the picture's input takes."""
        settings, picture = self._settings, self._picture
        is_8_bit = picture.data_type == TensorProto.UINT8
        values = self._name(_PIXELS)
        if settings["channels"] == "BGR":
            order = self._constant("channels", np.array([2, 1, 0], np.int64))
            values = self._add("Gather", [values, order], axis=3)
        if not is_8_bit:
            values = self._add("Cast", [values], to=TensorProto.FLOAT)
            for name, kind in (("scale", "Mul"), ("offset", "Add")):
                numbers = self._constant(name, np.array(settings[name], np.float32))
                values = self._add(kind, [values, numbers])
        if not picture.is_channels_last:
            values = self._add("Transpose", [values], perm=[0, 3, 1, 2])
        if not is_8_bit:
            values = self._add("Cast", [values], to=picture.data_type)
        self._nodes.append(helper.make_node("Identity", [values], [picture.name]))

    def _to_features(self, layers: Sequence[tuple[str, str]]) -> None:
        """From layers to (n, width) in float32."""
        parts: list[str] = []
        for name, pooling in layers:
            value = self._values[name]
            values = self._add("Cast", [name], to=TensorProto.FLOAT)
            axes = pooled_axes(value.shape, self._size_px, value.is_last)
            if pooling == CLS:
                first = self._constant(f"first{len(parts)}", np.array(0, np.int64))
                values = self._add("Gather", [values, first], axis=axes[0])
            elif axes and self._opset >= 18:
                over = self._constant(f"axes{len(parts)}", np.array(axes, np.int64))
                values = self._add("ReduceMean", [values, over], keepdims=0)
            elif axes:
                values = self._add("ReduceMean", [values], axes=axes, keepdims=0)
            parts.append(values)
        features = [self._name(_FEATURES)]
        if len(parts) == 1:
            self._nodes.append(helper.make_node("Identity", parts, features))
        else:
            self._nodes.append(helper.make_node("Concat", parts, features, axis=1))


def _take_in(tensor: TensorProto, external: External) -> None:
    """Put data from another file into a tensor."""
    tensor.raw_data = _read(external)
    del tensor.external_data[:]
    tensor.data_location = TensorProto.DEFAULT


def _read(external: External) -> bytes:
    with open_regular(external.path) as file:
        file.seek(external.offset)
        data = b""
        while len(data) < external.n_bytes and (more := file.read(external.n_bytes - len(data))):
            data += more
    if len(data) != external.n_bytes:
        raise ValueError(f"{external.path.name} is cut short")
    return data
