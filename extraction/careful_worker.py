"""What becomes of the groups of a worker that has died: every image is looked at by itself."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from ..cache import Stamp, content_of_bytes, is_settled
from ..errors import ImageRejectedError
from ..features.images.decoder import read
from ..features.images.decoder_pool import DecoderPool
from ..features.images.rejection import CHANGED
from ..paths import absolute_paths
from .image_files import HashedFile, ImageFile, UnreadableFile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..features.images.decoder import Limits
    from ..features.images.fit import Preprocessing
    from .groups import Group


class CarefulWorker:
    """A thread that reads in this process, and a `DecoderPool` that finds out who is to blame."""

    def __init__(
        self,
        preprocessing: Preprocessing,
        limits: Limits,
        done: Callable[[Group, BaseException | None], None],
    ) -> None:
        """`done` is called in the thread, with what went wrong, each time a group has got on."""
        self._decoders = DecoderPool(preprocessing, 1, limits=limits)
        self._done = done
        self._data: dict[int, list[bytes | None]] = {}
        self._thread = ThreadPoolExecutor(1)

    def read(self, group: Group) -> None:
        """Read the files of a group; what is new of it, if that is known, is decoded at once."""
        before = group.hashed if group.new is not None else None
        if before is None:
            group.hashed = None  # what was told of it before it was asked for does not count
        self._do(group, partial(self._read, before=before))

    def decode(self, group: Group) -> None:
        """Decode the new files of a group."""
        self._do(group, self._decode)

    is_reading = False

    def close(self) -> None:
        """Finish what was begun, and nothing more."""
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
                self._done(group, error)
            else:
                self._done(group, None)

        self._thread.submit(job)

    def _read(self, group: Group, before: Sequence[HashedFile | UnreadableFile] | None) -> None:
        read_again = [read_and_hash(file) for file in group.files]
        self._data[group.number] = [data for _, data in read_again]
        if before is None:
            group.hashed = [file for file, _ in read_again]
            return
        # What the caller was told of stays as it was: other bytes have no row under that name.
        for position in group.new or ():
            if _content(before[position]) != _content(read_again[position][0]):
                self._data[group.number][position] = None
        self._decode(group)

    def _decode(self, group: Group) -> None:
        data = self._data.pop(group.number)
        files = [data[position] for position in group.new or ()]
        decoded = self._decoders.decode([each for each in files if each is not None])
        reasons = iter(decoded.reasons)
        group.brightest = [
            kind.brightest for kind in decoded.kinds if kind and kind.brightest is not None
        ]
        group.finish([CHANGED if each is None else next(reasons) for each in files], decoded.pixels)


def read_and_hash(file: ImageFile) -> tuple[HashedFile | UnreadableFile, bytes]:
    """What is known of a file, and its bytes."""
    looked_at_ns = time.time_ns()
    try:
        data, status = read(file.path)
    except ImageRejectedError as error:
        return UnreadableFile(file.position, str(error)), b""
    stamp = Stamp.of(status)
    settled = is_settled(stamp, looked_at_ns)
    [path] = absolute_paths([file.path])
    return HashedFile(file.position, path, content_of_bytes(data), stamp, settled), data


def _content(file: HashedFile | UnreadableFile) -> bytes | None:
    return file.content if isinstance(file, HashedFile) else None
