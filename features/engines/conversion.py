"""Converted networks: made once, most with TensorFlow, then kept for the engines that read them."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...atomic_file import make_folder, remove_whole
from ...errors import BottlebankError, EngineError, WeightsNotFoundError
from ...progress import Progress
from ...untrusted.arrays import read_npy
from ...untrusted.files import read_bounded, require_regular
from ...untrusted.json_text import read_json_object
from ..backbones.weights import Weights, file_sha256
from ..golden_images import N_IMAGES, golden_pixels
from ..recipe import Recipe, backbone_of
from .base import Reference
from .batches import settled
from .first_run import MAX_REFERENCE_BYTES, TENSORFLOW, apart, first_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from ...untrusted.isolation import Send
    from ..backbones.registry import Backbone
    from .tensorflow import TensorFlowEngine

REFERENCE = "reference.npy"
"""The features of a `Reference`: float32, (n, width)."""


class Form(NamedTuple):
    """A form in which engines read networks."""

    reader: str
    """Who reads it, for people."""
    suffix: str
    """Of its folder's name, behind the fingerprint."""
    files: tuple[str, ...]


OPENVINO = Form("OpenVINO", "", ("network.xml", "network.bin"))
ONNX = Form("ONNX Runtime", ".onnx", ("network.onnx",))
ONNX_FLOAT16 = Form("ONNX Runtime", ".float16.onnx", ("network.onnx",))
GRAPH = Form("TensorFlow", ".graph", ("network.pb",))

logger = logging.getLogger(__name__)

_MANIFEST = "manifest.json"
_BY = "reference"
"""What computed the reference; TensorFlow where a manifest does not say it."""
_BUILT_WITHIN_S = 600.0
_TO_FLOAT16 = f"{__package__}.onnx_float16"


def converted_network(
    recipe: Recipe,
    backbone: Backbone,
    weights: Callable[[], Weights],
    networks: Path | None,
    form: Form,
    progress: bool | None = None,
) -> AbstractContextManager[Path]:
    """The folder of the converted network: kept under `networks`, or temporary without one."""

    def write(folder: Path) -> None:
        held = weights()
        _write(recipe, backbone, held, folder, form, progress)
        require_same(recipe, held)

    return _kept_or_made(recipe, networks, form, write)


def float16_network(
    recipe: Recipe, onnx: Callable[[], Path], networks: Path | None
) -> AbstractContextManager[Path]:
    """The same for a network in float16, made of the ONNX file in the folder that `onnx` returns.

    Its reference is the other's.
    """

    def write(folder: Path) -> None:
        source = onnx()
        file, made = source / "network.onnx", folder / "network.onnx"
        n_bytes = file.stat().st_size
        apart(_TO_FLOAT16, "to_float16", str(file), str(made), n_bytes=n_bytes)
        _write_manifest(folder, ONNX_FLOAT16, read_reference(source))

    return _kept_or_made(recipe, networks, ONNX_FLOAT16, write)


@contextlib.contextmanager
def _kept_or_made(
    recipe: Recipe, networks: Path | None, form: Form, write: Callable[[Path], None]
) -> Iterator[Path]:
    kept = None if networks is None else networks / f"{recipe.fingerprint}{form.suffix}"
    if kept is not None and _is_whole(kept, form, recipe.width):
        yield kept
        return
    with tempfile.TemporaryDirectory(prefix="bottlebank-") as temporary:
        folder = Path(temporary)
        write(folder)
        if kept is not None:
            try:
                _keep(folder, kept, form, recipe.width)
            except OSError as error:  # a read-only cache works, only slower to start
                logger.warning("the converted network is not kept: %s", error)
        yield folder


def require_same(recipe: Recipe, weights: Weights) -> None:
    """Refuse a network that was read from other files than those that the recipe names.

    Called once they have been read: what took their place since they were hashed would be kept
    under their fingerprint for good.

    Raises
    ------
    WeightsNotFoundError
        When their hash is another.
    """
    try:
        now = weights.sha256(file_sha256)
    except OSError as error:
        raise WeightsNotFoundError(
            f"{weights.path} is gone since it was read ({error}): nothing of it is kept"
        ) from error
    if now != recipe.weights_sha256:
        raise WeightsNotFoundError(
            f"{weights.path} has changed while it was read, SHA-256 {recipe.weights_sha256[:8]}… → "
            f"{now[:8]}…: nothing of it is kept; run this again once it stays as it is"
        )


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
    if hasattr(module, "require_weights"):
        module.require_weights(backbone, weights)
    what = f"Converting {backbone.name} for {form.reader}, once"
    with contextlib.ExitStack() as stack:
        if hasattr(module, "build") and not hasattr(module, "write_onnx"):
            stack.enter_context(Progress(f"{what} (some 20 s)", show=progress))
            if getattr(module, "BUILDS_APART", False):
                _build_apart(recipe, weights, folder, form)
                features = np.load(folder / REFERENCE)
            else:
                features = _from_tensorflow(backbone, weights, folder, form)
            reference = Reference(features, TENSORFLOW)
        elif form is OPENVINO and hasattr(module, "write_openvino"):
            module.write_openvino(backbone, weights, folder)
            reference = known_reference(backbone, weights)
        else:
            stack.enter_context(Progress(what, show=progress))
            reference = _from_onnx(backbone, weights, folder, form)
    _write_manifest(folder, form, reference)


