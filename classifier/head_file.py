"""The head file: arrays and one JSON attribute in HDF5. Loading it runs no code.

Layout::

    mean, scale           float32 (d,)
    kernel_0, bias_0, …   float32 (inputs, outputs), (outputs,)
    unknown_…             float32: what tells images of no class; see `unknown`. Optional
    probe_files           uint8 (bytes,): synthetic image files, one after the other. Optional
    probe_features        float32 (files, d): their transfer values at training time
    attribute `head`      JSON: format, kind, classes, recipe, precision, temperature, unknown,
                          probe (the lengths of its files), training, created, version

Anything else in a file is refused: other names, types or shapes, unknown or duplicate fields,
links, virtual or external data, filters, numbers that are not finite, and more or longer classes
and golden images than any head has.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import h5py
import numpy as np

from ..atomic_file import write_bytes
from ..errors import HeadFileError, in_brief
from ..formatting import (
    counted,
    html_table,
    in_brief_names,
    percent,
)
from ..precisions import PRECISIONS
from ..untrusted.hdf5 import PlainFile, named, read_finite
from ..untrusted.json_text import read_json_object
from .calibration import LEAST_TEMPERATURE, MOST_TEMPERATURE
from .layers import Layers, softmax
from .open_set import ARRAYS, UnknownRule
from .registry import saved_head_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FORMAT = 2
_MAX_JSON_BYTES = 1 << 24
_MAX_LAYERS = 24
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
_UNKNOWN, _PROBE_FILES, _PROBE_FEATURES = "unknown_", "probe_files", "probe_features"
_NAMES = [
    "mean",
    "scale",
    *(f"{kind}_{number}" for kind in ("kernel", "bias") for number in range(_MAX_LAYERS)),
    *(_UNKNOWN + name for name in ARRAYS),
    _PROBE_FILES,
    _PROBE_FEATURES,
]


class GoldenImages(NamedTuple):
    """Synthetic images, and what the extractor made of them when the head was trained."""

    files: Sequence[bytes]
    """Image files."""
    features: np.ndarray
    """float32, (n, d)."""

    def __repr__(self) -> str:
        n_bytes = sum(map(len, self.files))
        return f"<GoldenImages {counted(len(self.files), 'image')}, {counted(n_bytes, 'byte')}>"


class HeadAnswer(NamedTuple):
    """What a head says of n rows."""

    probabilities: np.ndarray
    """float64, (n, n_classes), each row adding up to 1."""
    unknown: np.ndarray
    """bool, (n,): whether the image is most likely of none of the classes."""

    def __repr__(self) -> str:
        n_images, n_classes = self.probabilities.shape
        return (
            f"<HeadAnswer {counted(n_images, 'image')}, "
            f"{counted(n_classes, 'class', 'classes')}, {self.unknown.sum()} unknown>"
        )


@dataclass(frozen=True)
class Head:
    """A trained head, ready to predict with NumPy alone."""

    kind: str
    """Its name in the registry of heads, such as ``logistic``."""
    classes: tuple[str, ...]
    layers: Layers
    recipe: dict[str, Any]
    """The extractor's full specification."""
    precision: str
    """What the transfer values that it was trained on were computed in."""
    temperature: float = 1.0
    """What logits are divided by, so that probabilities are as often right as they say."""
    unknown: UnknownRule | None = None
    """Tells images of none of the classes; None where none could be made."""
    golden: GoldenImages | None = None
    training: dict[str, Any] = field(default_factory=dict)
    """Summary for people: counts, accuracies, settings."""
    created: str = ""
    """ISO 8601, UTC."""

    @cached_property
    def version(self) -> str:
        """12 hexadecimal digits that name all that the head computes with: equal heads, equal
        version.
        """
        rule = {} if self.unknown is None else self.unknown.numbers()
        words = [self.classes, self.recipe, self.temperature, rule]
        digest = hashlib.sha256(json.dumps(words, sort_keys=True).encode())
        for name, array in _arrays(self).items():
            digest.update(f"{name}{array.shape}".encode())
            digest.update(array.astype("<f4").tobytes())
        return digest.hexdigest()[:12]

    def __repr__(self) -> str:
        facts = "\n".join(f"  {name:<12} {value}" for name, value in self.facts())
        return f"<Head {self.version}\n{facts}>"

    def _repr_html_(self) -> str:
        """A table of what it is, for notebooks."""
        return html_table(f"Head {self.version}", [], self.facts())

    def facts(self, *, with_figures: bool = True) -> list[tuple[str, str]]:
        """What it is, in words, and how good: names from a head file may be anything."""
        weights = str(self.recipe.get("weights_sha256"))[:8]
        extractor = in_brief(repr(self.recipe.get("extractor"))[1:-1], 60)
        widths = repr(self.layers).removeprefix("<Layers ").removesuffix(">")
        n_classes = counted(len(self.classes), "class", "classes")
        rule = "never: too few validation images"
        if self.unknown is not None:
            rule = f"{percent(self.unknown.coverage)} of validation images are answered"
        return [
            ("kind", f"{self.kind}, {widths}"),
            ("classes", f"{n_classes}: {in_brief_names(self.classes)}"),
            ("extractor", f"{extractor} (weights {in_brief(repr(weights)[1:-1], 40)})"),
            *(_accuracies(self.training) if with_figures else ()),
            ("unknown", rule),
            *([("created", in_brief(repr(self.created)[1:-1], 40))] if self.created else []),
        ]

    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        """float64 (n, n_classes) of transfer values (n, d), in the order of `classes`."""
        return softmax(self.layers.logits(features) / self.temperature)

    def answer(self, features: np.ndarray) -> HeadAnswer:
        """Probabilities of transfer values (n, d), and whether they are of none of the classes."""
        logits = self.layers.logits(features)
        unknown = np.zeros(len(logits), bool)
        if self.unknown is not None:
            unknown = self.unknown.is_unknown(features, logits)
        return HeadAnswer(softmax(logits / self.temperature), unknown)


