"""What a long measurement has found so far, so that it goes on where it was interrupted."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from ...atomic_file import write_bytes
from ...replaceable import require_replaceable, writing_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

BEGINS = b'{"adversarial": '
"""How such a file begins."""


def is_journal(path: Path) -> bool:
    """Whether a file begins as a journal does, be it torn or empty.

    Raises
    ------
    OSError
        When it cannot be read.
    """
    with path.open("rb") as file:
        return BEGINS.startswith(file.read(len(BEGINS)))


def require_journal(path: Path | None) -> None:
    """Refuse what is there and is no journal: it would be replaced, and removed at the end.

    Raises
    ------
    UsageError
        When it is something else, or cannot be read.
    """
    if path is not None:
        require_replaceable(path, "an interrupted measurement", is_journal)


class Journal:
    """What was found of each image, under settings; a file of other settings starts anew.

    Parameters
    ----------
    path
        Where it is kept; None keeps nothing.
    settings
        Everything, as JSON values, on which what is found of an image depends but for the image.

    Raises
    ------
    UsageError
        When something else than a journal is there; one that is torn starts anew.
    """

    def __init__(self, path: Path | None, settings: Sequence[Any]) -> None:
        require_journal(path)
        self._path = path
        self._of = hashlib.sha256(json.dumps(settings).encode()).hexdigest()
        self._found: dict[str, Sequence[Any]] = {}
        if path is not None and path.is_file():
            self._found = _read(path, self._of)

    def get(self, key: str) -> Sequence[Any] | None:
        """What was found of an image."""
        return self._found.get(key)

    def add(self, found: Mapping[str, Sequence[Any]]) -> None:
        """Keep what was found of some images.

        Raises
        ------
        BottlebankError
            When the file cannot be written.
        """
        self._found |= found
        if self._path is not None:
            text = json.dumps({"adversarial": self._of, "found": self._found})
            with writing_file(self._path):
                write_bytes(self._path, text.encode())

    def remove(self) -> None:
        """At the end.

        Raises
        ------
        BottlebankError
            When the file cannot be removed.
        """
        if self._path is not None:
            with writing_file(self._path):
                self._path.unlink(missing_ok=True)


def _read(path: Path, of: str) -> dict[str, Sequence[Any]]:
    """What a file holds; nothing where it is damaged or of other settings."""
    try:
        kept = json.loads(path.read_bytes())
        if kept["adversarial"] != of:
            return {}
        return {
            key: row
            for key, row in kept["found"].items()
            if [type(each) for each in row]
            in ([bool, bool, int, bool], [bool, bool, type(None), bool])
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}
