"""From what a caller asks for to a network: a line of the registry, or a file of one's own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import UnknownExtractorError
from ...fork_safety import import_whole
from ..images.colours import require_known_grey16
from ..images.fit import require_known_fit
from .registry import HUB, find_backbone, find_scaling, is_backbone
from .spec import ExtractorSpec, SettingError
from .weights import find_weights

if TYPE_CHECKING:
    from .registry import Backbone, PixelScaling
    from .weights import Weights


class Layer(NamedTuple):
    """A layer of a network in a file, whose output can be the features."""

    name: str
    """By which it is chosen; empty where there is no other."""
    kind: str
    """What it computes, in the words of the file."""
    shape: tuple[int | None, ...]
    """Of its output for one image, without the axis of images; None where nobody knows."""
    pooling: str = ""
    """How that becomes one vector, if nothing else is chosen; empty where it cannot."""
    is_taken: bool = False
    """Whether it is used where no layer is chosen."""


class Layers(NamedTuple):
    """The layers of a network that can be chosen, and what they are of."""

    layers: list[Layer]
    """From input to output."""
    size_px: int
    """Height and width of the pictures that shapes are for."""
    scaling: PixelScaling | None
    """How pixels become its input; None where it has to be chosen."""
    is_assumed: bool = False
    """Whether nobody has named the size, and the network takes any."""


class Kind(NamedTuple):
    """A kind of file, or of folder, that holds a network."""

    name: str
    """The architecture that recipes record."""
    module: str
    """Of this package; its functions are listed in the docstring of the room."""
    suffixes: tuple[str, ...] = ()
    """How the names of such files end, in lower case."""
    inside: tuple[str, ...] = ()
    """A folder that has one of these files is of this kind."""


KINDS: dict[str, Kind] = {
    "onnx": Kind("onnx", ".onnx_file", (".onnx",)),
    "saved_model": Kind("saved_model", ".saved_model.folder", inside=("saved_model.pb",)),
    "keras": Kind("keras", ".keras.file", (".keras", ".h5", ".hdf5")),
    "hub": Kind(
        "hub",
        ".hub.folder",
        inside=(
            "preprocessor_config.json",
            "processor_config.json",
            "open_clip_config.json",
            "config.json",
            "model.onnx",
            "onnx",
        ),
    ),
}


def is_file_name(extractor: str) -> bool:
    """Whether an extractor is a file, a folder or of the Hub, not a name of the registry."""
    if not isinstance(extractor, str):
        return False
    if os.sep in extractor:
        return True
    if is_backbone(extractor):
        return False
    suffixes = tuple(suffix for kind in KINDS.values() for suffix in kind.suffixes)
    return (
        extractor.startswith(HUB)
        or extractor.lower().endswith(suffixes)
        or os.path.exists(path_of(extractor))  # noqa: PTH110 (names may be too long)
    )


def path_of(extractor: str) -> Path:
    """The path that a name means; one that begins with an unknown user's ``~`` is as it stands."""
    return Path(os.path.expanduser(extractor))  # noqa: PTH111 (pathlib's raises RuntimeError)


def require_known_extractor(spec: ExtractorSpec) -> None:
    """Raise UsageError when a setting is unknown, UnknownExtractorError when the extractor is."""
    if not is_file_name(spec.extractor):
        find_backbone(spec.extractor)
    if spec.fit is not None:
        require_known_fit(spec.fit)
    require_known_grey16(spec.grey16)


def open_backbone(
    spec: ExtractorSpec, download_timeout_s: float | None = None, progress: bool | None = None
) -> tuple[Backbone, Weights]:
    """The network that is asked for, and its weights on this machine.

    Parameters
    ----------
    spec
        What is asked for.
    download_timeout_s, progress
        As in `find_weights`.

    Raises
    ------
    UsageError
        When a setting is unknown, or means nothing to this network.
    UnknownExtractorError
        When there is no such name or file, or the file is of no kind that holds a network.
    WeightsNotFoundError
        When ImageNet weights are not on this machine and cannot be downloaded.
    EngineError
        When the file is damaged, or would run code.
    """
    require_known_extractor(spec)
    if not is_file_name(spec.extractor):
        backbone = configured(find_backbone(spec.extractor), spec)
        return backbone, find_weights(backbone, spec.weights, download_timeout_s, progress)
    path = locate(spec.extractor, download_timeout_s, progress)
    backbone, weights = module_of(kind_of(path)).open_file(path, spec)
    if spec.extractor.startswith(HUB):
        backbone = backbone._replace(name=_hugging_face().pinned(spec.extractor, path))
    return backbone, weights


def locate(
    extractor: str, download_timeout_s: float | None = None, progress: bool | None = None
) -> Path:
    """The file or folder that holds a network; one of the Hub is downloaded.

    Raises
    ------
    UnknownExtractorError
        When there is no such file, folder or repository.
    WeightsNotFoundError
        When it cannot be downloaded.
    """
    if extractor.startswith(HUB):
        return _hugging_face().download(extractor, download_timeout_s, progress)
    path = path_of(extractor)
    if not os.path.exists(path):  # noqa: PTH110 (False where a name is too long)
        raise UnknownExtractorError(f"there is no file or folder {extractor}")
    return path


def configured(backbone: Backbone, spec: ExtractorSpec) -> Backbone:
    """A network of the registry with the size, the layers and the scaling that are asked for.

    Raises
    ------
    UsageError
        When a setting means nothing to this network.
    """
    if spec.scaling is not None:
        scaling = find_scaling(spec.scaling)
        if scaling[1:] != backbone.scaling[1:]:
            if not backbone.is_of_keras:
                raise SettingError.of(
                    "scaling",
                    f"{backbone.name} scales pixels in its own way; --scaling has no meaning",
                )
            backbone = backbone._replace(scaling=scaling)
    if spec.pooling is not None:
        raise SettingError.of(
            "pooling", f"{backbone.name} pools in its own way; --pooling has no meaning"
        )
    if spec.size_px in (None, backbone.input_size_px) and not spec.layers:
        return backbone
    module = backbone.imported()
    if not hasattr(module, "configured"):
        setting = "layer" if spec.layers else "size"
        raise SettingError.of(
            setting, f"{backbone.name} has one size and one layer; name no others"
        )
    return module.configured(backbone, spec)


def _hugging_face() -> Any:
    return import_whole(".hub.hugging_face", __package__)


def module_of(kind: Kind) -> Any:
    """The module behind a kind of file."""
    return import_whole(kind.module, __package__)


def kind_of(path: Path) -> Kind:
    """The kind of a file or folder; raises UnknownExtractorError where it holds no network."""
    for kind in KINDS.values():
        if path.is_dir() and any((path / name).exists() for name in kind.inside):
            return kind
        if path.is_file() and path.name.lower().endswith(kind.suffixes):
            return kind
    suffixes = ", ".join(suffix for kind in KINDS.values() for suffix in kind.suffixes)
    names = ", ".join(name for kind in KINDS.values() for name in kind.inside)
    raise UnknownExtractorError(
        f"{path} is not a network that can be read: expected a file that ends in one of "
        f"{suffixes}; or a folder with one of {names}"
    )
