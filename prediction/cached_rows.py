"""Rows of the cache that a prediction can use, so that a banked image is not computed again.

Nothing is written, no lock is taken, and a cache that is missing, damaged or busy costs time only.
"""

from __future__ import annotations

import contextlib
import logging
import os
from typing import TYPE_CHECKING

import numpy as np

from ..cache import CacheFolder, Key, Variant
from ..errors import CacheError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..cache import FeatureCache

logger = logging.getLogger(__name__)


class CachedRows:
    """The cached rows of one recipe, in the precisions that are accepted."""

    def __init__(self, folder: CacheFolder | None, caches: Sequence[FeatureCache]) -> None:
        """See `open_cached_rows`."""
        self._folder = folder
        self._caches = list(caches)

    def keys_of(self, paths: Sequence[str]) -> list[Key | None]:
        """The content of each file that has not changed since it was read; no file is opened."""
        keys: list[Key | None] = [None] * len(paths)
        if self._folder is None or not self._caches:
            return keys
        files, positions = [], []
        for position, path in enumerate(paths):
            with contextlib.suppress(OSError, ValueError):  # reading it will give the reason
                files.append((path, os.stat(path)))  # noqa: PTH116 (any bytes in names)
                positions.append(position)
        try:
            found = self._folder.known_contents(files)
            for position, content in zip(positions, found, strict=True):
                keys[position] = None if content is None else Key(content)
        except CacheError as error:
            self._give_up(error)
        return keys

    def has(self, key: Key) -> bool:
        """Whether an image has a row."""
        return any(key in cache for cache in self._caches)

    def rows_of(self, keys: Sequence[Key | None]) -> list[np.ndarray | None]:
        """The transfer values of each content, float32 (width,); None where there are none."""
        rows: list[np.ndarray | None] = [None] * len(keys)
        for cache in self._caches:
            wanted = [
                (position, key)
                for position, key in enumerate(keys)
                if key is not None and rows[position] is None and key in cache
            ]
            if not wanted:
                continue
            try:
                found = cache.rows([key for _, key in wanted])
            except CacheError as error:
                self._give_up(error)
                return rows
            for (position, _), row in zip(wanted, found, strict=True):
                rows[position] = row
        return rows

    def _give_up(self, error: CacheError) -> None:
        logger.info("images are computed, not looked up: %s", error)
        self._caches.clear()


@contextlib.contextmanager
def open_cached_rows(
    cache: str | os.PathLike[str] | None, fingerprint: str, precisions: Sequence[str]
) -> Iterator[CachedRows]:
    """The rows of a recipe that were computed in one of `precisions`; earlier ones come first."""
    with contextlib.ExitStack() as stack:
        try:
            folder = stack.enter_context(CacheFolder(cache, waits=False))
            variants = [Variant.parse(name) for name in folder.variants(fingerprint)]
            caches = [
                folder.open(fingerprint, variant.name)
                for precision in precisions
                for variant in variants
                if variant.precision == precision
            ]
        except (CacheError, OSError) as error:
            logger.info("images are computed, not looked up: %s", error)
            yield CachedRows(None, [])
        else:
            yield CachedRows(folder, caches)
