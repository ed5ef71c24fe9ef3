"""What the cache holds, and what a run adds to it: rows, rejections, and the contents of files."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from ..cache import Key
from ..features.images.rejection import depends_on_machine, is_temporary

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..cache import CacheFolder, ContentHash, Rejection, Stamp, Variant
    from ..cache.shards.shard import Contents
    from ..cache.writer import Writer
    from ..features import Recipe
    from .image_files import HashedFile
    from .network import Features

_REMEMBERED_TOGETHER = 2048


class Ledger(contextlib.AbstractContextManager["Ledger"]):
    """The rows of one recipe and variant; what was kept is committed when the block is left.

    Attributes
    ----------
    cache
        Where they are.
    extracted
        Keys of the rows that this run has added.
    rejected
        Why contents have no row: those that were rejected now, or that a look-up has met.
    """

    def __init__(
        self,
        folder: CacheFolder,
        recipe: Recipe,
        variant: Variant,
        commit_every: int,
        retry_rejected: bool,
        views: Sequence[int] = (0,),
    ) -> None:
        """Read what is there; the lock is not taken yet.

        Of each image, `views` are wanted, by number. With `retry_rejected`, images that failed on
        this machine are tried again.
        """
        self._folder, self._recipe, self._commit_every = folder, recipe, commit_every
        self._retry_rejected, self._views = retry_rejected, tuple(views)
        self.cache = folder.open(recipe.fingerprint, variant.name)
        self._writer: Writer | None = None
        self._remembered: list[tuple[bytes, Stamp, ContentHash]] = []
        self._stack = contextlib.ExitStack()
        self._stack.callback(self._flush)
        self.extracted: set[Key] = set()
        self.rejected: dict[ContentHash, str] = {}

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    @property
    def has_rows(self) -> bool:
        """Whether any image has a row."""
        return len(self.cache) > 0 or len(self.extracted) > 0

    def missing_views(self, content: ContentHash) -> Sequence[int]:
        """Which views have no row; none where there is a reason for that which holds here, too."""
        missing = [view for view in self._views if Key(content, view) not in self.cache]
        reason = self._why_not(content) if missing else None
        if reason is not None:
            self.rejected[content] = reason
            return ()
        return missing

    def _why_not(self, content: ContentHash) -> str | None:
        """Why an image need not be tried; None when it is to be."""
        reason = self.cache.rejection(content)
        # Other versions have kept such, and so may those whose cache was imported.
        if reason is not None and not is_temporary(reason) and not depends_on_machine(reason):
            return reason
        return None if self._retry_rejected else self.cache.failure(content)

    def writer(self) -> Writer:
        """Where rows are added; takes the lock at the first call.

        Raises
        ------
        CacheLockedError, CacheError
            When another process writes to these rows, or they cannot be written.
        """
        if self._writer is None:
            recipe = self._recipe.as_dict()
            writing = self.cache.writer(recipe, commit_every_rows=self._commit_every)
            self._writer = self._stack.enter_context(writing)
        return self._writer

    def remember(self, files: Iterable[HashedFile]) -> None:
        """Note the contents of files, so that the next run need not read them."""
        self._remembered += [
            (file.path, file.stamp, file.content) for file in files if file.is_settled
        ]
        if len(self._remembered) >= _REMEMBERED_TOGETHER:
            self._flush()

    def keep(self, images: Features) -> None:
        """Add rows and rejections, and commit those that are due."""
        writer = self.writer()
        failed: list[Rejection] = []
        for rejection in images.rejections:
            if depends_on_machine(rejection.reason):
                failed.append(rejection)
            elif not is_temporary(rejection.reason):
                writer.reject(*rejection)
            self.rejected[rejection.content] = rejection.reason
        if failed:
            self.cache.remember_failures(failed)
        if images.keys:
            writer.extend(images.keys, images.paths, images.features)
            self.extracted.update(images.keys)

    def note_shard(self, shard: Contents) -> None:
        """Note rows that another process has committed under this one's lock."""
        self.cache.add_shard(shard)
        self.note_rows(shard.key_array().to_list())

    def note_rows(self, keys: Sequence[Key]) -> None:
        """Note rows that this run has added, and that are committed."""
        self.extracted.update(keys)

    def look_again(self) -> None:
        """See what others have committed, and this process has not heard of."""
        self.cache.refresh()

    def _flush(self) -> None:
        self._folder.remember_files(self._remembered)
        self._remembered.clear()
