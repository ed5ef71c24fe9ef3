"""The recipe: everything that a transfer value means, and its fingerprint.

It grows without invalidating what is cached or trained. A new field is a str, int, float, bool,
None or tuple of str, and has a default, which is what rows of earlier versions were computed with;
at its default, it is left out of the fingerprint and
of what is written. So earlier recipes keep their fingerprints, and earlier versions of bottlebank
read new recipes that need nothing new.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import MISSING, asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from ..errors import NewerRecipeError, RecipeError, in_brief
from .backbones.described import poolings_of
from .backbones.layer_pooling import FLATTENED
from .backbones.opening import KINDS, open_backbone
from .backbones.registry import Backbone, PixelScaling, find_backbone
from .backbones.spec import MAX_SIZE_PX, ExtractorSpec
from .backbones.weights import Weights, file_sha256
from .images.decoder import DECODER_VERSION
from .images.fit import RESIZE_RULE, Preprocessing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

SCHEMA = 1
"""Raised when the meaning of a field changes; a new field with a default needs no other schema."""

# Fields whose name says too little, or too much, to people.
_WORDS = {"weights_sha256": "weights", "input_size_px": "input size", "resize": "resize rule"}


@dataclass(frozen=True)
class Recipe:
    """What the numbers of a row mean. Recipes of one fingerprint share rows, others never.

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
    """How a picture of another shape is fitted to the input: `fit.FITS`."""
    resize: str
    pixel_scaling: str
    decoder_version: int
    augmentation: str | None = None
    grey16: str = "scale"
    """How 16 bits per channel become 8: `colours.GREY16`."""
    layers: tuple[str, ...] = ()
    """Whose outputs are the features, side by side; empty for the last."""
    licence: str = ""
    """Of the weights, where it is known."""
    schema: int = 1
    """Which `SCHEMA` the other fields are written in; the default is that of the first recipes."""

    # Names of things whose meaning another field holds.
    _NOT_MEANING = ("extractor", "weights", "licence")
    # Fields with a default that the first versions wrote.
    _ALWAYS_WRITTEN = ("augmentation", "grey16")

    @property
    def fingerprint(self) -> str:
        """SHA-256 (64 hexadecimal digits) of the fields that decide the numbers."""
        changed = self._without_defaults()
        meaning = {key: changed[key] for key in changed if key not in self._NOT_MEANING}
        return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()

    @property
    def preprocessing(self) -> Preprocessing:
        """What decides which pixels an image file becomes."""
        size_px = (self.input_size_px, self.input_size_px)
        return Preprocessing(size_px, self.fit, self.grey16, self.resize)

    @property
    def spec(self) -> ExtractorSpec:
        """What was chosen, but for the weights."""
        return ExtractorSpec(
            self.extractor,
            fit=self.fit,
            grey16=self.grey16,
            size_px=self.input_size_px,
            layers=self.layers,
            scaling=None if self.is_of_file else self.pixel_scaling,
        )

    @property
    def is_of_file(self) -> bool:
        """Whether the network is in a file of somebody's own, not in the registry."""
        return self.architecture in KINDS

    @property
    def is_frozen_part(self) -> bool:
        """Whether its rows are maps that fine-tuning goes on with, which nothing else takes."""
        return self.pooling == FLATTENED

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        return {field.name: field.default for field in fields(cls) if field.default is not MISSING}

    def _without_defaults(self) -> dict[str, Any]:
        defaults = self._defaults()
        return {
            key: value
            for key, value in asdict(self).items()
            if key not in defaults or defaults[key] != value
        }

    def as_dict(self) -> dict[str, Any]:
        """The fields as JSON values, for `from_dict`."""
        always = {key: getattr(self, key) for key in self._ALWAYS_WRITTEN}
        return {**self._without_defaults(), **always}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """Read what `as_dict` gave, in this version of bottlebank or another.

        A field that is missing has its default.

        Raises
        ------
        NewerRecipeError
            When it has fields, or a schema, of a newer version; they are named.
        RecipeError
            When a field without a default is missing, or one is of another type.
        """
        known = {field.name: str(field.type) for field in fields(cls)}
        schema = values.get("schema", 1)
        if isinstance(schema, int) and schema > SCHEMA:  # first: other fields may mean other things
            raise NewerRecipeError(
                f"its recipe is written in schema {schema}, this version of bottlebank reads "
                f"{SCHEMA}: {_UPDATE}"
            )
        if unknown := [key for key in values if key not in known]:
            raise NewerRecipeError(
                f"its recipe has {_named(unknown)}, which this version of bottlebank does not "
                f"know: {_UPDATE}"
            )
        values = {**cls._defaults(), **values}
        if missing := [key for key in known if key not in values]:
            raise RecipeError(f"its recipe lacks {_named(missing)}: extract or train again")
        for key, kind in known.items():
            values[key] = _read(key, values[key], kind)
        return cls(**values)

    def changes_since(self, old: Mapping[str, Any]) -> list[str]:
        """What has another meaning than in `old`, in words: ``pooling: max → global average``.

        `old` holds JSON values as `as_dict` gives them, in this version of bottlebank or another.
        """
        new, old = _as_json(asdict(self)), _as_json({**self._defaults(), **old})
        changes: list[str] = []
        for key in {**new, **old}:
            if key in self._NOT_MEANING or (key in old and key in new and old[key] == new[key]):
                continue
            was, now = _say(key, old), _say(key, new)
            if was == now:  # but for digits that are too many for people
                was, now = str(old[key]), str(new[key])
            changes.append(f"{_WORDS.get(key, key.replace('_', ' '))}: {was} → {now}")
        return changes

    def __repr__(self) -> str:
        settings = f"fit {self.fit}, grey16 {self.grey16}, decoder {self.decoder_version}"
        return f"<Recipe {self.fingerprint[:12]}: {self.in_words()}, {settings}>"

    def in_words(self) -> str:
        """One line for people."""
        return (
            f"{self.extractor}, weights {self.weights} ({self.weights_sha256[:8]}), "
            f"{self.width:,} numbers, input {self.input_size_px}×{self.input_size_px}"
        )

    def settings_in_words(self) -> str:
        """One line for people, of what a network in a file was chosen to do, or guessed."""
        scaling = PixelScaling.parse(self.pixel_scaling)
        return "; ".join(
            (
                *([self.weights] if self.weights != self.extractor else []),
                f"layer {', '.join(self.layers)}" if self.layers else "the last layer",
                f"pooling: {self.pooling}",
                f"scaled: {self.resize}"
                if self.resize != RESIZE_RULE
                else f"scaled: bilinear, {self.fit}",
                scaling.for_people(),
                *([f"licence: {self.licence}"] if self.licence else []),
            )
        )


