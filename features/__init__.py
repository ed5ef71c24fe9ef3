"""Image bytes to transfer values: decoding, backbones, and the engines that run them.

May import the root files and ``untrusted``. TensorFlow and OpenVINO are each imported by the engine
of that name alone, when it starts.
"""

from .backbones.registry import DEFAULT_EXTRACTOR, Backbone, backbone_names, find_backbone
from .extractor import Extractor, open_extractor
from .images.decoder import DECODER_VERSION, decode
from .recipe import Recipe, recipe_for

__all__ = [
    "DECODER_VERSION",
    "DEFAULT_EXTRACTOR",
    "Backbone",
    "Extractor",
    "Recipe",
    "backbone_names",
    "decode",
    "find_backbone",
    "open_extractor",
    "recipe_for",
]
