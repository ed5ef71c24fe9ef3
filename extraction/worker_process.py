"""What runs in a worker: it reads and hashes image files, then decodes those that are new.

Commands and answers are JSON; the parent believes no more of an answer than it checks. Pixels go
into memory that both processes share.
"""

from __future__ import annotations

import json
import mmap
import signal
import struct
import time
import traceback
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..cache.index import Stamp, is_settled
from ..cache.keys import content_of_bytes
from ..errors import ImageRejectedError
from ..features.images.decoder import Limits, read
from ..features.images.decoder_process import prepare
from ..features.images.fit import Preprocessing
from ..features.images.views import decode_views
from ..untrusted.tar_members import MemberStatus

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.connection import Connection

PROGRESS = struct.Struct("<Q")
"""At the beginning of the shared memory: how many files have been begun, each counted twice, since
it is read and decoded."""

FILE = np.dtype(
    [(name, "<i8") for name in Stamp._fields] + [("content", "V32"), ("is_settled", "?")]
)
"""What a worker says of a file that it has read."""

PIXELS_AT = 4096
"""Where the blocks for pixels begin in it."""


def work(
    connection: Connection,
    shared: int,
    block_bytes: int,
    preprocessing: Sequence[Any],
    max_decode_s: float,
    limits: Sequence[int],
    memory_bytes: int,
) -> None:
    """Do what the parent says until it closes the connection.

    The answer is None where there was too little memory for it; of the group, nothing is held then.
    """
    prepare(memory_bytes)
    (height, width), *others = preprocessing
    worker = _Worker(
        mmap.mmap(shared, 0),
        block_bytes,
        Preprocessing((height, width), *others),
        max_decode_s,
        Limits(*limits),
    )
    while True:
        command, *arguments = json.loads(connection.recv_bytes())
        try:
            answer: Any = getattr(worker, command)(*arguments)
        except MemoryError:
            answer = None
        except Exception:  # noqa: BLE001 (the parent raises it)
            answer = traceback.format_exc()
        connection.send_bytes(json.dumps(answer).encode())


class _Worker:
    """The commands."""

    def __init__(
        self,
        memory: mmap.mmap,
        block_bytes: int,
        preprocessing: Preprocessing,
        max_decode_s: float,
        limits: Limits,
    ) -> None:
        self._memory, self._block_bytes = memory, block_bytes
        self._size_px, self._max_decode_s = preprocessing.size_px, max_decode_s
        self._decode = partial(decode_views, preprocessing=preprocessing, limits=limits)
        self._held: dict[int, list[bytes]] = {}
        self._n_begun = 0

    def read(self, group: int, paths: Sequence[str | Sequence[Any]]) -> tuple[dict[int, str], str]:
        """Read files, by paths or as the fields of a `MemberStatus`, and hold them until `decode`.

        Returns
        -------
        reasons
            Why some cannot be read, by position.
        read
            Of the others, in order, the bytes of a `FILE` in hexadecimal.
        """
        held: list[bytes] = []
        reasons: dict[int, str] = {}
        files: list[tuple[Any, ...]] = []
        for position, path in enumerate(paths):
            self._begin()
            looked_at_ns = time.time_ns()
            try:
                data, status = read(path if isinstance(path, str) else MemberStatus(*path))
            except ImageRejectedError as error:
                held.append(b"")
                reasons[position] = str(error)
            else:
                held.append(data)
                stamp = Stamp.of(status)
                files.append((*stamp, content_of_bytes(data), is_settled(stamp, looked_at_ns)))
        self._held[group] = held
        return reasons, np.array(files, FILE).tobytes().hex()

    def decode(
        self, group: int, new: Sequence[tuple[int, Sequence[int]]], block: int
    ) -> list[list[Any]]:
        """Decode views of some files of a group into a block; the other files are dropped.

        Of each file: why it is rejected, or an empty text; and the greatest value of a picture of
        16 bits per channel, or None.
        """
        held = self._held.pop(group)
        height, width = self._size_px
        pixels = np.frombuffer(
            self._memory,
            np.uint8,
            sum(len(views) for _, views in new) * height * width * 3,
            PIXELS_AT + block * self._block_bytes,
        ).reshape(-1, height, width, 3)
        answers: list[list[Any]] = []
        n_decoded = 0
        for position, views in new:
            self._begin()
            signal.setitimer(signal.ITIMER_PROF, self._max_decode_s)  # its signal ends the process
            try:
                decoded, kind = self._decode(held[position], views=views)
            except ImageRejectedError as error:
                answers.append([str(error), None])
            else:
                for picture in decoded:
                    pixels[n_decoded] = picture
                    n_decoded += 1
                answers.append(["", kind.brightest])
        signal.setitimer(signal.ITIMER_PROF, 0)
        return answers

    def _begin(self) -> None:
        self._n_begun += 1
        PROGRESS.pack_into(self._memory, 0, self._n_begun)