_UPDATE = "update bottlebank to the version that wrote it, or a later one"


def _as_json(values: Mapping[str, Any]) -> dict[str, Any]:
    """Fields as JSON has them: tuples are lists."""
    return {key: list(each) if isinstance(each, tuple) else each for key, each in values.items()}


def _read(key: str, value: Any, kind: str) -> Any:
    """The value of a field as JSON has it, as its annotation does: lists are tuples."""
    for name in kind.split(" | "):
        if name == "tuple[str, ...]":
            if isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
                return tuple(value)
        elif type(value).__name__ == name.replace("None", "NoneType"):
            return value
        elif name == "float" and type(value) is int:
            return float(value)
    raise RecipeError(f"its recipe's field {key} is {in_brief(repr(value), 60)}; expected {kind}")


def _named(keys: Sequence[str]) -> str:
    """Fields, whose names may be from a file of others."""
    noun = "the field" if len(keys) == 1 else "the fields"
    return in_brief(f"{noun} {', '.join(map(repr, keys))}", 200)


def _scaling_in_words(value: Any) -> str:
    try:
        return PixelScaling.parse(str(value)).for_people(6)
    except ValueError:
        return str(value)


def _say(key: str, recipe: Mapping[str, Any]) -> str:
    """The value of a field, as one line for people."""
    if key not in recipe:
        return "not recorded"
    value = recipe[key]
    if key == "weights_sha256":
        text = f"{recipe.get('weights')} (SHA-256 {str(value)[:8]}…)"
    elif key == "input_size_px":
        text = f"{value}×{value} px"
    elif key == "pixel_scaling":
        text = _scaling_in_words(value)
    elif isinstance(value, list):
        text = ", ".join(map(str, value)) or "the network's own"
    else:
        text = "none" if value is None else str(value)
    return text if text.isprintable() else repr(text)  # a file's name may hold a line break


