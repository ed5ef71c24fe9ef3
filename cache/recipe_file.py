"""The file beside the variants of a recipe that says what its fingerprint stands for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .storage import Storage

RECIPE_FILE = "recipe.json"
MAX_RECIPE_BYTES = 1 << 16


def keep_recipe(storage: Storage, recipe: Mapping[str, Any]) -> None:
    """Have `storage` hold the recipe; nothing is written where it does already.

    Raises
    ------
    OSError
        When it cannot be written.
    """
    text = (json.dumps(recipe, indent=2) + "\n").encode()
    if not _holds(storage, RECIPE_FILE, text):
        storage.put(RECIPE_FILE, [text], replace=True)


def _holds(storage: Storage, name: str, data: bytes) -> bool:
    """Whether a blob holds these bytes; a pipe or a device in its place does not."""
    try:
        with storage.open(name) as file:
            return file.read(len(data) + 1) == data
    except OSError:
        return False
