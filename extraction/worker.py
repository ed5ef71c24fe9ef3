"""Image files to pixels: what is read, hashed and decoded beside the main thread.

The caller names files and is asked, by their hashes, which of them are new; it never holds the
bytes of a file, so that where they are read and how they reach a decoder is decided here alone.
"""

from __future__ import annotations

import contextlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..cache import ContentHash, Key, Rejection, content_of_bytes, is_settled
from ..errors import ImageRejectedError
from ..features.images.colours import DARK_BELOW
from ..features.images.decoder import Limits, read
from ..features.images.decoder_pool import DecoderPool
from ..hardware import available_cores
from .prefetch import groups_of, prefetch
from .stage_timing import DECODE, DISK

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from ..features import Recipe
    from .stage_timing import Waiting

GROUP_SIZE = 8
"""Files that are read together, and images that are decoded together."""

_READERS = 4
_GROUPS_AHEAD = 8
_GROUP_BYTES = 32 << 20
_BYTES_AHEAD = 256 << 20


class ImageFile(NamedTuple):
    """An image file that is to be read."""

    position: int
    """In the dataset."""
    path: str
    n_bytes: int
    """As far as is known; how much is read ahead depends on it."""


class HashedFile(NamedTuple):
    """An image file whose content is known."""

    position: int
    path: str
    content: ContentHash
    status: os.stat_result
    is_settled: bool
    """Whether every later change of the file shows in its status."""


class UnreadableFile(NamedTuple):
    """An image file that cannot be read; its content is not known."""

    position: int
    reason: str


class Pixels(NamedTuple):
    """A few decoded images."""

    keys: list[Key]
    paths: list[bytes]
    pixels: np.ndarray
    """uint8, (n, height, width, 3), RGB, 0 to 255: of each key, in the network's input size."""
    rejections: list[Rejection]
    """Of those that cannot be decoded."""


class _Content(NamedTuple):
    """The bytes of an image file."""

    file: HashedFile
    data: bytes


class Workers(contextlib.AbstractContextManager["Workers"]):
    """Threads that read and hash, and processes that decode, each some groups ahead of the next."""

    def __init__(self, recipe: Recipe, max_pixels: int, waiting: Waiting) -> None:
        """Prepare to decode for a recipe's network; nothing runs yet."""
        n_cores = available_cores()
        self.n_dark = 0
        """Images with 16 bits per channel that came out nearly black, since they were scaled."""
        self.brightest_dark = 0
        """The greatest value in them, of 65,535."""
        self._waiting = waiting
        self._counts_dark = recipe.grey16 == "scale"
        self._decoders = DecoderPool(
            recipe.preprocessing, n_cores, limits=Limits(pixels=max_pixels)
        )
        self._groups_decoded_ahead = max(_GROUPS_AHEAD, 2 * n_cores)
        self._reading = ThreadPoolExecutor(_READERS)
        self._decoding = ThreadPoolExecutor(n_cores)  # each waits for a process

    def __exit__(self, *exception: object) -> None:
        """Finish what was begun, and nothing more."""
        for threads in (self._decoding, self._reading):
            threads.shutdown(cancel_futures=True)
        self._decoders.close()

    def start(self) -> None:
        """Start the processes, without waiting until they are ready."""
        self._decoders.start()

    def pixels(
        self,
        files: Iterable[ImageFile],
        are_new: Callable[[Sequence[HashedFile | UnreadableFile]], Sequence[bool]],
    ) -> Generator[Pixels]:
        """Read and hash files, and decode those that are new.

        Parameters
        ----------
        files
            Drawn from in the calling thread, a bounded number ahead.
        are_new
            Of a few files at a time, in order, which are to be decoded; called in that thread, too.
        """
        contents = prefetch(
            self._reading,
            _read_all,
            groups_of(GROUP_SIZE, files, n_bytes=lambda file: file.n_bytes, max_bytes=_GROUP_BYTES),
            _GROUPS_AHEAD,
            n_bytes=lambda group: sum(file.n_bytes for file in group),
            max_bytes=_BYTES_AHEAD,
            waiting=lambda: self._waiting.waiting_for(DISK),
        )
        decoded = prefetch(
            self._decoding,
            self._decode,
            groups_of(
                GROUP_SIZE,
                _only_new(contents, are_new),
                n_bytes=lambda content: len(content.data),
                max_bytes=_GROUP_BYTES,
            ),
            self._groups_decoded_ahead,
            n_bytes=lambda group: sum(len(content.data) for content in group),
            max_bytes=_BYTES_AHEAD,
            waiting=lambda: self._waiting.waiting_for(DECODE),
        )
        for pixels, brightest in decoded:
            self._count_dark(brightest)
            yield pixels

    def _decode(self, contents: Sequence[_Content]) -> tuple[Pixels, list[int]]:
        """Pixels, and the greatest value of each image that has 16 bits per channel."""
        decoded = self._decoders.decode([content.data for content in contents])
        pixels = Pixels([], [], decoded.pixels, [])
        for (file, _), reason in zip(contents, decoded.reasons, strict=True):
            path = os.fsencode(os.path.abspath(file.path))  # noqa: PTH100 (surrogate escapes)
            if reason:
                pixels.rejections.append(Rejection(file.content, path, reason))
            else:
                pixels.keys.append(Key(file.content))
                pixels.paths.append(path)
        return pixels, [
            kind.brightest for kind in decoded.kinds if kind and kind.brightest is not None
        ]

    def _count_dark(self, brightest: Iterable[int]) -> None:
        if self._counts_dark:
            dark = [value for value in brightest if 0 < value < DARK_BELOW]
            self.n_dark += len(dark)
            self.brightest_dark = max([self.brightest_dark, *dark])


def size_of(path: str) -> int:
    """Bytes of a file; 0 where that cannot be found out."""
    with contextlib.suppress(OSError, ValueError):  # reading it gives the reason
        return os.stat(path).st_size  # noqa: PTH116 (names may hold surrogate escapes)
    return 0


def _read_all(files: Sequence[ImageFile]) -> list[_Content | UnreadableFile]:
    """Read and hash."""
    contents: list[_Content | UnreadableFile] = []
    for position, path, _ in files:
        looked_at_ns = time.time_ns()
        try:
            data, status = read(path)
        except ImageRejectedError as error:
            contents.append(UnreadableFile(position, str(error)))
        else:
            settled = is_settled(status, looked_at_ns)
            file = HashedFile(position, path, content_of_bytes(data), status, settled)
            contents.append(_Content(file, data))
    return contents


def _only_new(
    groups: Iterable[list[_Content | UnreadableFile]],
    are_new: Callable[[Sequence[HashedFile | UnreadableFile]], Sequence[bool]],
) -> Iterator[_Content]:
    for group in groups:
        files = [each.file if isinstance(each, _Content) else each for each in group]
        for content, is_new in zip(group, are_new(files), strict=True):
            if is_new and isinstance(content, _Content):
                yield content
