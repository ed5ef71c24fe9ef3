"""The files of an export, with their hashes."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path


class WrittenFile(NamedTuple):
    """A file of an export."""

    name: str
    """Relative to the folder, with ``/``."""
    n_bytes: int
    sha256: str


def files_in(folder: Path) -> list[WrittenFile]:
    """What an exporter wrote into a folder, by name."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            found.append(WrittenFile(name, path.stat().st_size, _sha256(path)))
    return found


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
