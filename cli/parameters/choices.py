"""What options can be set to: names that help, completion and errors show without the libraries.

Those of backbones, engines, heads and map methods are read from their registries;
`tests/cli/test_usage.py` compares the others with those of the rooms.
"""

from ...classifier.registry import HEADS as _HEADS
from ...classifier.registry import head_names, saved_head_names
from ...export.registry import EXPORTERS as _EXPORTERS
from ...features.backbones.registry import BACKBONES as _BACKBONES
from ...features.backbones.registry import (
    DEFAULT_EXTRACTOR,
    HUB,
    INSTALLED_EXTRACTOR,
    KERAS,
    RANDOM,
)
from ...features.engines.registry import engine_names, precision_names
from ...recipes.known import MAX_EPOCHS as _MAX_EPOCHS
from ...recipes.known import SYSTEMS as _SYSTEMS
from ...reports.map_formats.registry import MAP_FORMATS as _MAP_FORMATS
from ...viz.map_methods import METHODS as _METHODS

ENGINES = tuple(engine_names())
PRECISIONS = tuple(precision_names())
FITS = ("squash", "crop", "pad")
GREY16 = ("scale", "stretch")
POOLINGS = ("cls", "mean")
VIEW_RULES = ("mixed", "flip", "unflipped")
VIEW_RULES_IN_WORDS = (
    "mixed: first the mirror image, then small rotations, crops and changes of colour, every other "
    "one mirrored; flip: the mirror image alone; unflipped: none mirrored, for what differs from "
    "its mirror image, such as text"
)
MOST_VIEWS = 99
BASELINE_EPOCHS = _MAX_EPOCHS
STORES = ("auto", "float32", "float16")
PARITY = ("refuse", "warn")
HEADS = tuple(saved_head_names())
"""That can be trained and saved."""
*_FIRST, _LAST = (_HEADS[name].in_words for name in HEADS)
HEADS_IN_WORDS = f"{', '.join(_FIRST)} or {_LAST}"
COMPARED_HEADS = tuple(head_names())
BASELINES_IN_WORDS = "".join(
    f"; {name}, {_HEADS[name].in_words}, is a baseline that needs no tuning"
    for name in COMPARED_HEADS
    if name not in HEADS
)
CLASS_WEIGHTS = ("none", "balanced")
ATTACKS = ("pgd", "fgsm")
OUTPUTS = ("softmax", "sigmoid")
RECIPES = tuple(_SYSTEMS)
METHODS = tuple(_METHODS)
*_FIRST, _LAST = (method.in_words for method in _METHODS.values())
METHODS_IN_WORDS = f"{', '.join(_FIRST)} or {_LAST}"
FORMATS = tuple(_EXPORTERS)
_TITLES = [f"{name}, {exporter.in_words}" for name, exporter in _EXPORTERS.items()]
FORMATS_IN_WORDS = f"{'; '.join(_TITLES[:-1])}; or {_TITLES[-1]}"
MAP_FORMATS = tuple(_MAP_FORMATS)
_TITLES = [f"{name}, {each.in_words}" for name, each in _MAP_FORMATS.items()]
MAP_FORMATS_IN_WORDS = f"{'; '.join(_TITLES[:-1])}; or {_TITLES[-1]}"
QUANTIZED_FORMATS = tuple(
    name for name, exporter in _EXPORTERS.items() if exporter.quantizes_with is not None
)
THUMBNAIL_BUDGET_MB = 50.0
LOGS = ("auto", "json", "text")
SPLITS = ("test", "validation", "train", "all")
EXTRACTOR_IN_WORDS = (
    f"the one with which most of these images are in the cache; the first time, {DEFAULT_EXTRACTOR}"
)
DEMO_EXTRACTOR = INSTALLED_EXTRACTOR
UNTRAINED_EXTRACTOR = RANDOM
_NAMED = {name: row for name, row in _BACKBONES.items() if row.in_words}
EXTRACTORS = tuple(_NAMED)
"""That help and completion name."""
_REGISTERED = (
    *(row.in_words for row in _NAMED.values() if row.module == KERAS),
    "any other image network of keras.applications",
    *(row.in_words for row in _NAMED.values() if row.module != KERAS),
)
EXTRACTORS_IN_WORDS = (
    f"{', '.join(_REGISTERED)}; a file or folder that holds a network; or {HUB}owner/name of the "
    f"Hugging Face Hub, such as {HUB}Xenova/dinov2-small (DINOv2 small) or "
    f"{HUB}onnx-community/siglip2-base-patch16-224-ONNX (SigLIP2 base)"
)
MAX_PIXELS = 250_000_000