def _write_manifest(folder: Path, form: Form, reference: Reference) -> None:
    """Complete a converted network by the reference and the hashes."""
    np.save(folder / REFERENCE, reference.features)
    manifest = {name: file_sha256(folder / name) for name in (*form.files, REFERENCE)}
    (folder / _MANIFEST).write_text(json.dumps({**manifest, _BY: reference.by}))


def _from_tensorflow(
    backbone: Backbone, weights: Weights, folder: Path, form: Form, *, is_own: bool = False
) -> np.ndarray:
    """Convert what TensorFlow runs, and return what it makes of the golden images.

    A network of somebody else may mix the images of a batch, those of the registry do not.
    """
    golden = golden_pixels(backbone.input_size_px)
    start = import_tensorflow_engine()
    if is_own:
        engine, features = settled(partial(start, backbone, weights, "float32"), golden)
    else:
        engine = start(backbone, weights)
        features = engine(golden)
    _convert_from_tensorflow(engine, folder, form)
    return features


def _convert_from_tensorflow(engine: TensorFlowEngine, folder: Path, form: Form) -> None:
    if form is ONNX:
        from .tensorflow import write_onnx

        write_onnx(engine, folder / "network.onnx")
    elif form is GRAPH:
        (folder / "network.pb").write_bytes(engine.graph())
    else:
        from .openvino import convert

        with tempfile.TemporaryDirectory(prefix="bottlebank-") as temporary:
            file = Path(temporary) / "network.pb"
            file.write_bytes(engine.graph())
            convert(file, folder)


def _build_apart(recipe: Recipe, weights: Weights, folder: Path, form: Form) -> None:
    """Build and convert somebody else's network in a process of its own."""
    assert weights.path is not None
    files = [str(path) for path in (weights.path, *weights.more)]
    arguments = (json.dumps(recipe.as_dict()), json.dumps([weights.name, *files]), str(folder))
    n_bytes = sum(os.path.getsize(file) for file in files)  # noqa: PTH202 (any str)
    apart(__name__, build_network.__name__, *arguments, form.suffix, n_bytes=n_bytes)


def build_network(send: Send, recipe: str, weights: str, folder: str, suffix: str) -> None:
    """In a process of its own: convert and run what others wrote, and write what it makes."""
    send({}, next_s=_BUILT_WITHIN_S)
    # On a GPU, CUDA reserves more address space than this process may take.
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    name, path, *more = json.loads(weights)
    held = Weights(name, Path(path), more=tuple(map(Path, more)))
    form = next(each for each in (OPENVINO, ONNX, GRAPH) if each.suffix == suffix)
    into = Path(folder)
    try:
        backbone = backbone_of(Recipe.from_dict(json.loads(recipe)))
        features = _from_tensorflow(backbone, held, into, form, is_own=True)
        np.save(into / REFERENCE, features)
        _run_first(into, form, golden_pixels(backbone.input_size_px))
    except (BottlebankError, RuntimeError) as error:
        raise ValueError(str(error)) from error


def _run_first(folder: Path, form: Form, images: np.ndarray) -> None:
    """Let the engine read a converted network for the first time, where a crash costs little."""
    if form is ONNX:
        from .onnxruntime import OnnxRuntimeEngine

        OnnxRuntimeEngine(folder / "network.onnx")(images)
    elif form is OPENVINO:
        from .openvino import OpenVinoEngine

        OpenVinoEngine(folder, "float32", many=False)(images)


def _from_onnx(backbone: Backbone, weights: Weights, folder: Path, form: Form) -> Reference:
    module = backbone.imported()
    with tempfile.TemporaryDirectory(prefix="bottlebank-") as temporary:
        into = folder if form is ONNX else Path(temporary)
        module.write_onnx(backbone, weights, into)
        file = into / "network.onnx"
        if not hasattr(module, "reference"):
            return first_run(backbone, file, folder, form.reader)
        if form is OPENVINO:
            from .openvino import convert

            convert(file, folder)
        return known_reference(backbone, weights)


def known_reference(backbone: Backbone, weights: Weights) -> Reference:
    """What TensorFlow makes of the golden images; it runs where that is not known beforehand."""
    module = backbone.imported()
    found = module.reference(backbone, weights) if hasattr(module, "reference") else None
    if found is None:
        engine = import_tensorflow_engine()(backbone, weights)
        found = engine(golden_pixels(backbone.input_size_px))
    return Reference(found, TENSORFLOW)


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
        reference = read_npy(folder / REFERENCE, "<f4", 2, MAX_REFERENCE_BYTES)
        if reference.shape != (N_IMAGES, width) or not np.isfinite(reference).all():
            return False
        manifest.pop(_BY, None)
        return set(manifest) == {*form.files, REFERENCE} and all(
            file_sha256(folder / name) == digest for name, digest in manifest.items()
        )
    except (OSError, ValueError):
        return False


def read_reference(folder: Path) -> Reference:
    """What the engines that read a converted network are compared with.

    Raises
    ------
    EngineError
        When it is damaged.
    """
    try:
        features = read_npy(folder / REFERENCE, "<f4", 2, MAX_REFERENCE_BYTES)
        manifest = read_json_object(read_bounded(folder / _MANIFEST, 4096), 4096)
    except (OSError, ValueError) as error:
        raise EngineError(f"{folder / REFERENCE} is damaged ({error}): remove {folder}") from error
    return Reference(features, str(manifest.get(_BY, TENSORFLOW)))