def recipe_of(backbone: Backbone, weights: str, weights_sha256: str, spec: ExtractorSpec) -> Recipe:
    """The recipe of a backbone with these weights, as this version of bottlebank computes it."""
    return Recipe(
        extractor=backbone.name,
        architecture=backbone.constructor,
        weights=weights,
        weights_sha256=weights_sha256,
        pooling=backbone.pooling,
        width=backbone.width,
        input_size_px=backbone.input_size_px,
        fit=spec.fit or backbone.fit,
        resize=backbone.resize or RESIZE_RULE,
        pixel_scaling=backbone.scaling.in_words(),
        decoder_version=DECODER_VERSION,
        grey16=spec.grey16,
        layers=tuple(backbone.layers),
        licence=backbone.licence,
        schema=SCHEMA,
    )


def described_backbone(recipe: Recipe) -> Backbone:
    """The network that a recipe names; of one in a file, all of it, without the file.

    Raises
    ------
    UnknownExtractorError
        When this version knows no such network, or kind of file.
    RecipeError
        When the recipe is damaged.
    """
    if not 1 <= recipe.input_size_px <= MAX_SIZE_PX:
        raise RecipeError(
            f"its recipe has pictures of {recipe.input_size_px} px; expected 1 to {MAX_SIZE_PX}"
        )
    kind = KINDS.get(recipe.architecture)
    if kind is None:
        backbone = find_backbone(recipe.extractor)
        size_px, layers = recipe.input_size_px, recipe.layers
        if not (hasattr(backbone.imported(), "configured") or recipe.is_frozen_part):
            return backbone
        with contextlib.suppress(ValueError):  # of another version; the difference is reported
            scaling = PixelScaling.parse(recipe.pixel_scaling)
            if backbone.is_of_keras and scaling[1:] != backbone.scaling[1:]:
                backbone = backbone._replace(scaling=scaling)
        backbone = backbone._replace(input_size_px=size_px)
        if not layers:
            return backbone
        return backbone._replace(layers=layers, width=recipe.width, pooling=recipe.pooling)
    try:
        scaling = PixelScaling.parse(recipe.pixel_scaling)
        recipe.preprocessing.require_known()
    except ValueError as error:
        raise RecipeError(str(error)) from error
    backbone = Backbone(
        name=recipe.extractor,
        constructor=recipe.architecture,
        input_size_px=recipe.input_size_px,
        width=recipe.width,
        scaling=scaling,
        pooling=recipe.pooling,
        module=kind.module,
        layers=recipe.layers,
        fit=recipe.fit,
        resize=recipe.resize,
        licence=recipe.licence,
    )
    module = backbone.imported()
    if not (hasattr(module, "write_onnx") or hasattr(module, "build")):
        raise RecipeError(f"its recipe has the architecture {kind.name}, which no network has")
    try:
        poolings_of(backbone)
    except ValueError as error:
        raise RecipeError(f"its recipe has {error}") from error
    return backbone


def backbone_of(recipe: Recipe) -> Backbone:
    """The network that computes what a recipe says.

    Raises
    ------
    UnknownExtractorError
        When this version knows no such network, or kind of file.
    RecipeError
        When it computes something else under that name.
    """
    backbone = described_backbone(recipe)
    here = recipe_of(backbone, recipe.weights, recipe.weights_sha256, recipe.spec)
    if changes := here.changes_since(recipe.as_dict()):
        raise RecipeError(
            f"this version of bottlebank computes something else for {recipe.extractor}: "
            f"{'; '.join(changes)}"
        )
    return backbone


def recipe_for(
    spec: ExtractorSpec,
    *,
    digest: Callable[[Path], str] = file_sha256,
    download_timeout_s: float | None = None,
    progress: bool | None = None,
) -> tuple[Recipe, Weights]:
    """The recipe of an extractor, and where its weights are.

    Parameters
    ----------
    spec
        Which extractor.
    digest
        SHA-256 of a file; a caller may pass one that remembers.
    download_timeout_s
        Give up a download of ImageNet weights after this long; None waits.
    progress
        Show a download on stderr, as `find_weights` has it.

    Raises
    ------
    UsageError
        When a name in `spec` is unknown.
    WeightsNotFoundError
        When the weights are not on this machine and cannot be downloaded.
    """
    backbone, found = open_backbone(spec, download_timeout_s, progress)
    return recipe_of(backbone, found.name, found.sha256(digest), spec), found
