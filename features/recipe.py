"""The recipe: everything that a transfer value means, and its fingerprint."""

from __future__ import annotations

import hashlib
import json
from dataclasses import MISSING, asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .backbones.registry import Backbone
from .backbones.weights import Weights, file_sha256, find_weights
from .images.colours import GREY16
from .images.decoder import DECODER_VERSION
from .images.fit import FITS, RESIZE_RULE, require_known_fit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

# Fields whose name says too little, or too much, to people.
_WORDS = {"weights_sha256": "weights", "input_size_px": "input size", "resize": "resize rule"}


@dataclass(frozen=True)
class Recipe:
    """What the numbers of a row mean. Two equal recipes may share rows, two others never.

    It is computed without TensorFlow, stored as `recipe.json` beside the rows and inside every
    head, and enough to rebuild the extractor on another machine.
    """

    extractor: str
    architecture: str
    weights: str
    """``imagenet``, ``seed`` or the name of a file: for people, and to find the weights again."""
    weights_sha256: str
    pooling: str
    width: int
    input_size_px: int
    fit: str
    """How a picture of another shape is fitted to the input: `preprocess.FITS`."""
    resize: str
    pixel_scaling: str
    decoder_version: int
    augmentation: str | None = None
    grey16: str = "scale"
    """How 16 bits per channel become 8: `colours.GREY16`."""

    # Names of things whose meaning another field holds.
    _NOT_MEANING = ("extractor", "weights")

    @property
    def fingerprint(self) -> str:
        """SHA-256 (64 hexadecimal digits) of the fields that decide the numbers."""
        # A field at its default is left out, so that one that is added later changes nothing.
        defaults = self._defaults()
        meaning = {
            key: value
            for key, value in asdict(self).items()
            if key not in self._NOT_MEANING and (key not in defaults or defaults[key] != value)
        }
        return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        return {field.name: field.default for field in fields(cls) if field.default is not MISSING}

    def as_dict(self) -> dict[str, Any]:
        """The fields as JSON values, for `from_dict`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """Read what `as_dict` gave.

        Raises
        ------
        ValueError
            When a field is missing, unknown or of another type.
        """
        values = {**cls._defaults(), **values}
        known = {field.name for field in fields(cls)}
        if set(values) != known:
            odd = ", ".join(sorted(set(values) ^ known))
            raise ValueError(f"not a recipe of this version of bottlebank: field(s) {odd}")
        for field in fields(cls):
            allowed = {"str": (str,), "int": (int,), "str | None": (str, type(None))}[
                str(field.type)
            ]
            if type(values[field.name]) not in allowed:
                raise ValueError(f"recipe field {field.name} is {values[field.name]!r}")
        return cls(**values)

    def changes_since(self, old: Mapping[str, Any]) -> list[str]:
        """What has another meaning than in `old`, in words: ``pooling: max → global average``.

        `old` holds JSON values as `as_dict` gives them, in this version of bottlebank or another.
        """
        new, old = self.as_dict(), {**self._defaults(), **old}
        return [
            f"{_WORDS.get(key, key.replace('_', ' '))}: {_say(key, old)} → {_say(key, new)}"
            for key in {**new, **old}
            if key not in self._NOT_MEANING
            and (key not in old or key not in new or old[key] != new[key])
        ]

    def __repr__(self) -> str:
        settings = f"fit {self.fit}, grey16 {self.grey16}, decoder {self.decoder_version}"
        return f"<Recipe {self.fingerprint[:12]}: {self.in_words()}, {settings}>"

    def in_words(self) -> str:
        """One line for people."""
        return (
            f"{self.extractor}, weights {self.weights} ({self.weights_sha256[:8]}), "
            f"{self.width} numbers, input {self.input_size_px}×{self.input_size_px}"
        )


def _say(key: str, recipe: Mapping[str, Any]) -> str:
    """The value of a field, as one line for people."""
    if key not in recipe:
        return "not recorded"
    value = recipe[key]
    if key == "weights_sha256":
        text = f"{recipe.get('weights')} (SHA-256 {str(value)[:8]}…)"
    elif key == "input_size_px":
        text = f"{value}×{value} px"
    else:
        text = "none" if value is None else str(value)
    return text if text.isprintable() else repr(text)  # a file's name may hold a line break


def recipe_of(
    backbone: Backbone,
    weights: str,
    weights_sha256: str,
    fit: str = FITS[0],
    grey16: str = GREY16[0],
) -> Recipe:
    """The recipe of a backbone with these weights, as this version of bottlebank computes it."""
    return Recipe(
        extractor=backbone.name,
        architecture=backbone.constructor,
        weights=weights,
        weights_sha256=weights_sha256,
        pooling=backbone.pooling,
        width=backbone.width,
        input_size_px=backbone.input_size_px,
        fit=fit,
        resize=RESIZE_RULE,
        pixel_scaling=backbone.scaling.in_words(),
        decoder_version=DECODER_VERSION,
        grey16=grey16,
    )


def recipe_for(
    backbone: Backbone,
    weights: str = "imagenet",
    *,
    fit: str = FITS[0],
    grey16: str = GREY16[0],
    digest: Callable[[Path], str] = file_sha256,
    download_timeout_s: float | None = None,
    progress: bool | None = None,
) -> tuple[Recipe, Weights]:
    """The recipe of a backbone, and where its weights are.

    Parameters
    ----------
    backbone
        A row of the table.
    weights
        ``imagenet``, or the path of a Keras weights file without top.
    fit
        How a picture of another shape is fitted to the input: one of `preprocess.FITS`.
    grey16
        How 16 bits per channel become 8: one of `colours.GREY16`.
    digest
        SHA-256 of a file; a caller may pass one that remembers.
    download_timeout_s
        Give up a download of ImageNet weights after this long; None waits.
    progress
        Show a download on stderr, as `find_weights` has it.

    Raises
    ------
    UsageError
        When `fit` or `grey16` is unknown.
    WeightsNotFoundError
        When the weights are not on this machine and cannot be downloaded.
    """
    require_known_fit(fit)
    if grey16 not in GREY16:
        raise UsageError(f"unknown grey16 {grey16!r}: expected {' or '.join(GREY16)}")
    found = find_weights(backbone, weights, download_timeout_s, progress)
    return recipe_of(backbone, found.name, found.sha256(digest), fit, grey16), found
