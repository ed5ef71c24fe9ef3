"""Converted networks: made once, most with TensorFlow, then kept for the engines that read them."""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...atomic_file import make_folder, remove_whole
from ...errors import EngineError
from ...progress import Progress
from ...untrusted.arrays import read_npy
from ...untrusted.files import read_bounded, require_regular
from ...untrusted.json_text import read_json_object
from ..backbones.weights import file_sha256
from ..golden_images import N_IMAGES, golden_pixels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..backbones.registry import Backbone
    from ..backbones.weights import Weights
    from ..recipe import Recipe
    from .tensorflow import TensorFlowEngine

REFERENCE = "reference.npy"
"""What TensorFlow in float32 made of the golden images: float32, (n, width)."""

logger = logging.getLogger(__name__)

_NETWORK = ("network.xml", "network.bin")
_MANIFEST = "manifest.json"
_MAX_REFERENCE_BYTES = 1 << 24


@contextlib.contextmanager
def converted_network(
    recipe: Recipe,
    backbone: Backbone,
    weights: Callable[[], Weights],
    networks: Path | None,
    progress: bool | None = None,
) -> Iterator[Path]:
    """The folder of the converted network: kept under `networks`, or temporary without one."""
    kept = None if networks is None else networks / recipe.fingerprint
    if kept is not None and _is_whole(kept, recipe.width):
        yield kept
        return
    with tempfile.TemporaryDirectory(prefix="bottlebank-") as temporary:
        folder = Path(temporary)
        _write(backbone, weights(), folder, progress)
        if kept is not None:
            try:
                _keep(folder, kept, recipe.width)
            except OSError as error:  # a read-only cache works, only slower to start
                logger.warning("the converted network is not kept: %s", error)
        yield folder


def import_tensorflow_engine() -> type[TensorFlowEngine]:
    """Import TensorFlow, which takes seconds, and return its engine."""
    try:
        from .tensorflow import TensorFlowEngine
    except ImportError as error:
        raise EngineError(f"TensorFlow cannot be imported ({error})") from error
    return TensorFlowEngine


def _write(backbone: Backbone, weights: Weights, folder: Path, progress: bool | None) -> None:
    """Write the network, what the reference made of the golden images, and their hashes."""
    module = backbone.imported()
    if hasattr(module, "write_openvino"):
        module.write_openvino(backbone, weights, folder)
        reference = module.reference(backbone)
    else:
        what = f"Converting {backbone.name} for OpenVINO, once"
        with Progress(what, show=progress):
            convert = _from_onnx if hasattr(module, "write_onnx") else _from_tensorflow
            reference = convert(backbone, weights, folder)
    np.save(folder / REFERENCE, reference)
    manifest = {name: file_sha256(folder / name) for name in (*_NETWORK, REFERENCE)}
    (folder / _MANIFEST).write_text(json.dumps(manifest))


def _from_tensorflow(backbone: Backbone, weights: Weights, folder: Path) -> np.ndarray:
    from .openvino import convert

    engine = import_tensorflow_engine()(backbone, weights)
    with tempfile.TemporaryDirectory(prefix="bottlebank-") as temporary:
        file = Path(temporary) / "network.pb"
        file.write_bytes(engine.graph())
        convert(file, folder)
    return engine(golden_pixels(backbone.input_size_px))


def _from_onnx(backbone: Backbone, weights: Weights, folder: Path) -> np.ndarray:
    from .openvino import OpenVinoEngine, convert

    with tempfile.TemporaryDirectory(prefix="bottlebank-") as temporary:
        backbone.imported().write_onnx(backbone, weights, Path(temporary))
        convert(Path(temporary) / "network.onnx", folder)
    return OpenVinoEngine(folder, "float32", many=False)(golden_pixels(backbone.input_size_px))


def _keep(folder: Path, kept: Path, width: int) -> None:
    """Put a converted network in place of a damaged one, or where there is none."""
    make_folder(kept.parent)
    beside = Path(tempfile.mkdtemp(prefix=".converting-", dir=kept.parent))
    try:
        shutil.copytree(folder, beside, dirs_exist_ok=True)
        beside.chmod(0o755)
        if not _is_whole(kept, width):  # else another process has kept the same one meanwhile
            remove_whole(kept)
            beside.rename(kept)
    except OSError:
        if not _is_whole(kept, width):
            raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _is_whole(folder: Path, width: int) -> bool:
    try:
        manifest = read_json_object(read_bounded(folder / _MANIFEST, 4096), 4096)
        for name in _NETWORK:
            require_regular(folder / name)
        reference = read_npy(folder / REFERENCE, "<f4", 2, _MAX_REFERENCE_BYTES)
        if reference.shape != (N_IMAGES, width) or not np.isfinite(reference).all():
            return False
        return set(manifest) == {*_NETWORK, REFERENCE} and all(
            file_sha256(folder / name) == digest for name, digest in manifest.items()
        )
    except (OSError, ValueError):
        return False


def read_reference(folder: Path) -> np.ndarray:
    """What is kept under `REFERENCE`, float32 (n, width).

    Raises
    ------
    EngineError
        When it is damaged.
    """
    try:
        return read_npy(folder / REFERENCE, "<f4", 2, _MAX_REFERENCE_BYTES)
    except (OSError, ValueError) as error:
        raise EngineError(f"{folder / REFERENCE} is damaged ({error}): remove {folder}") from error
