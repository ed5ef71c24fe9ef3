"""Converted networks: made once with TensorFlow, then kept for the engines that read them."""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..atomic import make_folder
from ..errors import EngineError
from .probe import probe_images
from .weights import file_sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .backbones import Backbone
    from .engines.tensorflow import TensorFlowEngine
    from .recipe import Recipe
    from .weights import Weights

REFERENCE = "reference.npy"
"""What TensorFlow in float32 made of the probe images: float32, (n, width)."""

logger = logging.getLogger(__name__)

_NETWORK = ("network.xml", "network.bin")
_MANIFEST = "manifest.json"


@contextlib.contextmanager
def converted_network(
    recipe: Recipe, backbone: Backbone, weights: Callable[[], Weights], networks: Path | None
) -> Iterator[Path]:
    """The folder of the converted network: kept under `networks`, or temporary without one."""
    kept = None if networks is None else networks / recipe.fingerprint
    if kept is not None and _is_whole(kept):
        yield kept
        return
    with tempfile.TemporaryDirectory(prefix="bottlebank-") as temporary:
        folder = Path(temporary)
        _convert(backbone, weights(), folder)
        if kept is not None:
            try:
                _keep(folder, kept)
            except OSError as error:  # a read-only cache works, only slower to start
                logger.warning("the converted network is not kept: %s", error)
        yield folder


def import_tensorflow_engine() -> type[TensorFlowEngine]:
    """Import TensorFlow, which takes seconds, and return its engine."""
    try:
        from .engines.tensorflow import TensorFlowEngine
    except ImportError as error:
        raise EngineError(f"TensorFlow cannot be imported ({error})") from error
    return TensorFlowEngine


def _convert(backbone: Backbone, weights: Weights, folder: Path) -> None:
    from .engines.openvino import convert

    reference_engine = import_tensorflow_engine()(backbone, weights)
    convert(reference_engine.graph(), folder)
    np.save(folder / REFERENCE, reference_engine(probe_images(backbone.input_size_px)))
    manifest = {name: file_sha256(folder / name) for name in (*_NETWORK, REFERENCE)}
    (folder / _MANIFEST).write_text(json.dumps(manifest))


def _keep(folder: Path, kept: Path) -> None:
    make_folder(kept.parent)
    if kept.exists():
        shutil.rmtree(kept)  # damaged, or it would have been used
    beside = Path(tempfile.mkdtemp(prefix=".converting-", dir=kept.parent))
    try:
        shutil.copytree(folder, beside, dirs_exist_ok=True)
        beside.chmod(0o755)
        beside.rename(kept)
    except OSError:
        if not _is_whole(kept):  # else another process kept the same network meanwhile
            raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _is_whole(folder: Path) -> bool:
    try:
        manifest = json.loads((folder / _MANIFEST).read_bytes())
        return set(manifest) == {*_NETWORK, REFERENCE} and all(
            file_sha256(folder / name) == digest for name, digest in manifest.items()
        )
    except (OSError, ValueError, AttributeError):
        return False
