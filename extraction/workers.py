"""Image files to pixels, in processes that read, hash and decode.

The caller names files and is asked, by their hashes, which of them are new. It never holds the
bytes of a file: a worker reads them once and keeps them until it is told what to decode. The pixels
of a group lie in memory that the worker shares with this process, and are used where they lie.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import selectors
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..cache import Stamp
from ..features.images.decoder import Limits
from ..features.images.decoder_pool import MAX_DECODE_S, PATIENCE_S
from ..features.images.decoding_shares import Allowed, shares_of
from ..features.images.rejection import TOO_LITTLE_MEMORY
from ..fork_safety import Owner, let_go_in_children
from ..paths import absolute_paths
from .careful_worker import CarefulWorker, read_and_hash
from .groups import Group
from .image_files import HashedFile, UnreadableFile
from .prefetch import groups_of, put_back
from .stage_timing import DECODE, DISK
from .worker import N_BLOCKS, DiedError, Worker
from .worker_process import FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    from ..cache import ContentHash
    from ..features import Recipe
    from .image_files import ImageFile, Pixels
    from .stage_timing import Waiting

_READERS = 4
_GROUP_SIZE = 32
_BLOCK_BYTES = 16 << 20
_GROUP_BYTES = 8 << 20
_COMMAND_BYTES = 32 << 10
"""Of the paths of a group; a worker's socket holds several such commands."""
_LETTERS_OF_MEMBER = 128
"""What is said of a file in an archive beside its name."""
_IN_HAND = 3
"""Groups that a worker has: one is decoded while the next is read and looked up."""
_BEGUN_PER_WORKER = 6
_PATIENCE_S = 3 * MAX_DECODE_S + PATIENCE_S
_LOOKED_AFTER_S = 1.0


