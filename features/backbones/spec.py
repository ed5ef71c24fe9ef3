"""Which extractor a caller asks for, before anything of it has been looked for."""

from __future__ import annotations

from typing import NamedTuple

from ..images.colours import GREY16
from .registry import DEFAULT_EXTRACTOR
from .weights import IMAGENET


class ExtractorSpec(NamedTuple):
    """What can be chosen of an extractor. `recipe_for` makes a recipe of it.

    A setting that is None, or empty, is the network's own.
    """

    extractor: str = DEFAULT_EXTRACTOR
    """A name in the registry of backbones, or the path of a file or folder that holds a network."""
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
