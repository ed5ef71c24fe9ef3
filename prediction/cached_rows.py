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
from ..untrusted.tar_members import status_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..cache import ContentHash, FeatureCache

logger = logging.getLogger(__name__)


class CachedRows:
    """The cached rows of one recipe, in the precisions that are accepted."""

    def __init__(
        self,
        folder: CacheFolder | None,
        caches: Sequence[FeatureCache],
        views: Sequence[int] = (0,),
    ) -> None:
        """See `open_cached_rows`."""
        self._folder = folder
        self._caches = list(caches)
        self._views = views

    def contents_of(self, paths: Sequence[str]) -> list[ContentHash | None]:
        """The content of each file that has not changed since it was read; no file is opened."""
        contents: list[ContentHash | None] = [None] * len(paths)
        if self._folder is None or not self._caches:
            return contents
        files, positions = [], []
        for position, path in enumerate(paths):
            with contextlib.suppress(OSError, ValueError):  # reading it will give the reason
                files.append((path, status_of(path)))
                positions.append(position)
        try:
            found = self._folder.known_contents(files)
            for position, content in zip(positions, found, strict=True):
                contents[position] = content
        except CacheError as error:
            self._give_up(error)
        return contents

    def has(self, content: ContentHash) -> bool:
        """Whether an image has a row of each view."""
        keys = [Key(content, view) for view in self._views]
        return all(any(key in cache for cache in self._caches) for key in keys)

    def views_of(self, contents: Sequence[ContentHash | None]) -> list[dict[int, np.ndarray]]:
        """The transfer values of each content, float32 (width,), by view; as far as they are there.

        Nothing for None.
        """
        found: list[dict[int, np.ndarray]] = [{} for _ in contents]
        keys = [
            (position, Key(content, view))
            for position, content in enumerate(contents)
            if content is not None
            for view in self._views
        ]
        rows = self._rows_of([key for _, key in keys])
        for (position, key), row in zip(keys, rows, strict=True):
            if row is not None:
                found[position][key.view] = row
        return found

    def _rows_of(self, keys: Sequence[Key]) -> list[np.ndarray | None]:
        rows: list[np.ndarray | None] = [None] * len(keys)
        for cache in self._caches:
            wanted = [
                (position, key)
                for position, key in enumerate(keys)
                if rows[position] is None and key in cache
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
    cache: str | os.PathLike[str] | None,
    fingerprint: str,
    precisions: Sequence[str],
    views: Sequence[int] = (0,),
) -> Iterator[CachedRows]:
    """The rows of a recipe, of some views, in one of `precisions`; earlier ones come first."""
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
            yield CachedRows(folder, caches, views)
