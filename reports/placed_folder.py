"""A folder that takes its place whole, or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from ..atomic_file import TEMPORARY_PREFIX, make_folder, sync
from ..replaceable import writing

if TYPE_CHECKING:
    from collections.abc import Generator


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
