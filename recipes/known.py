"""The recipes: what a known system is made of, as settings of `extract` and `train_head`."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from ..arguments import is_one_of, received
from ..errors import UsageError
from ..features.backbones.registry import INSTALLED_EXTRACTOR

if TYPE_CHECKING:
    from collections.abc import Mapping

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_AS_EXPORTED = {"precision": "float32"}
"""What is exported computes in float32. On pixels that are not scaled as in its training, a network
rounds so much in bfloat16 that golden images do not agree with float32."""


class KnownSystem(NamedTuple):
    """A line of the table; each setting can be overridden."""

    in_words: str
    """What it is, for the list."""
    extraction: Mapping[str, Any]
    """Keywords of `extract`."""
    head: str | None = None
    """Of the registry of heads; None: no head, the baseline alone."""
    network: Mapping[str, Any] = _NOTHING
    """Settings of a dense head."""
    unfreeze: int = 0
    """Blocks of the network that are fine-tuned with the head, counted from the last."""
    export: str | None = None
    """The format of a file to deploy, a name in the registry of exporters."""
    has_tags: bool = False
    """Whether an image is given one or two tags; see `classifier.tags`."""
    beside: tuple[str, Mapping[str, Any]] | None = None
    """What is tried beside it: how it is called, and keywords of `extract` that are others."""


BASELINE = "baseline"
MAX_EPOCHS = 40
"""Of the baseline."""
SYSTEMS: Mapping[str, KnownSystem] = {
    "selfie": KnownSystem(
        "ConvNeXt-Tiny at 64 pixels, mirror images as views; a softmax with one output for each "
        "class; one file of Keras",
        extraction={
            "extractor": "convnext_tiny",
            "size": 64,
            "views": 1,
            "view_rule": "flip",
            **_AS_EXPORTED,
        },
        head="dense",
        network={"hidden": ()},
        export="keras",
    ),
    "scene36": KnownSystem(
        "MobileNetV2 at 160 pixels, cropped; two hidden layers of 256 with dropout",
        extraction={"extractor": "mobilenet_v2", "size": 160, "fit": "crop"},
        head="dense",
        network={"hidden": (256, 256), "dropout": 0.5},
        has_tags=True,
    ),
    "good-selfie": KnownSystem(
        "Inception v3; a hidden layer of 1,024 with batch normalisation, in batches of 64",
        extraction={"extractor": "inception_v3"},
        head="dense",
        network={"hidden": (1024,), "batch_norm": True, "batch_size": 64},
    ),
    "front-back": KnownSystem(
        "MobileNetV2 at 224 on pixels from 0 to 1; a hidden layer and one sigmoid, for two "
        "classes; then fine-tuned; a SavedModel",
        extraction={
            "extractor": "mobilenet_v2",
            "size": 224,
            "scaling": "0,1",
            **_AS_EXPORTED,
        },
        head="dense",
        network={"output": "sigmoid"},
        unfreeze=1,
        export="savedmodel",
        beside=("pixels as Keras scales them", {"scaling": None}),
    ),
    BASELINE: KnownSystem(
        "three convolutions on pixels, trained from nothing, which the others are to beat; "
        f"{INSTALLED_EXTRACTOR} only finds near-duplicates",
        extraction={"extractor": INSTALLED_EXTRACTOR},
    ),
}


def require_system(name: object) -> KnownSystem:
    """The line of a name.

    Raises
    ------
    UsageError
        When there is none of that name.
    """
    if not is_one_of(name, SYSTEMS):
        raise UsageError(f"unknown recipe {received(name)}: expected {', '.join(SYSTEMS)}")
    return SYSTEMS[str(name)]
