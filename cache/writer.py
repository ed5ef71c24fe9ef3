"""Adding rows to a cache, a shard at a time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from ..errors import CacheError
from ..formatting import counted
from .shards.shard import Rejection
from .shards.shard_writer import Rows, write_shard
from .variant import Variant

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from .keys import ContentHash, Key
    from .shards.shard import Contents
    from .storage import Storage


class Writer:
    """Collects rows and commits them as shards; made by `FeatureCache.writer`."""

    def __init__(
        self,
        storage: Storage,
        variant: str,
        first_number: int,
        on_commit: Callable[[Contents], object],
        every_rows: int,
        every_s: float,
    ) -> None:
        """The lock is held; `on_commit` is given each shard that was written."""
        self._storage, self._on_commit = storage, on_commit
        self._every_rows, self._every_s = every_rows, every_s
        self._rows = Rows(Variant.parse(variant).storage)
        self._since = time.monotonic()
        self._number = first_number

    def add(self, key: Key, path: bytes, features: NDArray[np.float32]) -> None:
        """As `extend`, for one row, float32 (width,)."""
        self.extend([key], [path], features[np.newaxis])

    def extend(
        self, keys: Sequence[Key], paths: Sequence[bytes], features: NDArray[np.float32]
    ) -> None:
        """Add rows, not to be changed any more; commits when it is time.

        Parameters
        ----------
        keys, paths
            Of each row, and where its image is.
        features
            float32, (n, width).
        """
        start = 0
        while start < len(keys):
            end = start + max(1, self._every_rows - len(self._rows))
            try:
                self._rows.extend(keys[start:end], paths[start:end], features[start:end])
            except OverflowError as error:
                raise CacheError(str(error)) from error
            self._commit_if_due()
            start = end

    def reject(self, content: ContentHash, path: bytes, reason: str) -> None:
        """Remember that an image cannot be decoded, and why."""
        self._rows.rejections.append(Rejection(content, path, reason))
        self._commit_if_due()

    def take_number(self) -> int:
        """Reserve the number of a shard that is put in place by other means."""
        self._number += 1
        return self._number - 1

    def commit(self) -> None:
        """Write what was added as one shard; once this returns it survives a power cut."""
        if len(self._rows):
            try:
                shard = write_shard(self._storage, self.take_number(), self._rows)
            except OSError as error:
                raise CacheError(
                    f"{counted(len(self._rows), 'row')} could not be written to "
                    f"{self._storage.where}: "
                    f"{error.strerror or error}. What was committed before is kept; run the "
                    f"command again to continue"
                ) from error
            finally:
                self._rows.clear()
            self._on_commit(shard)
        self._since = time.monotonic()

    def _commit_if_due(self) -> None:
        overdue = time.monotonic() - self._since >= self._every_s
        if len(self._rows) >= self._every_rows or overdue:
            self.commit()
