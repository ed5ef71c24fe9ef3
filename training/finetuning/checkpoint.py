"""The checkpoint of a run: written whole after each epoch, so that a run that was killed goes on.

It is one ``.npz`` of plain arrays, whose members have checksums of their own.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...atomic_file import write_bytes
from ...classifier.dense_training import Epoch
from ...errors import BottlebankError, UsageError, in_brief
from ...untrusted.arrays import read_npz
from ...untrusted.json_text import read_json_object

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_ARRAYS = {"about": ("u1", 1), "state": ("<f4", 1), "best": ("<f4", 1)}
_MOST_ABOUT_BYTES = 1 << 20
_MOST_BYTES = 1 << 34
_DAMAGE = (ValueError, KeyError, TypeError, AttributeError)

logger = logging.getLogger(__name__)


class Standing(NamedTuple):
    """How far a run is."""

    history: list[Epoch]
    state: np.ndarray
    """Of the trainer, after the last epoch: float32, (m,)."""
    best: np.ndarray
    """The trained weights after the best epoch: float32, (k,)."""


class Checkpoint:
    """The file of a run.

    Parameters
    ----------
    path
        The file; it need not be there.
    run
        What decides the result: JSON values by name. A run with others is another run.
    """

    def __init__(self, path: Path, run: Mapping[str, Any]) -> None:
        self.path, self._run = path, dict(run)

    def save(self, standing: Standing) -> None:
        """Write it; what was there is replaced once the new one is whole.

        Raises
        ------
        BottlebankError
            When it cannot be written, as on a full disk.
        """
        about = json.dumps({"run": self._run, "history": [*map(list, standing.history)]}).encode()
        buffer = io.BytesIO()
        np.savez(
            buffer,
            about=np.frombuffer(about, np.uint8),
            state=standing.state,
            best=standing.best,
        )
        try:
            write_bytes(self.path, buffer.getbuffer())
        except OSError as error:
            raise BottlebankError(
                f"{self.path} cannot be written: {error.strerror or error}; the checkpoint of the "
                f"epoch before is kept: run the same command again once there is room"
            ) from error

    def require_same_run(self) -> None:
        """Raise UsageError where the file is of another run; damage is left for `load`."""
        try:
            self._read()
        except UsageError:
            raise
        except (OSError, *_DAMAGE) as error:
            logger.debug("%s: %s", self.path, error)

    def load(self, n_state: int, n_best: int) -> Standing | None:
        """What `save` wrote; None where nothing was, or where it is damaged, with a warning.

        Parameters
        ----------
        n_state, n_best
            How many numbers `Standing.state` and `Standing.best` have.

        Raises
        ------
        UsageError
            When it is of another run.
        """
        if not self.path.exists():
            return None
        try:
            found, epochs = self._read()
            history = [Epoch(*map(float, epoch)) for epoch in epochs]
            sizes = (len(found["state"]), len(found["best"]))
            if sizes != (n_state, n_best) or not history:
                raise ValueError(f"it holds {sizes} numbers of {len(history)} epochs")
            if not all(np.isfinite(found[name]).all() for name in ("state", "best")):
                raise ValueError("it has numbers that are not finite")
        except UsageError:
            raise
        except (OSError, *_DAMAGE) as error:
            logger.warning(
                "warning: the checkpoint %s cannot be read (%s): training begins again",
                self.path,
                in_brief(error),
            )
            return None
        return Standing(history, found["state"], found["best"])

    def remove(self) -> None:
        """Nothing is left to go on with."""
        self.path.unlink(missing_ok=True)

    def _read(self) -> tuple[dict[str, np.ndarray], list[Any]]:
        found = read_npz(self.path, _ARRAYS, _MOST_BYTES)
        about = read_json_object(found["about"].tobytes(), _MOST_ABOUT_BYTES)
        self._require_same(about["run"])
        return found, about["history"]

    def _require_same(self, other: Mapping[str, Any]) -> None:
        differing = [
            f"{name.replace('_', ' ')} {other.get(name)} → {value}"
            for name, value in self._run.items()
            if other.get(name) != value
        ]
        if differing or len(other) != len(self._run):
            raise UsageError(
                f"{self.path} is of a run with other settings or images ({'; '.join(differing)}): "
                f"run that one to its end, remove the file to begin anew, or name another --output"
            )


def digest_of(*values: object) -> str:
    """Twelve hexadecimal digits of JSON values or bytes, by which runs are told apart."""
    digest = hashlib.sha256()
    for value in values:
        digest.update(value if isinstance(value, bytes) else json.dumps(value).encode())
    return digest.hexdigest()[:12]
