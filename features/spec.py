"""Which extractor a caller asks for, before anything of it has been looked for."""

from __future__ import annotations

from typing import NamedTuple

from .backbones.own_files import is_file_name
from .backbones.registry import DEFAULT_EXTRACTOR, find_backbone
from .backbones.weights import IMAGENET
from .images.colours import GREY16, require_known_grey16
from .images.fit import require_known_fit


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

    def require_known(self) -> None:
        """Raise UsageError when a value is unknown, UnknownExtractorError when the extractor is."""
        if not is_file_name(self.extractor):
            find_backbone(self.extractor)
        if self.fit is not None:
            require_known_fit(self.fit)
        require_known_grey16(self.grey16)
