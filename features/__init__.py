"""Image bytes to transfer values: decoding, backbones, and the engines that run them.

May import the root files and ``untrusted``. OpenVINO is imported by its engine, TensorFlow by its
engine and by the backbones, when they start. A module is imported when one of its names is first
used: reading the registries of backbones and engines loads no library.
"""

from typing import TYPE_CHECKING

from ..lazy_names import lazy_names

if TYPE_CHECKING:
    from .backbones.registry import DEFAULT_EXTRACTOR, Backbone, find_backbone
    from .backbones.spec import ExtractorSpec
    from .extractor import Extractor, open_extractor
    from .images.decoder import DECODER_VERSION, decode
    from .recipe import Recipe, recipe_for

__all__ = [
    "DECODER_VERSION",
    "DEFAULT_EXTRACTOR",
    "Backbone",
    "Extractor",
    "ExtractorSpec",
    "Recipe",
    "decode",
    "find_backbone",
    "open_extractor",
    "recipe_for",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "backbones.registry": ("DEFAULT_EXTRACTOR", "Backbone", "find_backbone"),
        "extractor": ("Extractor", "open_extractor"),
        "images.decoder": ("DECODER_VERSION", "decode"),
        "recipe": ("Recipe", "recipe_for"),
        "backbones.spec": ("ExtractorSpec",),
    },
)
