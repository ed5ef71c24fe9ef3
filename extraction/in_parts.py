"""Extraction for who needs rows in the cache and no table of them: any number of images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from ..cache import CacheFolder
from ..datasets.parts import parts_of
from .extract_dataset import extract
from .parts.memory import IndexMemory

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from .parts.summary import Summary


def extract_in_parts(
    data: str | os.PathLike[str],
    reading: Mapping[str, Any],
    *,
    cache: str | os.PathLike[str] | None = None,
    **settings: Any,
) -> Summary:
    """As `extract`, with the memory that a part of the images takes.

    Archives, and tables of images in archives, that have not changed since all of their images were
    brought into the cache, are not opened again.

    Parameters
    ----------
    data
        What `load_dataset` reads.
    reading
        Its options.
    cache, **settings
        As of `extract`.
    """
    memory = IndexMemory()
    with CacheFolder(cache) as folder:
        memory.open(folder)
        parts = parts_of(data, **reading, memory=memory)
    return cast("Any", extract)(parts, cache=cache, **settings)