class Workers(contextlib.AbstractContextManager["Workers"]):
    """As many workers as cores and memory allow."""

    def __init__(
        self,
        recipe: Recipe,
        max_pixels: int,
        waiting: Waiting,
        allowed: Allowed = Allowed(),  # noqa: B008 (immutable)
        most_views: int = 1,
    ) -> None:
        """Prepare to decode for a recipe's network; nothing runs yet.

        Of an image, `most_views` are decoded at most, with the image itself.
        """
        preprocessing, limits = recipe.preprocessing, Limits(pixels=max_pixels)
        self._waiting = waiting
        height, width = preprocessing.size_px
        image_bytes = most_views * height * width * 3
        self._largest_group = max(1, min(_GROUP_SIZE, _BLOCK_BYTES // image_bytes))
        block_bytes = self._largest_group * image_bytes
        # Of the blocks' pixels, and copies of those for which no block is left.
        shares = shares_of(allowed, (N_BLOCKS + _IN_HAND) * block_bytes)
        self._largest_file_bytes = shares.largest_file_bytes
        settings = {
            "preprocessing": preprocessing,
            "max_decode_s": MAX_DECODE_S,
            "limits": limits,
            "memory_bytes": shares.worker_bytes,
        }
        self._wake_at = self._wake_with = -1
        self._waking = threading.RLock()
        self._workers = [
            Worker(settings, preprocessing.size_px, self._largest_group * most_views, self._wake)
            for _ in range(shares.n_workers)
        ]
        self._faults: deque[BaseException] = deque()
        self._careful = CarefulWorker(preprocessing, limits, shares, self._note)
        self._looked_after = 0.0
        self._owner = Owner("this extraction", "Begin another one in each process")
        let_go_in_children(self)  # a copy of its sockets would keep the processes waiting

    def __enter__(self) -> Workers:
        """Open what the parts of this process wake one another with."""
        self._wake_at, self._wake_with = os.pipe()
        for handle in (self._wake_at, self._wake_with):
            os.set_blocking(handle, False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake_at, selectors.EVENT_READ)
        return self

    def __exit__(self, *exception: object) -> None:
        """Leave what was begun."""
        self._careful.close()
        for worker in self._workers:
            worker.bury(patience_s=0)  # it holds nothing that is needed, and takes long to end
        self._selector.close()
        with self._waking:  # which threads of the network may do even now
            handles, self._wake_with = (self._wake_at, self._wake_with), -1
        for handle in handles:
            os.close(handle)

    def let_go(self) -> None:
        """In a forked process: leave the workers to the parent."""
        self._waking = threading.RLock()  # a thread that is not here may hold the other
        for worker in self._workers:
            worker.let_go()
        self._careful.let_go()

    def start(self) -> None:
        """Start the processes, without waiting until they are ready."""
        for worker in self._workers:
            with contextlib.suppress(OSError):  # it is tried again, and raised, where one is needed
                self._start(worker)

    def _start(self, worker: Worker) -> None:
        if not worker.is_running:
            worker.start()
            self._selector.register(worker, selectors.EVENT_READ, worker)

    def pixels(
        self,
        files: Iterator[ImageFile],
        n_files: int,
        is_known: Callable[[ContentHash], bool] | None,
        new_views: Callable[[Sequence[HashedFile | UnreadableFile]], Sequence[Sequence[int]]],
        begin: Callable[[], object],
    ) -> Generator[Pixels]:
        """Read and hash files, and decode those that are new.

        Parameters
        ----------
        files
            Drawn from in the calling thread, a bounded number ahead.
        n_files
            How many these are.
        is_known
            Whether a content need not be decoded. Until one is not, files are read in this process
            and no worker is started. None: that is not tried.
        new_views
            Of a few files at a time, in order, which views of each are to be decoded, by number:
            none of what is known; called in that thread, too.
        begin
            Called before the first is handed to a worker: the time to `start` them all, and what
            else takes long to start.
        """
        size = max(1, min(self._largest_group, n_files // (4 * len(self._workers))))
        groups = itertools.starmap(
            Group,
            enumerate(
                groups_of(
                    size,
                    files,
                    n_bytes=_share_of_group,
                    max_bytes=_GROUP_BYTES,
                )
            ),
        )
        if is_known is None:
            begin()
            yield from self._in_order(groups, new_views)
            return
        read = partial(read_and_hash, max_bytes=self._largest_file_bytes)
        with ThreadPoolExecutor(_READERS) as readers:
            for group in groups:
                with self._waiting.waiting_for(DISK):
                    hashed = [file for file, _ in readers.map(read, group.files)]
                contents = [file.content for file in hashed if isinstance(file, HashedFile)]
                if not all(map(is_known, contents)):
                    break
                group.hashed = hashed
                group.settle(new_views(hashed))
                if group.new:  # what was known a moment ago is not any more
                    break
            else:
                return
        begin()
        groups = put_back(group, groups)
        del group  # its memory is used again
        yield from self._in_order(groups, new_views)

    def _in_order(
        self,
        groups: Iterator[Group],
        new_views: Callable[[Sequence[HashedFile | UnreadableFile]], Sequence[Sequence[int]]],
    ) -> Generator[Pixels]:
        self._owners: dict[int, Worker | CarefulWorker] = {}
        begun: deque[Group] = deque()
        unsettled: deque[Group] = deque()
        is_more = True
        while True:
            while is_more and len(begun) < _BEGUN_PER_WORKER * len(self._workers):
                worker = min(self._workers, key=lambda worker: worker.n_in_hand)
                if worker.n_in_hand >= _IN_HAND:
                    break
                group = next(groups, None)
                if group is None:
                    is_more = False
                    break
                self._hand_out(group, worker)
                begun.append(group)
                if group.new is None:
                    unsettled.append(group)
                del group  # it is held no longer than it is on its way
            while unsettled and unsettled[0].hashed is not None:
                self._settle(unsettled.popleft(), new_views)
            if begun and begun[0].pixels is not None:
                if begun[0].new:
                    yield self._done(begun.popleft())
                else:
                    self._done(begun.popleft())
                continue
            if not begun:
                return
            with self._waiting.waiting_for(
                DISK if self._owners[begun[0].number].is_reading else DECODE
            ):
                self._wait()

    def _hand_out(self, group: Group, worker: Worker) -> None:
        self._owners[group.number] = worker
        if group.new is not None:
            self._owners[group.number] = self._careful
            self._careful.decode(group)
            return
        try:
            self._start(worker)
        except OSError:  # who looks at images one by one says what is the matter
            self._owners[group.number] = self._careful
        self._owners[group.number].read(group)

    def _settle(
        self,
        group: Group,
        new_views: Callable[[Sequence[HashedFile | UnreadableFile]], Sequence[Sequence[int]]],
    ) -> None:
        group.settle(new_views(group.hashed or ()))
        self._owners[group.number].decode(group)

    def _done(self, group: Group) -> Pixels:
        del self._owners[group.number]
        assert group.pixels is not None
        return group.pixels

    def _wait(self) -> None:
        """Until something has got on, or a moment."""
        self._owner.check()
        for key, _ in self._selector.select(_LOOKED_AFTER_S):
            worker = key.data
            if worker is None:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake_at, 1 << 12)
                continue
            try:
                for group, answer in worker.receive():
                    self._take(worker, group, answer)
            except DiedError:
                self._replace(worker)
        for worker in self._workers:
            worker.decode_waiting()
        if self._faults:
            raise self._faults.popleft()
        if time.monotonic() - self._looked_after > _LOOKED_AFTER_S:
            self._looked_after = time.monotonic()
            for worker in self._workers:
                if worker.is_stuck(_PATIENCE_S):
                    self._replace(worker, patience_s=0)

    def _take(self, worker: Worker, group: Group, answer: Any) -> None:
        if answer is None:
            worker.drop(group)
            self._look_carefully_at(group)
        elif group.hashed is None:
            group.hashed = _hashed(group.files, *answer)
        elif any(reason == TOO_LITTLE_MEMORY for reason, _ in answer):
            worker.drop(group)
            self._look_carefully_at(group)
        else:
            reasons = [reason for reason, _ in answer]
            brightest = [brightest for _, brightest in answer]
            group.finish(reasons, brightest, worker.pixels(group, group.n_pictures(reasons)))

    def _replace(self, worker: Worker, patience_s: float = 2) -> None:
        """Another process for one that has died; what it had in hand is looked at one by one."""
        self._selector.unregister(worker)
        for group in worker.bury(patience_s):
            group.block = None
            self._look_carefully_at(group)

    def _look_carefully_at(self, group: Group) -> None:
        self._owners[group.number] = self._careful
        self._careful.read(group)

    def _note(self, fault: BaseException | None) -> None:
        if fault is not None:
            self._faults.append(fault)
        self._wake()

    def _wake(self) -> None:
        """From any thread: have `_wait` look again."""
        with self._waking:
            if self._wake_with >= 0:
                with contextlib.suppress(BlockingIOError):  # it is full: it will look
                    os.write(self._wake_with, b"!")


def _share_of_group(file: ImageFile) -> int:
    """Bytes of a file, or what its path takes of a command, as a part of `_GROUP_BYTES`."""
    n_letters = len(file.path) if file.path.isascii() else 4 * len(file.path)  # in UTF-8
    if file.member is not None:
        n_letters += _LETTERS_OF_MEMBER
    return max(file.n_bytes, n_letters * (_GROUP_BYTES // _COMMAND_BYTES))


def _hashed(
    files: Sequence[ImageFile], reasons: Mapping[str, str], read: str
) -> list[HashedFile | UnreadableFile]:
    """What a worker says of files; see its `read`."""
    numbered = list(enumerate(files))
    paths = absolute_paths(file.path for number, file in numbered if str(number) not in reasons)
    told = np.frombuffer(bytes.fromhex(read), FILE).tolist()
    answers = zip(paths, told, strict=True)
    hashed: list[HashedFile | UnreadableFile] = []
    for number, file in numbered:
        if reasons and (reason := reasons.get(str(number))) is not None:
            hashed.append(UnreadableFile(file.position, reason))
            continue
        path, (*stamp, content, settled) = next(answers)
        hashed.append(HashedFile(file.position, path, content, Stamp(*stamp), settled))
    return hashed
