"""A ledger that forgets: of what was kept, it holds what is not committed yet."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from ...cache import Key, KeyArray
from ...cache.keys import HASH_BYTES
from ..ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...cache import ContentHash
    from ..network import Features


class RollingLedger(Ledger):
    """As `Ledger`, for any number of images.

    Attributes
    ----------
    extracted
        Keys of the rows that this run has added and that are not committed yet.
    n_rows
        How many it has added.
    """

    n_rows = 0

    def missing_views(self, content: ContentHash) -> Sequence[int]:
        """As of `Ledger`; rows that are kept and not committed are not missing."""
        missing = super().missing_views(content)
        if not self.extracted:
            return missing
        return [view for view in missing if Key(content, view) not in self.extracted]

    def keep(self, images: Features) -> None:
        """As of `Ledger`."""
        super().keep(images)
        self.n_rows += len(images.keys)
        for key in images.keys:  # of another file with these bytes, something went wrong before
            self.rejected.pop(key.content, None)
        if any(key in self.cache for key in itertools.islice(self.extracted, 1)):
            self.extracted = {key for key in self.extracted if key not in self.cache}

    def note_rows(self, keys: Sequence[Key]) -> None:
        """As of `Ledger`."""
        self.n_rows += len(keys)
        for key in keys:
            self.rejected.pop(key.content, None)

    def why_not(self, content: ContentHash) -> str | None:
        """Why a content that is done has no row; None where it has one."""
        self.missing_views(content)
        reason = self.rejected.get(content)
        if reason is not None and self._why_not(content) is not None:
            del self.rejected[content]  # the cache knows it
        return reason

    def has_all(self, contents: bytes) -> bool:
        """Whether the rows of all these contents are committed, 32 bytes each."""
        n = len(contents) // HASH_BYTES
        return all(
            self.cache.n_present(KeyArray.of_images(contents, view)) == n for view in self._views
        )
