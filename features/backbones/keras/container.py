"""The files in which Keras keeps a model: a zip archive, or HDF5. Only a process of its own reads.

Nothing of Keras's reading is used: the structure is read by `structure`, the weights as plain
arrays.
"""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ....untrusted.files import open_regular, require_regular
from ....untrusted.hdf5_tree import TreeFile
from ....untrusted.json_text import read_json, read_json_object
from ....untrusted.zip_members import Archive
from .structure import Model, as_in_keras_2, read_model

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONFIG, _METADATA, _WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
_MAX_CONFIG_BYTES = 1 << 24
_MAX_WEIGHTS_BYTES = 1 << 32
_MAX_DEPTH = 100
_IN_HDF5 = ("model_weights",)
_ZIP, _HDF5 = b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"


class Container(NamedTuple):
    """A model in a file."""

    model: Model
    weights: TreeFile
    is_by_name: bool
    """Whether the weights lie under the names of layers, in HDF5; else by the kinds of layers."""
    is_of_keras_2: bool

    def of_layer(self, name: str) -> list[Any]:
        """The arrays of a layer, in order, where they lie under its name."""
        path = (*_IN_HDF5, *name.split("/"))
        if not self.weights.has(path):
            return []
        places = self.weights.texts(path, "weight_names")
        return [self.weights.read((*path, *place.split("/"))) for place in places]


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Container]:
    """Open a file, and read the structure of its model.

    Raises
    ------
    ValueError
        With what it holds that no network for pictures needs.
    OSError
        When it cannot be read.
    """
    require_regular(path)
    with open_regular(path) as file:
        begins = file.read(len(_HDF5)) or b""
    if begins.startswith(_ZIP):
        with _of_archive(path) as container:
            yield container
    elif begins == _HDF5:
        with TreeFile(path) as tree:
            yield _of_hdf5(tree)
    else:
        raise ValueError("it is neither an archive of Keras nor HDF5")


@contextlib.contextmanager
def _of_archive(path: Path) -> Iterator[Container]:
    with contextlib.ExitStack() as stack:
        archive = stack.enter_context(Archive(path, (_CONFIG, _METADATA, _WEIGHTS)))
        for name in (_CONFIG, _WEIGHTS):
            if name not in archive:
                raise ValueError(f"it has no {name}: save the whole network with model.save")
        model = _model(archive.read(_CONFIG, _MAX_CONFIG_BYTES))
        is_of_keras_2 = _METADATA in archive and _is_of_keras_2(
            _version_in(archive.read(_METADATA, 4096))
        )
        if is_of_keras_2:
            model = as_in_keras_2(model)
        if archive.is_plain(_WEIGHTS):
            tree = TreeFile(archive.window(_WEIGHTS))
        else:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bottlebank-")))
            (folder / _WEIGHTS).write_bytes(archive.read(_WEIGHTS, _MAX_WEIGHTS_BYTES))
            tree = TreeFile(folder / _WEIGHTS)
        yield Container(model, stack.enter_context(tree), False, is_of_keras_2)


def _of_hdf5(tree: TreeFile) -> Container:
    text = tree.text("model_config", _MAX_CONFIG_BYTES)
    if text is None:
        raise ValueError(
            "it holds weights alone, not the network: save the whole with model.save('net.keras'); "
            "weights of a network of keras.applications are named with --weights"
        )
    if not tree.has(_IN_HDF5):
        raise ValueError("it holds no weights: save the whole network with model.save")
    if tree.text("backend", 100) == "theano":
        raise ValueError(
            "it was written with Theano, whose convolutions turn their kernels: save it again with "
            "TensorFlow"
        )
    model, is_of_keras_2 = _model(text), _is_of_keras_2(tree.text("keras_version", 100))
    return Container(as_in_keras_2(model) if is_of_keras_2 else model, tree, True, is_of_keras_2)


def _version_in(metadata: bytes) -> str | None:
    version = read_json_object(metadata, len(metadata)).get("keras_version")
    return version if isinstance(version, str) else None


def _is_of_keras_2(version: str | None) -> bool:
    """The first versions did not say theirs."""
    return version is None or version.startswith(("1.", "2."))


def _model(text: str | bytes) -> Model:
    try:
        return read_model(read_json(text, _MAX_CONFIG_BYTES, _MAX_DEPTH))
    except (RecursionError, UnicodeDecodeError) as error:
        raise ValueError("its description is not JSON, or nested too deeply") from error
