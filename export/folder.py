"""The folder of an export: what may be replaced by it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ..arguments import require_path
from ..errors import UsageError
from ..reports.output_paths import require_folder
from . import card, labels
from .registry import EXPORTERS

_OWN = {card.FILE, labels.FILE, *(name for each in EXPORTERS.values() for name in each.files)}
_OWN_NAMES = re.compile(
    rf"{'|'.join(map(re.escape, sorted(_OWN)))}|variables/variables\.(index|data-\d+-of-\d+)"
)
_SUFFIXES = {Path(name).suffix for each in EXPORTERS.values() for name in each.files} - {""}


def require_export_folder(output: str | os.PathLike[str]) -> Path:
    """The path of a folder that can be made, or that holds nothing but an earlier export.

    Raises
    ------
    UsageError
        When something else is there, or it cannot be written.
    """
    path = require_path(output, "the path of a folder", "bb.export_head(head, 'exported/', …)")
    if path.suffix.lower() in _SUFFIXES:
        raise UsageError(
            f"cannot write {output}: an export is a folder, with the network, {labels.FILE} and "
            f"{card.FILE} in it; choose a name without {path.suffix}"
        )
    path = Path(os.path.realpath(path))
    require_folder(path)
    require_folder(path.parent)
    if path.is_dir() and not _is_replaceable(path):
        raise UsageError(
            f"{output} exists and is not an export of bottlebank, so it is not overwritten; choose "
            f"another name, or delete it first"
        )
    return path


def _is_replaceable(path: Path) -> bool:
    if not any(path.iterdir()):
        return True
    own = all(
        _OWN_NAMES.fullmatch(entry.relative_to(path).as_posix()) is not None
        for entry in path.rglob("*")
    )
    return own and card.is_card(path / card.FILE)
