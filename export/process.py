"""Writing an export, and trying what was written, each in a process of its own.

Converters and runtimes are large, hold much memory and may crash, and the network may be somebody
else's. What is tried is opened as whoever receives it opens it: in a process that has not made it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import BottlebankError, in_brief
from ..fork_safety import import_whole
from ..untrusted.arrays import read_npy
from ..untrusted.isolation import DiedError, FailedError, isolated_reader
from .job import Job
from .registry import EXPORTERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..untrusted.isolation import Send

_STEP_S = 7200.0
"""Of processor time, of all cores together."""
_MORE_BYTES = 1 << 35
"""Much of it is address space alone: of the libraries' threads."""
_MAX_RESULT_BYTES = 1 << 30


class ExportError(BottlebankError, RuntimeError):
    """A head that could not be exported, or whose export computes something else."""


def write(format: str, job: Job, folder: Path) -> bool:
    """Let an exporter write what a saved `job` describes into a folder.

    Returns
    -------
    bool
        Whether the export takes several images in a call.

    Raises
    ------
    ExportError
        When it cannot.
    """
    try:
        return _apart("write_apart", EXPORTERS[format].module, str(job.folder), str(folder))[
            "takes_many"
        ]
    except ValueError as error:
        title = EXPORTERS[format].title
        raise ExportError(f"no export as {title}: {in_brief(error, 500)}") from error


def answers(format: str, folder: Path, batches: Sequence[np.ndarray], scratch: Path) -> np.ndarray:
    """The probabilities, float32 (n, n_classes), that an export gives in its own runtime.

    Parameters
    ----------
    format, folder
        What was written, and where.
    batches
        What goes into a call each: uint8, (n, height, width, 3).
    scratch
        A folder for what the processes give one another.

    Raises
    ------
    ExportError
        When the runtime cannot open or run it.
    """
    given, made = scratch / "pixels.npz", scratch / "probabilities.npy"
    np.savez(given, *batches, allow_pickle=False)
    try:
        _apart("run_apart", EXPORTERS[format].module, str(folder), str(given), str(made))
        return read_npy(made, "<f4", 2, _MAX_RESULT_BYTES)
    except ValueError as error:
        title = EXPORTERS[format].title
        raise ExportError(f"the export does not run in {title}: {in_brief(error, 500)}") from error


def _apart(function: str, *arguments: str) -> dict[str, Any]:
    sent: dict[str, Any] = {}
    try:
        with isolated_reader(__name__, function, *arguments, more_bytes=_MORE_BYTES) as messages:
            for message in messages:
                sent.update(message.about)
    except (DiedError, FailedError) as error:
        raise ValueError(str(error)) from error
    return sent


def _exporter(module: str) -> Any:
    # On a GPU, CUDA reserves more address space than this process may take.
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    return import_whole(module, __package__)


def write_apart(send: Send, module: str, job: str, folder: str) -> None:
    """In a process of its own: see `write`."""
    send({}, next_s=_STEP_S)
    try:
        takes_many = _exporter(module).write(Job.load(Path(job)), Path(folder))
    except (BottlebankError, RuntimeError) as error:
        raise ValueError(in_brief(error, 500)) from error
    send({"takes_many": takes_many})


def run_apart(send: Send, module: str, folder: str, given: str, made: str) -> None:
    """In a process of its own: see `answers`."""
    send({}, next_s=_STEP_S)
    try:
        run = _exporter(module).opened(Path(folder))
        with np.load(given) as batches:
            parts = [run(batches[f"arr_{number}"]) for number in range(len(batches.files))]
    except RuntimeError as error:
        raise ValueError(in_brief(error, 500)) from error
    np.save(made, np.concatenate(parts).astype(np.float32))
