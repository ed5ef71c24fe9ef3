"""A trained head: arrays that predict with NumPy alone, and what they were trained on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import in_brief
from ..formatting import counted, html_table, in_brief_names, percent
from .layers import softmax

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..rows_on_disk import Rows
    from .layers import Layers
    from .open_set import UnknownRule

UNKNOWN, PROBE_FILES, PROBE_FEATURES = "unknown_", "probe_files", "probe_features"
"""Names of `Head.arrays`: a prefix, and two names."""


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
    """The predictions of a head for n rows."""

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
    """Recognises images of none of the classes; None where no rule could be made."""
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
        for name, array in self.arrays().items():
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
            rule = f"about {percent(self.unknown.coverage)} of images of its classes are answered"
        return [
            ("kind", f"{self.kind}, {widths}"),
            ("classes", f"{n_classes}: {in_brief_names(self.classes)}"),
            ("extractor", f"{extractor} (weights {in_brief(repr(weights)[1:-1], 40)})"),
            *(_accuracies(self.training) if with_figures else ()),
            *_views(self.training),
            ("unknown", rule),
            *([("created", in_brief(repr(self.created)[1:-1], 40))] if self.created else []),
        ]

    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays of the head by their names in the head file; float32 but for the files."""
        layers = self.layers
        arrays = {"mean": layers.mean, "scale": layers.scale}
        for number, (kernel, bias) in enumerate(zip(layers.kernels, layers.biases, strict=True)):
            arrays |= {f"kernel_{number}": kernel, f"bias_{number}": bias}
        if self.unknown is not None:
            arrays |= {UNKNOWN + name: array for name, array in self.unknown.arrays().items()}
        if self.golden is not None:
            arrays[PROBE_FILES] = np.frombuffer(b"".join(self.golden.files), np.uint8)
            arrays[PROBE_FEATURES] = self.golden.features
        return arrays

    def predict_proba(self, features: Rows) -> np.ndarray:
        """float64 (n, n_classes) of transfer values (n, d), in the order of `classes`."""
        return softmax(self.layers.logits(features) / self.temperature)

    def answer(self, features: Rows) -> HeadAnswer:
        """Probabilities of transfer values (n, d), and whether they are of none of the classes."""
        logits = self.layers.logits(features)
        unknown = np.zeros(len(logits), bool)
        if self.unknown is not None:
            unknown = self.unknown.is_unknown(features, logits)
        return HeadAnswer(softmax(logits / self.temperature), unknown)


def _views(training: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """How many views of each image it was trained on, where there were any."""
    n_views, rule = training.get("views"), training.get("view_rule")
    if isinstance(n_views, int) and n_views > 0 and isinstance(rule, str):
        yield "views", f"{n_views} of each training image ({in_brief(repr(rule)[1:-1], 40)})"


def _accuracies(training: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Of each split, where the summary has them: it is any JSON."""
    for split in ("train", "validation", "test"):
        found = training.get(split)
        if not isinstance(found, dict):
            continue
        n_images, accuracy = found.get("images"), found.get("accuracy")
        if isinstance(n_images, int) and isinstance(accuracy, float):
            yield split, f"{counted(n_images, 'image')}, accuracy {percent(accuracy)}"
