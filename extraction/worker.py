"""A process that reads, hashes and decodes image files, as the parent sees it."""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import subprocess
import tempfile
import time
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import EngineError
from ..fork_safety import not_while_forking
from ..untrusted.child import start_child
from .worker_process import PIXELS_AT, PROGRESS, work

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from multiprocessing.connection import Connection

    from .groups import Group

N_BLOCKS = 4
_LENGTH_BYTES = 4
_READ_BYTES = 1 << 18


class DiedError(Exception):
    """Signal: the process has ended, or does not answer any more."""


class Worker:
    """One process, and the groups that it has in hand.

    It does what it is told in the order in which it is told, and answers in that order.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        size_px: tuple[int, int],
        n_pictures: int,
        wake: Callable[[], None],
    ) -> None:
        """Prepare to start.

        A block takes `n_pictures`; `wake` is called, in any thread, when one is free again.
        """
        self._settings, self._size_px, self._wake = settings, size_px, wake
        self._block_bytes = n_pictures * size_px[0] * size_px[1] * 3
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._asked: deque[Group] = deque()
        self._to_decode: deque[Group] = deque()
        self._forget()

    def _forget(self) -> None:
        self._memory: mmap.mmap | None = None
        self._free: deque[int] = deque(range(N_BLOCKS))
        self._received = bytearray()
        self._n_begun, self._since = -1, 0.0
        self._asked.clear()
        self._to_decode.clear()
        self._in_hand: dict[int, Group] = {}

    @property
    def n_in_hand(self) -> int:
        """Groups that have been handed to it and are not decoded."""
        return len(self._in_hand)

    @property
    def is_running(self) -> bool:
        """Whether it has been started, and not buried since."""
        return self._connection is not None

    @property
    def is_reading(self) -> bool:
        """Whether what it is at is to read files, not to decode them."""
        return bool(self._asked) and self._asked[0].block is None

    def fileno(self) -> int:
        """For selectors; it is readable when there is an answer."""
        assert self._connection is not None
        return self._connection.fileno()

    def start(self) -> None:
        """Start the process, without waiting until it is ready."""
        with not_while_forking, _shared_file(PIXELS_AT + N_BLOCKS * self._block_bytes) as handle:
            self._memory = mmap.mmap(handle, 0)
            self._process, self._connection = start_child(
                work,
                {"shared": handle, "block_bytes": self._block_bytes, **self._settings},
                descriptors=[handle],
            )

    def read(self, group: Group) -> None:
        """Have the files of a group read and hashed."""
        self._in_hand[group.number] = group
        self._ask(group, "read", group.number, [file.member or file.path for file in group.files])

    def decode(self, group: Group) -> None:
        """Have the new files of a group decoded, as soon as a block is free."""
        self._to_decode.append(group)
        self.decode_waiting()

    def decode_waiting(self) -> None:
        """Begin with groups that wait for a block."""
        while self._to_decode and self._free:
            group = self._to_decode.popleft()
            group.block = self._free.popleft()
            new = list((group.new or {}).items())
            self._ask(group, "decode", group.number, new, group.block)

    def _ask(self, group: Group, *command: Any) -> None:
        self._asked.append(group)
        assert self._connection is not None
        if len(self._asked) == 1:
            self._since = time.monotonic()
        # Where the process is gone, its answer will be missed.
        with contextlib.suppress(OSError):
            text = json.dumps(command, ensure_ascii=False)
            self._connection.send_bytes(text.encode("utf-8", "surrogatepass"))

    def receive(self) -> list[tuple[Group, Any]]:
        """The answers that are there, each with its group.

        Raises
        ------
        DiedError
            When the process has ended.
        EngineError
            When it failed, by a mistake in bottlebank.
        """
        try:
            data = os.read(self.fileno(), _READ_BYTES)
        except OSError:
            data = b""
        if not data:
            raise DiedError
        self._received += data
        answers: list[tuple[Group, Any]] = []
        while len(self._received) >= _LENGTH_BYTES:
            end = _LENGTH_BYTES + int.from_bytes(self._received[:_LENGTH_BYTES], "big")
            if len(self._received) < end:
                break
            answer = json.loads(self._received[_LENGTH_BYTES:end])
            del self._received[:end]
            if isinstance(answer, str):
                raise EngineError(f"a worker failed, which is a mistake in bottlebank:\n{answer}")
            group = self._asked.popleft()
            if group.block is not None or answer is None:
                del self._in_hand[group.number]
            answers.append((group, answer))
            self._since = time.monotonic()
        return answers

    def drop(self, group: Group) -> None:
        """Have the block of a group used again, of which nothing is taken."""
        if group.block is not None:
            self._free.append(group.block)
            group.block = None

    def pixels(self, group: Group, n: int) -> np.ndarray:
        """The first `n` pictures in a group's block, uint8, (n, height, width, 3).

        The block is used again when nobody holds any part of them. The last block is not given
        away: its images are copied, so that the worker never waits for who holds the others.
        """
        assert self._memory is not None and group.block is not None
        height, width = self._size_px
        block = group.block
        flat = np.frombuffer(
            self._memory,
            np.uint8,
            n * height * width * 3,
            PIXELS_AT + block * self._block_bytes,
        )
        if not self._free:
            self._free.append(block)
            return flat.reshape(n, height, width, 3).copy()
        # It does not own its memory and is the first that is an array: all views keep it alive.
        weakref.finalize(flat, self._release, self._free, block).atexit = False
        return flat.reshape(n, height, width, 3)

    def _release(self, free: deque[int], block: int) -> None:
        free.append(block)
        self._wake()

    def is_stuck(self, patience_s: float) -> bool:
        """Whether it has been at one file for too long by the clock."""
        if not self._asked or self._memory is None:
            return False
        (n_begun,) = PROGRESS.unpack_from(self._memory, 0)
        if n_begun != self._n_begun:
            self._n_begun, self._since = n_begun, time.monotonic()
        return time.monotonic() - self._since > patience_s

    def bury(self, patience_s: float = 2) -> list[Group]:
        """End the process, if it runs; the groups that it had in hand."""
        groups = list(self._in_hand.values())
        if self._connection is not None:
            self._connection.close()
        process, self._process, self._connection = self._process, None, None
        self._forget()
        if process is not None:
            try:
                process.wait(timeout=patience_s)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        return groups

    def hang_up(self) -> None:
        """Have the process end when it has done what it is at."""
        if self._connection is not None:
            self._connection.close()

    def let_go(self) -> None:
        """In a forked process: leave the process to the parent."""
        if self._process is not None:
            self._process.returncode = 0  # not this process's child: there is nothing to wait for
            self._process = None
        self.hang_up()


@contextlib.contextmanager
def _shared_file(n_bytes: int):
    """A descriptor of unnamed memory, which both processes map; else of an unnamed file."""
    if hasattr(os, "memfd_create"):
        handle = os.memfd_create("bottlebank")
    else:
        with tempfile.TemporaryFile(buffering=0) as file:
            handle = os.dup(file.fileno())
    try:
        os.ftruncate(handle, n_bytes)
        yield handle
    finally:
        os.close(handle)
