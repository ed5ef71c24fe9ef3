"""What becomes of a group at which a worker has died, or had too little memory.

Every image is looked at by itself, in a process that may take more.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from ..cache import Stamp, content_of_bytes, is_settled
from ..errors import ImageRejectedError
from ..features.images.decoder import read
from ..features.images.decoder_pool import DecoderPool
from ..features.images.decoding_shares import MOST_BYTES
from ..features.images.rejection import CHANGED, MORE_THAN_ALLOWED, TOO_LITTLE_MEMORY
from ..paths import absolute_paths
from .image_files import HashedFile, ImageFile, UnreadableFile

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..features.images.decoder import Limits
    from ..features.images.decoding_shares import Shares
    from ..features.images.fit import Preprocessing
    from .groups import Group


class CarefulWorker:
    """A thread that reads in this process, and a `DecoderPool` that finds out who is to blame."""

    def __init__(
        self,
        preprocessing: Preprocessing,
        limits: Limits,
        shares: Shares,
        done: Callable[[BaseException | None], None],
    ) -> None:
        """`done` is called in the thread each time a group has got on, with what went wrong."""
        self._decoders = DecoderPool(
            preprocessing, 1, limits=limits, memory_bytes=shares.large_bytes
        )
        self._largest_file_bytes = shares.largest_file_bytes
        self._more_helps = shares.large_bytes < MOST_BYTES
        self._done = done
        self._thread = ThreadPoolExecutor(1)
        self._is_closed = False
        self._none = np.empty((0, *preprocessing.size_px, 3), np.uint8)

    def read(self, group: Group) -> None:
        """Read the files of a group; what is new of it, if that is known, is decoded at once."""
        if group.new is None:
            group.hashed = None  # what was told of it before it was asked for does not count
            self._do(group, self._hash)
        else:
            self._do(group, self._decode)

    def decode(self, group: Group) -> None:
        """Decode the new files of a group."""
        self._do(group, self._decode)

    is_reading = False

    def close(self) -> None:
        """Leave what was begun."""
        self._is_closed = True
        self._decoders.abort()
        self._thread.shutdown(cancel_futures=True)
        self._decoders.close()

    def let_go(self) -> None:
        """In a forked process: leave the process to the parent."""
        self._decoders.let_go()

    def _do(self, group: Group, what: Callable[[Group], Any]) -> None:
        def job() -> None:
            try:
                what(group)
            except BaseException as error:  # noqa: BLE001 (it is raised where the group is taken)
                self._done(error)
            else:
                self._done(None)

        self._thread.submit(job)

    def _hash(self, group: Group) -> None:
        # Groups wait here for their turn, any number of them, so that none holds what it has read.
        group.hashed = [read_and_hash(file, self._largest_file_bytes)[0] for file in group.files]

    def _decode(self, group: Group) -> None:
        reasons: list[str] = []
        brightest: list[int | None] = []
        pixels = [self._none]
        for position, views in (group.new or {}).items():
            if self._is_closed:
                return
            file = self._read_again(group, position)
            if isinstance(file, str):
                reasons.append(file)
                brightest.append(None)
                continue
            decoded = self._decoders.decode([file], views=[views])
            reasons.append(self._with_remedy(decoded.reasons[0]))
            brightest += [kind and kind.brightest for kind in decoded.kinds]
            pixels.append(decoded.pixels)
        group.finish(reasons, brightest, np.concatenate(pixels))

    def _read_again(self, group: Group, position: int) -> bytes | str:
        """A file that the caller knows by its hash, or why it is rejected."""
        file, data = read_and_hash(group.files[position], self._largest_file_bytes)
        if isinstance(file, UnreadableFile) and file.reason == MORE_THAN_ALLOWED:
            return file.reason
        # Other bytes have no row under that hash.
        return data if _content(file) == _content((group.hashed or ())[position]) else CHANGED

    def _with_remedy(self, reason: str) -> str:
        is_of_limit = reason == TOO_LITTLE_MEMORY and self._more_helps
        return MORE_THAN_ALLOWED if is_of_limit else reason


def read_and_hash(file: ImageFile, max_bytes: int) -> tuple[HashedFile | UnreadableFile, bytes]:
    """What is known of a file, and its bytes; it is not read where it has more than `max_bytes`."""
    looked_at_ns = time.time_ns()
    try:
        data, status = read(file.member or file.path, max_bytes)
    except ImageRejectedError as error:
        return UnreadableFile(file.position, str(error)), b""
    stamp = Stamp.of(status)
    settled = is_settled(stamp, looked_at_ns)
    [path] = absolute_paths([file.path])
    return HashedFile(file.position, path, content_of_bytes(data), stamp, settled), data


def _content(file: HashedFile | UnreadableFile) -> bytes | None:
    return file.content if isinstance(file, HashedFile) else None