def _accuracies(training: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Of each split, where the summary has them: it is any JSON."""
    for split in ("train", "validation", "test"):
        found = training.get(split)
        if not isinstance(found, dict):
            continue
        n_images, accuracy = found.get("images"), found.get("accuracy")
        if isinstance(n_images, int) and isinstance(accuracy, float):
            yield split, f"{counted(n_images, 'image')}, accuracy {percent(accuracy)}"


def save_head(head: Head, path: Path) -> None:
    """Write a head file, which appears whole or not at all.

    Raises
    ------
    HeadFileError
        When the file cannot be written.
    """
    try:
        _require_classes(head.classes)
    except ValueError as error:
        raise HeadFileError(f"{path} cannot be written: {in_brief(error)}") from error
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
        for name, array in _arrays(head).items():
            file.create_dataset(name, data=array)
        file.attrs["head"] = np.bytes_(json.dumps(about))  # ASCII: any class name is escaped
    try:
        write_bytes(path, buffer.getvalue())
    except OSError as error:
        raise HeadFileError(f"{path} cannot be written: {error.strerror or error}") from error


def is_head_file(path: Path) -> bool:
    """Whether a file says of itself what head it holds; its arrays are not read."""
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
    HeadFileError
        When there is none, or it is damaged, or it holds anything that a head file does not.
    """
    path = Path(path)
    try:
        with PlainFile(path, _NAMES) as file:
            about = _about(file)
            arrays = {name: _array(file, name) for name in sorted(file.names)}
        rule = {name: arrays.pop(name) for name in [*arrays] if name.startswith(_UNKNOWN)}
        golden = _golden_images(arrays, about["probe"])
        layers = _layers(arrays, len(about["classes"]))
        if golden is not None and golden.features.shape[1] != layers.n_features:
            raise ValueError(f"{_PROBE_FEATURES} has {golden.features.shape[1]} columns")
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
    except FileNotFoundError as error:
        raise HeadFileError(f"no head file at {path}: {_remedy(path, 'make one')}") from error
    except (PermissionError, IsADirectoryError) as error:
        raise HeadFileError(f"the head file {path} cannot be read: {error.strerror}") from error
    except _DAMAGE as error:
        raise HeadFileError(
            f"{path} is damaged or no head file of bottlebank ({in_brief(error)}): {_remedy(path)}"
        ) from error
    if head.version != about["version"]:
        raise HeadFileError(
            f"{path} is damaged (its numbers are not those of version "
            f"{in_brief(about['version'], 20)}): train it again with "
            f"`bottlebank train DATA --output {path}`"
        )
    return head


def _remedy(path: Path, verb: str = "train it again") -> str:
    """What to do instead of loading what is no head; never to overwrite another kind of file."""
    if path.suffix.lower() in (".h5", ".hdf5"):
        return f"{verb} with `bottlebank train DATA --output {path}`"
    return "name a head file, which `bottlebank train DATA --output head.h5` makes"


def _arrays(head: Head) -> dict[str, np.ndarray]:
    layers = head.layers
    arrays = {"mean": layers.mean, "scale": layers.scale}
    for number, (kernel, bias) in enumerate(zip(layers.kernels, layers.biases, strict=True)):
        arrays |= {f"kernel_{number}": kernel, f"bias_{number}": bias}
    if head.unknown is not None:
        arrays |= {_UNKNOWN + name: array for name, array in head.unknown.arrays().items()}
    if head.golden is not None:
        arrays[_PROBE_FILES] = np.frombuffer(b"".join(head.golden.files), np.uint8)
        arrays[_PROBE_FEATURES] = head.golden.features
    return arrays


def _about(file: PlainFile) -> dict[str, Any]:
    file.require_attributes(["head"])
    about = read_json_object(file.text("head", _MAX_JSON_BYTES), _MAX_JSON_BYTES)
    if about.get("format") != FORMAT:
        raise ValueError(f"format {about.get('format')}; this version of bottlebank reads {FORMAT}")
    for name, kind in _FIELDS.items():
        if type(about.get(name)) is not kind:
            raise ValueError(f"field {name} is missing or no {kind.__name__}")
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
        raise ValueError("the time of its creation is none")
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
    if name == _PROBE_FILES:
        return file.array(name, "u1", n_dimensions)[()]
    return read_finite(file.array(name, "<f4", n_dimensions))


def _golden_images(arrays: dict[str, np.ndarray], lengths: list[int]) -> GoldenImages | None:
    """Take the probe out of the arrays."""
    if not lengths and not {_PROBE_FILES, _PROBE_FEATURES} & set(arrays):
        return None
    files, features = arrays.pop(_PROBE_FILES), arrays.pop(_PROBE_FEATURES)
    if files.shape != (sum(lengths),) or features.ndim != 2 or len(features) != len(lengths):
        raise ValueError(f"a probe of shapes {files.shape} and {features.shape}")
    parts = np.split(files, np.cumsum(lengths)[:-1])
    return GoldenImages([part.tobytes() for part in parts], features)


def _unknown(
    arrays: dict[str, np.ndarray], numbers: dict[str, Any], layers: Layers
) -> UnknownRule | None:
    if not arrays and not numbers:
        return None
    named = {name.removeprefix(_UNKNOWN): array for name, array in arrays.items()}
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
