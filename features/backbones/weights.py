"""The weights of a backbone: what they are called, where they are, and their hash."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ...errors import EngineError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .registry import Backbone

IMAGENET = "imagenet"
SEED_WEIGHTS = "seed"


class WrongWeightsError(EngineError):
    """A file without the weights of the network: no engine and no precision changes that."""


class Weights(NamedTuple):
    """Weights on this machine."""

    name: str
    """``imagenet``, ``seed`` or the file's name."""
    path: Path | None
    """None: they are in no file."""
    known_sha256: str = ""
    """Hexadecimal SHA-256 of weights that are in no file."""
    more: tuple[Path, ...] = ()
    """Other files that belong to it, in a fixed order."""

    def sha256(self, digest: Callable[[Path], str]) -> str:
        """Hexadecimal SHA-256 of the weights; of several files, of their hashes."""
        if self.path is None:
            return self.known_sha256
        hashes = [digest(path) for path in (self.path, *self.more)]
        return hashes[0] if not self.more else hashlib.sha256("".join(hashes).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def named_weights(path: str) -> Weights:
    """Weights in a file that somebody names.

    Raises
    ------
    UsageError
        When there is none.
    """
    if not os.path.isfile(path):  # noqa: PTH113 (False where a name is too long)
        raise UsageError(f"no weights file at {path}; give its path, or --weights {IMAGENET}")
    return Weights(Path(path).name, Path(path))


def find_weights(
    backbone: Backbone,
    weights: str = IMAGENET,
    download_timeout_s: float | None = None,
    progress: bool | None = None,
) -> Weights:
    """Find the weights of a backbone, downloading ImageNet weights that are not here yet.

    It calls the function of this name in the backbone's module.

    Parameters
    ----------
    backbone
        From the registry.
    weights
        ``imagenet`` or the path of a file.
    download_timeout_s
        Give up a download after this long; None waits.
    progress
        False shows no download on stderr; otherwise Keras shows it on a terminal, elsewhere
        `Progress` does.

    Raises
    ------
    UsageError
        When `weights` names no file, or names any for a network that has none.
    WeightsNotFoundError
        When ImageNet weights are not on this machine and cannot be downloaded.
    """
    return backbone.imported().find_weights(backbone, weights, download_timeout_s, progress)
