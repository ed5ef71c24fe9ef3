"""Networks in files of somebody's own: which module opens which kind."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import UnknownExtractorError
from .registry import is_backbone

if TYPE_CHECKING:
    from ..spec import ExtractorSpec
    from .registry import Backbone
    from .weights import Weights


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


KINDS: dict[str, Kind] = {}


def is_file_name(extractor: str) -> bool:
    """Whether an extractor is named by a file or folder, not by a name of the registry."""
    if not isinstance(extractor, str) or is_backbone(extractor):
        return False
    suffixes = tuple(suffix for kind in KINDS.values() for suffix in kind.suffixes)
    return (
        os.sep in extractor
        or extractor.lower().endswith(suffixes)
        or Path(extractor).expanduser().exists()
    )


def open_own_file(spec: ExtractorSpec) -> tuple[Backbone, Weights]:
    """Read what the network in a file is; its weights are the file.

    Raises
    ------
    UnknownExtractorError
        When there is no such file, or it is of no kind that holds a network.
    EngineError
        When it is damaged, or would run code.
    """
    path = Path(spec.extractor).expanduser()
    if not path.exists():
        raise UnknownExtractorError(f"there is no file or folder {spec.extractor}")
    return _module(_kind_of(path)).open_file(path, spec)


def _module(kind: Kind) -> Any:
    return import_module(kind.module, __package__)


def _kind_of(path: Path) -> Kind:
    for kind in KINDS.values():
        if path.is_dir() and any((path / name).exists() for name in kind.inside):
            return kind
        if path.is_file() and path.name.lower().endswith(kind.suffixes):
            return kind
    ways = [f"*{suffix}" for kind in KINDS.values() for suffix in kind.suffixes]
    ways += [f"a folder with {name}" for kind in KINDS.values() for name in kind.inside]
    raise UnknownExtractorError(
        f"{path} is no network that can be read: expected {' or '.join(ways)}"
    )
