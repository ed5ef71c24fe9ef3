"""The first run of a network that somebody else wrote, in a process of its own, and its reference.

What crashes the libraries there, or takes all memory, ends that process and not this one.
"""

from __future__ import annotations

import logging
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import EngineError, in_brief
from ...extras import how_to_install
from ...untrusted.arrays import read_npy
from ...untrusted.isolation import DiedError, FailedError, isolated_reader
from ..golden_images import COSINE_LIMITS, golden_pixels, least_cosine
from .base import Reference
from .batches import one_by_one, settled

if TYPE_CHECKING:
    from ...untrusted.isolation import Send
    from ..backbones.registry import Backbone
    from .base import Engine

TENSORFLOW = "TensorFlow"
EVALUATOR = "the reference evaluator of ONNX"
MAX_REFERENCE_BYTES = 1 << 24

logger = logging.getLogger(__name__)

_REMEDY = how_to_install("onnxruntime")
_EVALUATOR = f"{__package__}.onnx_evaluator"
_RUN_S = 600.0
_EVALUATION_S = 30
_MORE_BYTES = 1 << 34
"""Much of it is address space alone: of the libraries' threads."""


def apart(module: str, function: str, *arguments: str | int, n_bytes: int) -> dict[str, Any]:
    """Call a function in a process of its own, and return what it sends.

    Parameters
    ----------
    module, function
        Where it is. It is called with a `Send` and the arguments.
    arguments
        For it.
    n_bytes
        Size of the network, on which the limit on memory depends.

    Raises
    ------
    EngineError
        When it raises ValueError, dies, or exceeds a limit.
    """
    more_bytes = _MORE_BYTES + 16 * n_bytes
    sent: dict[str, Any] = {}
    try:
        with isolated_reader(module, function, *arguments, more_bytes=more_bytes) as messages:
            for message in messages:
                sent.update(message.about)
    except (DiedError, FailedError) as error:
        raise EngineError(f"the network cannot be run: {in_brief(error, 500)}") from error
    return sent


def first_run(backbone: Backbone, file: Path, folder: Path, engine: str) -> Reference:
    """Run an ONNX file for the first time, and compute the reference with another library.

    That is OpenVINO for ONNX Runtime; and for OpenVINO, ONNX Runtime where it is installed, else
    the evaluator that the package `onnx` has, which is slow. Where none of them can, the engine is
    its own reference, and a warning says so.

    Parameters
    ----------
    backbone
        The network.
    file
        ``network.onnx``: 8-bit pixels to transfer values. It is rewritten to take one image in a
        call where it does not make the same of an image in a batch as of the image alone.
    folder
        Where the converted network is written, for OpenVINO.
    engine
        What will run it: ``OpenVINO`` or ``ONNX Runtime``.

    Raises
    ------
    EngineError
        When the engine cannot run it, or the evaluator computes something else.
    """
    n_bytes, size_px = file.stat().st_size, backbone.input_size_px
    has_other = engine != "OpenVINO" or find_spec("onnxruntime") is not None
    with tempfile.TemporaryDirectory(prefix="bottlebank-") as temporary:
        features = Path(temporary) / "features.npy"
        common = (str(file), str(features), size_px)
        more = (str(folder), engine, int(has_other))
        by = apart(__name__, _try.__name__, *common, *more, n_bytes=n_bytes)["by"]
        made = read_npy(features, "<f4", 2, MAX_REFERENCE_BYTES)
        if by != engine:
            return Reference(made, by)
        try:
            more = (backbone.width, _EVALUATION_S)
            apart(_EVALUATOR, "evaluate", *common, *more, n_bytes=n_bytes)
        except EngineError as error:
            logger.info("%s: %s", EVALUATOR, error)
            remedy = f"; to compare it with ONNX Runtime, {_REMEDY} and run once "
            logger.warning(
                "nothing else here could run %s: what %s computes with it is not checked%s",
                backbone.name,
                engine,
                "" if has_other else f"{remedy}with --engine onnxruntime",
            )
            return Reference(made, engine)
        evaluated = read_npy(features, "<f4", 2, MAX_REFERENCE_BYTES)
    cosine, limit = least_cosine(made, evaluated), COSINE_LIMITS["float32"]
    if cosine < limit:  # either may be wrong: nothing of it is kept, so that a third can decide
        raise EngineError(
            f"what {engine} computes with {backbone.name} differs from {EVALUATOR}: cosine "
            f"{cosine:.5f}, expected at least {limit}"
            f"{'' if has_other else f'; {_REMEDY}, which decides'}"
        )
    return Reference(evaluated, EVALUATOR)


def _try(
    send: Send, file: str, features: str, size_px: int, folder: str, engine: str, has_other: int
) -> None:
    """In a process of its own: run a file in an engine, then in the other where there is one."""
    send({}, next_s=_RUN_S)
    golden = golden_pixels(size_px)
    starts = {"OpenVINO": _openvino, "ONNX Runtime": _onnx_runtime}
    own = starts.pop(engine)

    def start(one_image: bool) -> Engine:
        if one_image:
            from ..backbones.onnx_graph import take_one_image

            take_one_image(Path(file))
        return own(Path(file), Path(folder), many=not one_image)

    try:
        _, made = settled(start, golden)
    except Exception as error:  # whatever its library raises
        raise ValueError(str(error)) from error
    by = engine
    if has_other:
        [(name, other)] = starts.items()
        try:
            with tempfile.TemporaryDirectory(prefix="bottlebank-") as temporary:
                run = other(Path(file), Path(temporary), many=False)
                made, by = one_by_one(run, golden), name
        except Exception as error:  # noqa: BLE001 (whatever its library raises: it is not a reference)
            logger.info("%s: %s", name, error)
    np.save(features, made)
    send({"by": by})


def _openvino(file: Path, folder: Path, *, many: bool) -> Engine:
    from .openvino import OpenVinoEngine, convert

    convert(file, folder)
    return OpenVinoEngine(folder, "float32", many=many)


def _onnx_runtime(file: Path, folder: Path, *, many: bool) -> Engine:
    from .onnxruntime import OnnxRuntimeEngine

    return OnnxRuntimeEngine(file)
