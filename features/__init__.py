"""From a folder of photographs to transfer values: datasets, decoding and frozen networks.

May import: ``errors`` and ``atomic`` alone. TensorFlow and OpenVINO are each imported only by
the engine of that name, when it starts.
"""

from ..datasets.dataset import Dataset, as_dataset, load_dataset
from .backbones.registry import (
    DEFAULT_EXTRACTOR,
    Backbone,
    backbone_names,
    find_backbone,
)
from .extractor import Extractor, open_extractor
from .images.decoder import DECODER_VERSION, decode
from .recipe import Recipe, recipe_for

__all__ = [
    "DECODER_VERSION",
    "DEFAULT_EXTRACTOR",
    "Backbone",
    "Dataset",
    "Extractor",
    "Recipe",
    "as_dataset",
    "backbone_names",
    "decode",
    "find_backbone",
    "load_dataset",
    "open_extractor",
    "recipe_for",
]
