"""The head file: arrays and one JSON attribute in HDF5. Loading it runs no code.

Layout::

    mean, scale           float32 (d,)
    kernel_0, bias_0, …   float32 (inputs, outputs), (outputs,)
    unknown_…             float32: the rule for images of no class; see `open_set`. Optional
    probe_files           uint8 (bytes,): synthetic image files, one after the other. Optional
    probe_features        float32 (files, d): their transfer values at training time
    attribute `head`      JSON: format, kind, classes, recipe, precision, temperature, unknown,
                          probe (the lengths of its files), training, created, version

Anything else in a file is refused: other names, types or shapes, unknown or duplicate fields,
links, virtual or external data, filters, numbers that are not finite, and more or longer classes
and golden images than any head has.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from ..arguments import require_path
from ..atomic_file import write_bytes
from ..errors import HeadFileError, in_brief
from ..precisions import PRECISIONS
from ..untrusted.hdf5 import PlainFile, named, read_finite
from ..untrusted.json_text import read_json_object
from .head import PROBE_FEATURES, PROBE_FILES, UNKNOWN, GoldenImages, Head
from .layers import Layers
from .open_set import ARRAYS, UnknownRule
from .registry import saved_head_names
from .settings import MAX_HIDDEN_LAYERS
from .temperature import LEAST_TEMPERATURE, MOST_TEMPERATURE

if TYPE_CHECKING:
    from collections.abc import Sequence

FORMAT = 3
_EARLIER_FORMATS = (2,)
"""2: the rule for images of no class has two signs only; see `open_set`."""
_BEGINNING_BYTES = 8192
_HDF5 = b"\x89HDF\r\n\x1a\n"
_MAX_JSON_BYTES = 1 << 24
_MAX_LAYERS = MAX_HIDDEN_LAYERS + 1
_MAX_CLASSES, _MAX_CLASS_LENGTH = 100_000, 1_000
_MAX_CREATED = 64
_DAMAGE = (OSError, KeyError, ValueError, TypeError, RuntimeError, MemoryError)
_FIELDS = {
    "format": int,
    "kind": str,
    "classes": list,
    "recipe": dict,
    "precision": str,
    "temperature": float,
    "unknown": dict,
    "probe": list,
    "training": dict,
    "created": str,
    "version": str,
}


_MAX_PROBE_FILES, _MAX_PROBE_BYTES = 8, 4 << 20
_NAMES = [
    "mean",
    "scale",
    *(f"{kind}_{number}" for kind in ("kernel", "bias") for number in range(_MAX_LAYERS)),
    *(UNKNOWN + name for name in ARRAYS),
    PROBE_FILES,
    PROBE_FEATURES,
]


def write_head_file(head: Head, path: Path) -> None:
    """Write a head file, which appears whole or not at all.

    Raises
    ------
    HeadFileError
        When the file cannot be written, or `load_head` would refuse it.
    """
    about = {
        "format": FORMAT,
        "kind": head.kind,
        "classes": list(head.classes),
        "recipe": head.recipe,
        "precision": head.precision,
        "temperature": float(head.temperature),
        "unknown": {} if head.unknown is None else head.unknown.numbers(),
        "probe": [] if head.golden is None else [len(file) for file in head.golden.files],
        "training": head.training,
        "created": head.created or datetime.now(UTC).isoformat(timespec="seconds"),
        "version": head.version,
    }
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver=("v110", "latest")) as file:
        for name, array in head.arrays().items():
            file.create_dataset(name, data=array)
        file.attrs["head"] = np.bytes_(json.dumps(about))  # ASCII: any class name is escaped
    try:
        with PlainFile(io.BytesIO(buffer.getbuffer()), _NAMES) as file:
            _read(file)
    except _DAMAGE as error:
        raise HeadFileError(
            f"{path} is not written, since it could not be read again ({in_brief(error)}): look at "
            f"the features, the weights and the settings that the head was trained with"
        ) from error
    try:
        write_bytes(path, buffer.getvalue())
    except OSError as error:
        raise HeadFileError(f"{path} cannot be written: {error.strerror or error}") from error


def was_head_file(path: Path) -> bool:
    """Whether it is a head, or a damaged one: its arrays are named where an HDF5 file begins."""
    with path.open("rb") as file:
        beginning = file.read(_BEGINNING_BYTES)
    names = (b"mean", b"kernel_0", b"bias_0")
    is_named = all(map(beginning.__contains__, names))
    return beginning.startswith(_HDF5) and (is_named or is_head_file(path))


def may_be_replaced(path: Path) -> bool:
    """Whether a head may be written there: nothing, an empty file or a head is in its place."""
    if not path.is_file():
        return not path.exists()
    return path.stat().st_size == 0 or was_head_file(path)


def is_head_file(path: Path) -> bool:
    """Whether a file is marked as a head; its arrays are not read."""
    try:
        with PlainFile(path, _NAMES) as file:
            _about(file)
    except _DAMAGE:
        return False
    return True


def load_head(path: str | os.PathLike[str]) -> Head:
    """Read a head file.

    Raises
    ------
    UsageError
        When `path` is not a path.
    HeadFileError
        When there is none, or it is damaged, or it holds anything that a head file does not.

    Examples
    --------
    >>> bb.load_head("head.h5").classes  # doctest: +SKIP
    """
    path = require_path(path, "the path of a head file")
    try:
        with PlainFile(path, _NAMES) as file:
            head, version = _read(file)
    except FileNotFoundError as error:
        raise HeadFileError(f"no head file at {path}: {_remedy(path, 'make one')}") from error
    except (PermissionError, IsADirectoryError) as error:
        raise HeadFileError(f"the head file {path} cannot be read: {error.strerror}") from error
    except _DAMAGE as error:
        raise HeadFileError(
            f"{path} is damaged or not a bottlebank head file ({in_brief(error)}): {_remedy(path)}"
        ) from error
    if head.version != version:
        raise HeadFileError(
            f"{path} is damaged (its numbers are not those of version "
            f"{in_brief(version, 20)}): train it again with "
            f"`bottlebank train DATA --output {path}`"
        )
    return head


def _read(file: PlainFile) -> tuple[Head, str]:
    """The head in a file, and the version that it is to have."""
    about = _about(file)
    arrays = {name: _array(file, name) for name in sorted(file.names)}
    rule = {name: arrays.pop(name) for name in [*arrays] if name.startswith(UNKNOWN)}
    golden = _golden_images(arrays, about["probe"])
    layers = _layers(arrays, len(about["classes"]))
    if golden is not None and golden.features.shape[1] != layers.n_features:
        raise ValueError(f"{PROBE_FEATURES} has {golden.features.shape[1]} columns")
    head = Head(
        kind=about["kind"],
        classes=tuple(about["classes"]),
        layers=layers,
        recipe=about["recipe"],
        precision=about["precision"],
        temperature=about["temperature"],
        unknown=_unknown(rule, about["unknown"], layers),
        golden=golden,
        training=about["training"],
        created=about["created"],
    )
    return head, about["version"]


def _remedy(path: Path, verb: str = "train it again") -> str:
    """What to do instead of loading what is not a head: never to overwrite another kind of file."""
    with contextlib.suppress(OSError):
        if path.suffix.lower() in (".h5", ".hdf5") and may_be_replaced(path):
            return f"{verb} with `bottlebank train DATA --output {path}`"
    return "name a head file; `bottlebank train DATA --output NEW.h5` makes one"


def _about(file: PlainFile) -> dict[str, Any]:
    file.require_attributes(["head"])
    about = read_json_object(file.text("head", _MAX_JSON_BYTES), _MAX_JSON_BYTES)
    known_formats = (*_EARLIER_FORMATS, FORMAT)
    if about.get("format") not in known_formats:
        raise ValueError(
            f"format {about.get('format')}; this version of bottlebank reads "
            f"{' and '.join(map(str, known_formats))}"
        )
    for name, kind in _FIELDS.items():
        if type(about.get(name)) is not kind:
            raise ValueError(f"field {name} is missing or not a {kind.__name__}")
    if about.keys() != _FIELDS.keys():
        raise ValueError(f"unknown field(s) {named(about.keys() - _FIELDS.keys())}")
    for name, known in (("kind", saved_head_names()), ("precision", PRECISIONS)):
        if about[name] not in known:
            raise ValueError(f"{name} {about[name]!r}; expected {' or '.join(known)}")
    _require_classes(about["classes"])
    if not LEAST_TEMPERATURE <= about["temperature"] <= MOST_TEMPERATURE:
        raise ValueError(f"a temperature of {about['temperature']}")
    if not all(type(length) is int and length > 0 for length in about["probe"]):
        raise ValueError("the lengths of the probe's files are not whole numbers above 0")
    if len(about["probe"]) > _MAX_PROBE_FILES or sum(about["probe"]) > _MAX_PROBE_BYTES:
        raise ValueError(
            f"a probe of {len(about['probe']):,} files; at most {_MAX_PROBE_FILES} files and "
            f"{_MAX_PROBE_BYTES:,} bytes are read"
        )
    if len(about["created"]) > _MAX_CREATED or not about["created"].isprintable():
        raise ValueError("its creation time is not a time")
    return about


def _require_classes(classes: Sequence[Any]) -> None:
    """Raise ValueError unless the classes are distinct names, not too many and not too long."""
    if not all(type(label) is str for label in classes) or len(set(classes)) != len(classes):
        raise ValueError("the classes are not distinct strings")
    if len(classes) > _MAX_CLASSES or max(map(len, classes), default=0) > _MAX_CLASS_LENGTH:
        raise ValueError(
            f"{len(classes)} classes, the longest name of {max(map(len, classes))} characters; at "
            f"most {_MAX_CLASSES} of {_MAX_CLASS_LENGTH} are read"
        )


def _array(file: PlainFile, name: str) -> np.ndarray:
    file.require_attributes([], name)
    n_dimensions = file.n_dimensions(name)
    if name == PROBE_FILES:
        return file.array(name, "u1", n_dimensions)[()]
    return read_finite(file.array(name, "<f4", n_dimensions))


def _golden_images(arrays: dict[str, np.ndarray], lengths: list[int]) -> GoldenImages | None:
    """Take the probe out of the arrays."""
    if not lengths and not {PROBE_FILES, PROBE_FEATURES} & set(arrays):
        return None
    files, features = arrays.pop(PROBE_FILES), arrays.pop(PROBE_FEATURES)
    if files.shape != (sum(lengths),) or features.ndim != 2 or len(features) != len(lengths):
        raise ValueError(f"a probe of shapes {files.shape} and {features.shape}")
    parts = np.split(files, np.cumsum(lengths)[:-1])
    return GoldenImages([part.tobytes() for part in parts], features)


def _unknown(
    arrays: dict[str, np.ndarray], numbers: dict[str, Any], layers: Layers
) -> UnknownRule | None:
    if not arrays and not numbers:
        return None
    named = {name.removeprefix(UNKNOWN): array for name, array in arrays.items()}
    return UnknownRule.of(named, numbers, layers)


def _layers(arrays: dict[str, np.ndarray], n_classes: int) -> Layers:
    depth = (len(arrays) - 2) // 2
    expected = {"mean", "scale"} | {
        f"{kind}_{number}" for kind in ("kernel", "bias") for number in range(depth)
    }
    if depth < 1 or set(arrays) != expected:
        raise ValueError(f"arrays {named(arrays)}")
    layers = Layers(
        arrays["mean"],
        arrays["scale"],
        [arrays[f"kernel_{number}"] for number in range(depth)],
        [arrays[f"bias_{number}"] for number in range(depth)],
    )
    inputs = layers.mean.shape
    if len(inputs) != 1 or layers.scale.shape != inputs or not (layers.scale > 0).all():
        raise ValueError("mean and scale do not fit")
    for kernel, bias in zip(layers.kernels, layers.biases, strict=True):
        if kernel.shape != (*inputs, *bias.shape) or bias.ndim != 1:
            raise ValueError(f"a layer of shape {kernel.shape} after {inputs} numbers")
        inputs = bias.shape
    if inputs != (n_classes,) or n_classes < 2:
        raise ValueError(f"{inputs[0]} outputs for {n_classes} classes")
    return layers
