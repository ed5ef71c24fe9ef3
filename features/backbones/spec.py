"""Which extractor a caller asks for, before anything of it has been looked for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...errors import UsageError, in_brief
from ..images.colours import GREY16
from .registry import DEFAULT_EXTRACTOR
from .weights import IMAGENET

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_SIZE_PX = 4096
POOLINGS = ("cls", "mean")
"""How several vectors of a layer become one: its first, the class token, or their mean."""


class SettingError(UsageError):
    """A setting that means nothing to a network; another network may be able to have it."""

    setting: str = ""
    """The keyword of `ExtractorSpec.of`."""

    @classmethod
    def of(cls, setting: str, message: str) -> SettingError:
        """With both."""
        error = cls(message)
        error.setting = setting
        return error


class ExtractorSpec(NamedTuple):
    """What can be chosen of an extractor. `recipe_for` makes a recipe of it.

    A setting that is None, or empty, is the network's own.
    """

    extractor: str = DEFAULT_EXTRACTOR
    """A name in the registry of backbones, or the path of a file or folder that holds a network, or
    ``hf:owner/name[@revision]``."""
    weights: str = IMAGENET
    """``imagenet`` or the path of a weights file."""
    fit: str | None = None
    """How a picture of another shape is fitted to the input: one of `fit.FITS`."""
    grey16: str = GREY16[0]
    """How 16 bits per channel become 8: one of `colours.GREY16`."""
    size_px: int | None = None
    """Height and width of the input."""
    layers: tuple[str, ...] = ()
    """Whose outputs are the features, side by side."""
    scaling: str | None = None
    """How pixels become the network's input: a name in `registry.SCALINGS`, or a mean and a
    deviation, each one number or three, as ``0.5,0.5``."""
    pooling: str | None = None
    """How several vectors of a layer become one: one of `POOLINGS`."""

    def chosen(self) -> dict[str, Any]:
        """The settings, without the extractor, that are not the network's own or the default."""
        settings = {
            name: value
            for name, value in self._asdict().items()
            if value != self._field_defaults.get(name)
        }
        settings.pop("extractor", None)
        return settings

    @classmethod
    def of(
        cls,
        extractor: str | os.PathLike[str],
        *,
        weights: str | os.PathLike[str] = IMAGENET,
        fit: str | None = None,
        grey16: str = GREY16[0],
        size: int | None = None,
        layer: str | Sequence[str] | None = None,
        scaling: str | None = None,
        pooling: str | None = None,
    ) -> ExtractorSpec:
        """Take the keywords by which `extract` and others let it be chosen.

        Raises
        ------
        UsageError
            When one is of another type.
        """
        if isinstance(size, bool) or not isinstance(size, int | np.integer | None):
            raise UsageError(f"size: expected a number of pixels, received {in_brief(repr(size))}")
        if size is not None and not 1 <= size <= MAX_SIZE_PX:
            raise UsageError(f"size: expected 1 to {MAX_SIZE_PX} pixels, received {size}")
        layers = () if layer is None else (layer,) if isinstance(layer, str) else tuple(layer)
        if not all(isinstance(name, str) and name for name in layers):
            raise UsageError(f"layer: expected names of layers, received {in_brief(repr(layer))}")
        if pooling is not None and pooling not in POOLINGS:
            raise UsageError(
                f"unknown pooling {in_brief(repr(pooling))}: expected {', '.join(POOLINGS)}"
            )
        size_px = None if size is None else int(size)
        weights = os.fspath(weights) if isinstance(weights, os.PathLike) else weights
        name = extractor_name(extractor)
        return cls(name, weights, fit, grey16, size_px, layers, scaling, pooling)


def extractor_name(extractor: str | os.PathLike[str]) -> str:
    """The name of an extractor as `ExtractorSpec` has it; a path is never a name of the registry.

    Anything else is returned as it is.
    """
    if not isinstance(extractor, os.PathLike):
        return extractor
    path = os.fspath(extractor)
    return path if os.sep in path else os.path.join(os.curdir, path)  # noqa: PTH118 (Path drops ./)
