"""Converted networks: made once, most with TensorFlow, then kept for the engines that read them."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...atomic_file import make_folder, remove_whole
from ...errors import BottlebankError, EngineError, in_brief
from ...progress import Progress
from ...untrusted.arrays import read_npy
from ...untrusted.files import read_bounded, require_regular
from ...untrusted.isolation import DiedError, FailedError, isolated_reader
from ...untrusted.json_text import read_json_object
from ..backbones.weights import Weights, file_sha256
from ..golden_images import N_IMAGES, golden_pixels
from ..recipe import Recipe, backbone_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ...untrusted.isolation import Send
    from ..backbones.registry import Backbone
    from .tensorflow import TensorFlowEngine

REFERENCE = "reference.npy"
"""What the most trusted engine in float32 made of the golden images: float32, (n, width)."""


class Form(NamedTuple):
    """A form in which engines read networks."""

    reader: str
    """Who reads it, for people."""
    suffix: str
    """Of its folder's name, behind the fingerprint."""
    files: tuple[str, ...]


OPENVINO = Form("OpenVINO", "", ("network.xml", "network.bin"))
ONNX = Form("ONNX Runtime", ".onnx", ("network.onnx",))

logger = logging.getLogger(__name__)

_MANIFEST = "manifest.json"
_MAX_REFERENCE_BYTES = 1 << 24
_TRIAL_S = 600.0
_TRIAL_BYTES = 1 << 34
"""Much of it is address space alone: of the libraries' threads."""


@contextlib.contextmanager
def converted_network(
    recipe: Recipe,
    backbone: Backbone,
    weights: Callable[[], Weights],
    networks: Path | None,
    form: Form,
    progress: bool | None = None,
) -> Iterator[Path]:
    """The folder of the converted network: kept under `networks`, or temporary without one."""
    kept = None if networks is None else networks / f"{recipe.fingerprint}{form.suffix}"
    if kept is not None and _is_whole(kept, form, recipe.width):
        yield kept
        return
    with tempfile.TemporaryDirectory(prefix="bottlebank-") as temporary:
        folder = Path(temporary)
        _write(recipe, backbone, weights(), folder, form, progress)
        if kept is not None:
            try:
                _keep(folder, kept, form, recipe.width)
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


def _write(
    recipe: Recipe,
    backbone: Backbone,
    weights: Weights,
    folder: Path,
    form: Form,
    progress: bool | None,
) -> None:
    """Write the network, what the reference made of the golden images, and their hashes."""
    module = backbone.imported()
    what = f"Converting {backbone.name} for {form.reader}, once"
    with contextlib.ExitStack() as stack:
        if hasattr(module, "build") and not hasattr(module, "write_onnx"):
            stack.enter_context(Progress(f"{what} (some 20 s)", show=progress))
            if getattr(module, "BUILDS_APART", False):
                _build_apart(recipe, weights, folder, form)
                reference = np.load(folder / REFERENCE)
            else:
                reference = _from_tensorflow(backbone, weights, folder, form)
        elif form is OPENVINO and hasattr(module, "write_openvino"):
            module.write_openvino(backbone, weights, folder)
            reference = module.reference(backbone)
        else:
            stack.enter_context(Progress(what, show=progress))
            reference = _from_onnx(backbone, weights, folder, form)
    np.save(folder / REFERENCE, reference)
    manifest = {name: file_sha256(folder / name) for name in (*form.files, REFERENCE)}
    (folder / _MANIFEST).write_text(json.dumps(manifest))


def _from_tensorflow(backbone: Backbone, weights: Weights, folder: Path, form: Form) -> np.ndarray:
    engine = import_tensorflow_engine()(backbone, weights)
    if form is ONNX:
        from .tensorflow import write_onnx

        write_onnx(engine, folder / "network.onnx")
    else:
        from .openvino import convert

        with tempfile.TemporaryDirectory(prefix="bottlebank-") as temporary:
            file = Path(temporary) / "network.pb"
            file.write_bytes(engine.graph())
            convert(file, folder)
    return engine(golden_pixels(backbone.input_size_px))


def _build_apart(recipe: Recipe, weights: Weights, folder: Path, form: Form) -> None:
    """Build and convert somebody else's network in a process of its own."""
    assert weights.path is not None
    files = [str(path) for path in (weights.path, *weights.more)]
    arguments = (json.dumps(recipe.as_dict()), json.dumps([weights.name, *files]), str(folder))
    n_bytes = sum(os.path.getsize(file) for file in files)  # noqa: PTH202 (any str)
    _apart(build_network.__name__, *arguments, form.suffix, n_bytes=n_bytes)


