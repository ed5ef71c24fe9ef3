"""The networks of `keras.applications`: finding weights, and building them."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....errors import EngineError, WeightsNotFoundError, in_brief
from ....progress import Progress
from ..layer_pooling import FLATTENED
from ..tuning.tunable import Tunable
from ..weights import IMAGENET, Weights, WrongWeightsError, named_weights
from .application_layers import layers_of, of_size, with_layers
from .finite import require_finite

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..opening import Layer
    from ..registry import Backbone
    from ..spec import ExtractorSpec

OF_KERAS = True

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


def keras_models_folder() -> Path:
    """Where Keras keeps downloaded weights: ``$KERAS_HOME/models``, by default under ~/.keras."""
    # Not Path.home(), which raises RuntimeError for a user whose home is not known.
    home = os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras")  # noqa: PTH111
    return Path(home) / "models"


def find_weights(
    backbone: Backbone, weights: str, download_timeout_s: float | None, progress: bool | None
) -> Weights:
    """The weights that are named, downloaded where they are ImageNet's and not here yet."""
    if weights != IMAGENET:
        return named_weights(weights)
    path = imagenet_file(backbone)
    if not path.is_file():
        _download(backbone, path, download_timeout_s, progress)
    return Weights(IMAGENET, path)


def configured(backbone: Backbone, spec: ExtractorSpec) -> Backbone:
    """The network with another size, or up to other layers; Keras is not needed.

    Raises
    ------
    UsageError
        When the size is too small for it, or it has no such layer.
    """
    if spec.size_px is not None:
        backbone = of_size(backbone, spec.size_px)
    return with_layers(backbone, spec.layers) if spec.layers else backbone


def layers_of_backbone(backbone: Backbone, spec: ExtractorSpec) -> list[Layer]:
    """The layers that can be chosen, from input to output."""
    found = layers_of(backbone)
    sized = configured(backbone, spec)
    if sized.input_size_px == backbone.input_size_px:
        return found
    return [
        layer._replace(shape=(*(None for _ in layer.shape[:-1]), layer.shape[-1]))
        for layer in found
    ]


def require_weights(backbone: Backbone, weights: Weights) -> None:
    """Refuse a file of HDF5 that holds no layers, before TensorFlow is imported.

    Raises
    ------
    WrongWeightsError
        Whether the layers are those of the network, Keras says later.
    """
    path = weights.path
    if path is None or path.suffix not in (".h5", ".hdf5") or path.name.endswith(".weights.h5"):
        return
    from ....untrusted.hdf5 import has_any

    try:
        is_of_keras = has_any(path, ("layer_names", "layer_names0", "model_weights"))
    except (OSError, RuntimeError) as error:
        raise _wrong(backbone, weights, in_brief(error, 200)) from error
    if not is_of_keras:
        raise _wrong(backbone, weights, "it has no layers of Keras")


def _wrong(backbone: Backbone, weights: Weights, reason: str) -> WrongWeightsError:
    return WrongWeightsError(
        f"{weights.path} does not hold weights without top of {backbone.name}: {reason}"
    )


def build(backbone: Backbone, weights: Weights, precision: str) -> Callable[[Any], Any]:
    """Build the network with its weights.

    Raises
    ------
    EngineError
        When the weights file does not fit the architecture.
    """
    _, model = _models(backbone, weights, precision)
    return lambda values: model(values, training=False)


def tunable(backbone: Backbone, weights: Weights) -> Tunable:
    """The network with its weights, in float32 and in blocks.

    Raises
    ------
    EngineError
        As `build`.
    """
    whole, model = _models(backbone, weights, "float32")
    for place, known in enumerate(found := layers_of(backbone)):
        _require_known(whole, found, place, backbone)
        whole.layers[place].name = known.name  # also in the file, whatever else was built before

    def write(path: Path) -> None:
        whole.save_weights(str(path))

    return Tunable(backbone, model, write, ".weights.h5")


def _models(backbone: Backbone, weights: Weights, precision: str) -> tuple[Any, Any]:
    """The whole network with its weights, and the part of it that computes the features."""
    import keras

    module, _, constructor = backbone.constructor.partition(":")
    size_px = backbone.input_size_px
    usual = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32" if precision == "float32" else f"mixed_{precision}")
    try:
        whole = getattr(importlib.import_module(module), constructor)(
            weights=str(weights.path),
            include_top=False,
            input_shape=(size_px, size_px, 3),
            pooling="avg",
        )
        require_finite(whole)
        return whole, _up_to_layers(whole, backbone) if backbone.layers else whole
    except (ValueError, OSError, KeyError, TypeError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise _wrong(backbone, weights, reason) from error
    finally:
        keras.config.set_dtype_policy(usual)


def _up_to_layers(model: Any, backbone: Backbone) -> Any:
    """The part of a network that computes layers, side by side; maps averaged, or flattened.

    Keras numbers the layers that have no name of their own by how many it has made in this process,
    so that they are found by their place.
    """
    import keras

    known = layers_of(backbone)
    places = {layer.name: place for place, layer in enumerate(known)}
    parts = []
    for name in backbone.layers:
        place = places.get(name, len(known))
        _require_known(model, known, place, backbone)
        values = model.layers[place].output
        if backbone.pooling == FLATTENED:
            values = keras.ops.reshape(model.layers[place].input, (-1, backbone.width))
        parts.append(keras.ops.mean(values, (1, 2)) if len(values.shape) == 4 else values)
    output = keras.ops.concatenate(parts, axis=-1) if len(parts) > 1 else parts[0]
    return keras.Model(model.input, output)


def _require_known(model: Any, known: Sequence[Layer], place: int, backbone: Backbone) -> None:
    """Refuse a place at which Keras has another layer than the one that is known by its name."""
    import keras

    is_same = len(model.layers) == len(known) > place
    if not is_same or type(model.layers[place]).__name__ != known[place].kind:
        raise EngineError(
            f"Keras {keras.__version__} builds {backbone.name} with other layers than "
            f"bottlebank knows of: leave --layer out"
        )


def imagenet_file(backbone: Backbone) -> Path:
    """Where Keras keeps this backbone's ImageNet weights, there or not."""
    assert backbone.weights_file is not None, "every row of a Keras network names its file"
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
    reason = re.sub(r"^[\w.]*(Error|error|Exception): (\[Errno -?\d+\] )?", "", reason)
    return WeightsNotFoundError(
        f"the ImageNet weights of {backbone.name} are not on this machine, and could not be "
        f"downloaded ({reason})",
        f"put the file {path.name} into {path.parent}, name a weights file with --weights FILE, or "
        f"set KERAS_HOME to a folder that has models/{path.name}",
    )
