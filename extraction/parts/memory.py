"""What is known of archives and tables from earlier runs, in the cache's index."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from ...cache import Stamp, is_settled
from ...datasets.parts import Parts, Remembered

if TYPE_CHECKING:
    from ...cache import CacheFolder
    from ...datasets.parts import Place

_HELD_BYTES = 1 << 15
_HELD_S = 1.0


class IndexMemory:
    """Remembers places in the index of a cache, and holds what is new until it is written."""

    def __init__(self) -> None:
        self._folder: CacheFolder | None = None
        self._new: dict[tuple[str, str, int], tuple[Stamp, bytes, bytes]] = {}
        self._n_held, self._written_s = 0, time.monotonic()

    def open(self, folder: CacheFolder) -> None:
        """Use the index of a folder from now on; it need not exist yet."""
        self._folder = folder

    def recall(self, place: Place) -> Remembered | None:
        """See `Memory`."""
        stamp = Stamp.of(place.status)
        key = (place.path, place.reading, place.start)
        if key in self._new:
            then, *blobs = self._new[key]
            found = tuple(blobs) if then == stamp else None
        elif self._folder is not None:
            found = self._folder.index.part(*key, stamp)
        else:
            found = None
        if found is None:
            return None
        try:
            about: object = json.loads(found[0])
        except ValueError:
            return None
        return Remembered(about, found[1]) if isinstance(about, dict) else None

    def remember(self, place: Place, about: dict[str, Any], contents: bytes = b"") -> None:
        """See `Memory`; a file that may change without its times changing is not remembered."""
        stamp = Stamp.of(place.status)
        if not is_settled(stamp, place.looked_at_ns):
            return
        key = (place.path, place.reading, place.start)
        text = json.dumps(about).encode()
        self._new[key] = (stamp, text, contents)
        self._n_held += len(contents)
        is_old = time.monotonic() - self._written_s > _HELD_S
        if contents and (self._n_held > _HELD_BYTES or is_old):
            self.write()

    def write(self) -> None:
        """Write what is new."""
        if self._folder is not None:
            self._folder.index.remember_parts((*key, *new) for key, new in self._new.items())
            self._new.clear()
            self._n_held, self._written_s = 0, time.monotonic()


def open_memory(images: object, folder: CacheFolder) -> None:
    """Let a dataset in parts be remembered in a cache that has been opened."""
    if isinstance(images, Parts) and isinstance(images.memory, IndexMemory):
        images.memory.open(folder)
