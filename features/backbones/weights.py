"""Where the weights of a backbone are: found, downloaded by Keras, or drawn from a seed."""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ...errors import UsageError, WeightsNotFoundError
from ...progress import Progress
from .random_network import weights_sha256
from .registry import RANDOM, Backbone

if TYPE_CHECKING:
    from collections.abc import Callable

IMAGENET = "imagenet"
SEED = "seed"

# Run in a child process: it can be given up at any moment, keeps TensorFlow out of this one,
# and Keras knows the addresses and checks the hashes of its own files.
_DOWNLOAD = """
import socket, sys, urllib.request
if not urllib.request.getproxies():  # without a network, known before TensorFlow has started
    socket.create_connection(("storage.googleapis.com", 443), timeout=5).close()
import keras
constructor, size_px = sys.argv[1], int(sys.argv[2])
getattr(keras.applications, constructor)(
    weights="imagenet", include_top=False, input_shape=(size_px, size_px, 3)
)
"""


class Weights(NamedTuple):
    """Weights on this machine."""

    name: str
    """``imagenet``, ``seed`` or the file's name."""
    path: Path | None
    """None: drawn from a seed."""

    def sha256(self, digest: Callable[[Path], str]) -> str:
        """Hexadecimal SHA-256 of the weights."""
        return weights_sha256() if self.path is None else digest(self.path)


def file_sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def keras_models_folder() -> Path:
    """Where Keras keeps downloaded weights: ``$KERAS_HOME/models``, by default under ~/.keras."""
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "models"


def find_weights(
    backbone: Backbone,
    weights: str = IMAGENET,
    download_timeout_s: float | None = None,
    progress: bool | None = None,
) -> Weights:
    """Find the weights of a backbone, downloading ImageNet weights that are not here yet.

    A download is shown on stderr, unless `progress` is False: by Keras on a terminal, elsewhere as
    `Progress` has it.

    Raises
    ------
    UsageError
        When `weights` names no file, or weights are named for the `random` extractor.
    WeightsNotFoundError
        When ImageNet weights are not on this machine and cannot be downloaded.
    """
    if backbone.name == RANDOM:
        if weights != IMAGENET:
            raise UsageError(
                f"the extractor {RANDOM!r} draws its weights; --weights has no meaning"
            )
        return Weights(SEED, None)
    if weights != IMAGENET:
        path = Path(weights)
        if not path.is_file():
            raise UsageError(
                f"no weights file at {weights}; give its path, or --weights {IMAGENET}"
            )
        return Weights(path.name, path)
    path = imagenet_file(backbone)
    if not path.is_file():
        _download(backbone, path, download_timeout_s, progress)
    return Weights(IMAGENET, path)


def imagenet_file(backbone: Backbone) -> Path:
    """Where Keras keeps this backbone's ImageNet weights, there or not."""
    assert backbone.weights_file is not None, "only `random` has no file"
    return keras_models_folder() / backbone.weights_file


def _download(
    backbone: Backbone, path: Path, timeout_s: float | None, progress: bool | None
) -> None:
    """Let Keras download into a folder beside `path`, then rename: never half a file."""
    above = next(folder for folder in path.parents if folder.exists())
    try:  # on the same disk, and nothing is left of it where the download fails
        home = tempfile.TemporaryDirectory(dir=above, prefix=".download-")
    except OSError as error:
        raise _not_found(backbone, path, f"{above} cannot be written: {error}") from error
    with home:
        environment = {**os.environ, "KERAS_HOME": home.name, "TF_CPP_MIN_LOG_LEVEL": "3"}
        constructor = backbone.constructor.partition(":")[2]
        command = [sys.executable, "-P", "-c", _DOWNLOAD, constructor, str(backbone.input_size_px)]
        keras_shows = sys.stderr.isatty() and progress is not False
        what = f"Downloading the ImageNet weights of {backbone.name}"
        try:
            with Progress(what, show=False if keras_shows else progress):
                child = subprocess.run(
                    command,
                    env={**environment, "KERAS_BACKEND": "tensorflow"},
                    stdout=sys.stderr if keras_shows else subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    timeout=timeout_s,
                    check=False,
                )
            lines = child.stderr.decode(errors="replace").strip().splitlines()
            reason = lines[-1] if lines else f"Keras ended with {child.returncode}"
        except subprocess.TimeoutExpired:
            reason = f"no answer within {timeout_s:g} s"
        fresh = Path(home.name) / "models" / path.name
        if not fresh.is_file():
            raise _not_found(backbone, path, reason)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                fresh.replace(path)
        except OSError as error:
            raise _not_found(backbone, path, f"{path} cannot be written: {error}") from error


def _not_found(backbone: Backbone, path: Path, reason: str) -> WeightsNotFoundError:
    return WeightsNotFoundError(
        f"the ImageNet weights of {backbone.name} are not on this machine: put the file "
        f"{path.name} into {path.parent}, or name a weights file with --weights FILE, or set "
        f"KERAS_HOME to a folder that has models/{path.name}, or choose another extractor "
        f"(--extractor {RANDOM} needs no weights); they could not be downloaded: {reason}"
    )
