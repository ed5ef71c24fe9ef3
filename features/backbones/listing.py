"""What can be an extractor: the networks of the registry, and the layers of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import UsageError
from .opening import Layer, Layers, configured, is_file_name, kind_of, locate, module_of
from .registry import BACKBONES, RANDOM, find_backbone
from .spec import ExtractorSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE, DOWNLOAD, NOT_INSTALLED = "here", "download", "not installed"


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
        path = row.imported().imagenet_file(row)
        if path is None:
            state, size_mb = NOT_INSTALLED, row.weights_mb
        elif path.is_file():
            state, size_mb = HERE, round(path.stat().st_size / 1e6)
        else:
            state, size_mb = DOWNLOAD, row.weights_mb
        yield Listed(row.name, row.input_size_px, row.width, size_mb, row.licence, state)


def layers_of(network: str, size_px: int | None = None) -> tuple[str, Layers]:
    """The kind of a network, and its layers.

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
        When its layers cannot be chosen, or it takes no pictures of that size.
    EngineError
        When it is damaged, or would run code.
    """
    if not is_file_name(network):
        backbone = find_backbone(network)
        spec = ExtractorSpec(backbone.name, size_px=size_px)
        sized = configured(backbone, spec)
        module: Any = backbone.imported()
        if hasattr(module, "layers_of_backbone"):
            found = module.layers_of_backbone(backbone, spec)
        else:
            found = [Layer("", "", (backbone.width,), backbone.pooling, is_taken=True)]
        return backbone.constructor, Layers(found, sized.input_size_px, backbone.scaling)
    path = locate(network)
    kind = kind_of(path)
    module = module_of(kind)
    if not hasattr(module, "layers"):
        raise UsageError(f"{network} is of the kind {kind.name}, whose layers cannot be chosen")
    return kind.name, module.layers(path, ExtractorSpec(network, size_px=size_px))
