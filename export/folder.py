"""The folder of an export: what may be replaced by it, and how it takes its place, whole."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from ..arguments import require_path
from ..atomic_file import TEMPORARY_PREFIX, make_folder, sync
from ..errors import UsageError
from ..reports.output_paths import require_folder, writing
from . import card, labels
from .registry import EXPORTERS

if TYPE_CHECKING:
    from collections.abc import Generator

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


@contextlib.contextmanager
def placed(path: Path) -> Generator[Path]:
    """A folder beside `path` for what is written in the block; at its end it is put there.

    When anything fails, what was at `path` stays, and nothing else is left.

    Raises
    ------
    BottlebankError
        When it cannot be written.
    """
    beside = path.with_name(f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}")
    with writing(path):
        make_folder(path.parent)
        beside.mkdir()
    try:
        yield beside
        with writing(path):
            _put(beside, path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _put(folder: Path, path: Path) -> None:
    for root, _, names in os.walk(folder):
        for name in names:
            sync(Path(root) / name)
        sync(Path(root))
    if not path.exists():
        folder.rename(path)
        sync(path.parent)
        return
    before = path.with_name(f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}")
    path.rename(before)
    try:
        folder.rename(path)
    except BaseException:
        before.rename(path)
        raise
    sync(path.parent)
    shutil.rmtree(before, ignore_errors=True)