def build_network(send: Send, recipe: str, weights: str, folder: str, suffix: str) -> None:
    """In a process of its own: convert what TensorFlow runs, and write what it makes of it."""
    send({}, next_s=_TRIAL_S)
    name, path, *more = json.loads(weights)
    held = Weights(name, Path(path), more=tuple(map(Path, more)))
    form = next(each for each in (OPENVINO, ONNX) if each.suffix == suffix)
    into = Path(folder)
    try:
        backbone = backbone_of(Recipe.from_dict(json.loads(recipe)))
        np.save(into / REFERENCE, _from_tensorflow(backbone, held, into, form))
    except (BottlebankError, RuntimeError) as error:
        raise ValueError(str(error)) from error


def _apart(function: str, *arguments: str | int, n_bytes: int) -> None:
    """Call a function of this module in a process of its own.

    What crashes the libraries, or takes all memory, ends that process and not this one.
    """
    more_bytes = _TRIAL_BYTES + 16 * n_bytes
    try:
        with isolated_reader(__name__, function, *arguments, more_bytes=more_bytes) as messages:
            for _ in messages:
                pass
    except (DiedError, FailedError) as error:
        raise EngineError(f"the network cannot be run: {in_brief(error, 500)}") from error


def _from_onnx(backbone: Backbone, weights: Weights, folder: Path, form: Form) -> np.ndarray:
    module = backbone.imported()
    with tempfile.TemporaryDirectory(prefix="bottlebank-") as temporary:
        into = folder if form is ONNX else Path(temporary)
        module.write_onnx(backbone, weights, into)
        file, size_px = into / "network.onnx", backbone.input_size_px
        if hasattr(module, "reference"):
            if form is OPENVINO:
                _convert(file, folder)
            return module.reference(backbone)
        _try_apart(file, folder, form, size_px)
    return np.load(folder / REFERENCE)


def _convert(file: Path, folder: Path) -> None:
    from .openvino import convert

    convert(file, folder)


def _try_apart(file: Path, folder: Path, form: Form, size_px: int) -> None:
    """Read and run somebody else's network for the first time in a process of its own."""
    arguments = (str(file), str(folder), int(form is OPENVINO), size_px)
    _apart(try_network.__name__, *arguments, n_bytes=file.stat().st_size)


def try_network(send: Send, file: str, folder: str, is_for_openvino: int, size_px: int) -> None:
    """In a process of its own: convert an ONNX file, and write what the reference makes of it."""
    send({}, next_s=_TRIAL_S)
    into = Path(folder)
    try:
        if is_for_openvino:
            _convert(Path(file), into)
        golden = golden_pixels(size_px)
        if find_spec("onnxruntime"):  # which the makers of the format hold up to it
            from .onnxruntime import OnnxRuntimeEngine

            reference = OnnxRuntimeEngine(Path(file), gpu=False)(golden)
        else:
            from .openvino import OpenVinoEngine

            reference = OpenVinoEngine(into, "float32", many=False)(golden)
    except (EngineError, RuntimeError) as error:
        raise ValueError(str(error)) from error
    np.save(into / REFERENCE, reference)


def _keep(folder: Path, kept: Path, form: Form, width: int) -> None:
    """Put a converted network in place of a damaged one, or where there is none."""
    make_folder(kept.parent)
    beside = Path(tempfile.mkdtemp(prefix=".converting-", dir=kept.parent))
    try:
        shutil.copytree(folder, beside, dirs_exist_ok=True)
        beside.chmod(0o755)
        if not _is_whole(kept, form, width):  # else another process has kept the same one meanwhile
            remove_whole(kept)
            beside.rename(kept)
    except OSError:
        if not _is_whole(kept, form, width):
            raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _is_whole(folder: Path, form: Form, width: int) -> bool:
    try:
        manifest = read_json_object(read_bounded(folder / _MANIFEST, 4096), 4096)
        for name in form.files:
            require_regular(folder / name)
        reference = read_npy(folder / REFERENCE, "<f4", 2, _MAX_REFERENCE_BYTES)
        if reference.shape != (N_IMAGES, width) or not np.isfinite(reference).all():
            return False
        return set(manifest) == {*form.files, REFERENCE} and all(
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
