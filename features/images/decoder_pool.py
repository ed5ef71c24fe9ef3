"""Decoding in processes of its own, so that a decoder that crashes costs one image, not the job.

An `except` cannot catch a segmentation fault in a C library, nor the kernel's out-of-memory killer.
So each process notes which image it has begun, and when it dies, that one is known.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import queue
import signal
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...errors import EngineError, ImageRejectedError
from ...fork_safety import Owner, let_go_in_children, not_while_forking
from ...untrusted.child import start_child
from .decoder import FORMATS, Kind, Limits
from .decoder_process import FILES_AT, answer_questions, note_position, noted_position
from .decoding_shares import MOST_BYTES
from .fit import Preprocessing
from .rejection import CRASHES, KILLED, SILENT, TOO_LITTLE_MEMORY, TOO_SLOW
from .views import decode_views

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from multiprocessing.connection import Connection

MAX_DECODE_S = 30
"""Processor time that one image may take."""

PATIENCE_S = 10
"""Time by the clock that an image may take, beside three times its processor time."""

SHARED_BYTES = 16 << 20
"""That each process shares with its parent; it may be more while it decodes what is larger."""

# A bitmap of one pixel: what every decoder that works at all can decode.
_KNOWN_GOOD = (
    b"BM:\0\0\0\0\0\0\0006\0\0\0(\0\0\0\1\0\0\0\1\0\0\0\1\0\x18\0\0\0\0\0\4\0\0\0"
    b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x40\x80\xc0\0"
)


_ITSELF = [(0,)]
"""The views of an image where none are named."""


class Decoded(NamedTuple):
    """What became of image files."""

    reasons: list[str]
    """Why each is rejected; empty where it is not."""
    pixels: np.ndarray
    """The views of those that are not: uint8, (n, height, width, 3), RGB, 0 to 255."""
    kinds: list[Kind | None]
    """Format and colour mode of each; None where it is rejected."""


def decode_here(
    files: Sequence[bytes],
    preprocessing: Preprocessing,
    limits: Limits = Limits(),  # noqa: B008 (immutable)
    *,
    views: Sequence[Sequence[int]] | None = None,
) -> Decoded:
    """Do what `DecoderPool.decode` does, in this process: for files that its user chose."""
    pixels: list[np.ndarray] = []
    reasons: list[str] = []
    kinds: list[Kind | None] = []
    for file, numbers in zip(files, views or _ITSELF * len(files), strict=True):
        try:
            pictures, kind = decode_views(file, preprocessing, numbers, limits=limits)
        except ImageRejectedError as error:
            reasons.append(str(error))
            kinds.append(None)
        else:
            pixels += pictures
            reasons.append("")
            kinds.append(kind)
    empty = np.empty((0, *preprocessing.size_px, 3), np.uint8)
    return Decoded(reasons, np.stack(pixels) if pixels else empty, kinds)


class DecoderPool(contextlib.AbstractContextManager["DecoderPool"]):
    """A few processes that turn image files into an extractor's input. Safe to call from threads.

    They start when they are needed, or with `start`, ignore Ctrl-C, and end with the process that
    started them.
    """

    def __init__(
        self,
        preprocessing: Preprocessing,
        n_processes: int,
        max_decode_s: float = MAX_DECODE_S,
        *,
        formats: Sequence[str] = FORMATS,
        limits: Limits = Limits(),  # noqa: B008 (immutable)
        memory_bytes: int = MOST_BYTES,
        large_bytes: int = 0,
    ) -> None:
        """Prepare; `formats` and `limits` are those of `decoder.decode`.

        Each process may ask for `memory_bytes`. Where `large_bytes` is more, one further process
        may ask for that, and tries again what was too large for the others.
        """
        settings = {
            "preprocessing": preprocessing,
            "max_decode_s": max_decode_s,
            "formats": tuple(formats),
            "limits": limits,
            "memory_bytes": memory_bytes,
        }
        size_px = preprocessing.size_px
        self._decoders = [_Decoder(size_px, max_decode_s, settings) for _ in range(n_processes)]
        self._for_large: DecoderPool | None = None
        if large_bytes > memory_bytes:
            self._for_large = DecoderPool(
                preprocessing,
                1,
                max_decode_s,
                formats=formats,
                limits=limits,
                memory_bytes=large_bytes,
            )
        self._owner = Owner("the decoder", "Make one in each process")
        let_go_in_children(self)  # a copy of its sockets would keep the processes waiting
        # The one that was busy last is asked first, so that no more are started than are needed.
        self._idle: queue.LifoQueue[_Decoder] = queue.LifoQueue()
        for decoder in self._decoders:
            self._idle.put(decoder)

    def start(self) -> None:
        """Start all processes, without waiting until they are ready."""
        self._owner.check()
        for decoder in self._decoders:
            with contextlib.suppress(OSError):  # `decode` tries again, and raises it
                decoder.start()

    def decode(
        self,
        files: Sequence[bytes],
        timeout_s: float | None = None,
        *,
        views: Sequence[Sequence[int]] | None = None,
    ) -> Decoded:
        """Decode image files in one process and fit them to the extractor's input.

        An image is also rejected when decoding it takes too long, or kills its process twice.

        Parameters
        ----------
        files
            The bytes of each; a few at a time, since the answer comes for all of them at once.
        timeout_s
            Seconds to wait for a process that is free; None: for as long as it takes.
        views
            Numbers of the views of each file; None: the images themselves.

        Raises
        ------
        EngineError
            When no decoder runs at all.
        TimeoutError
            When none became free in time.
        OtherProcessError
            In a process that was forked since.
        """
        self._owner.check()
        try:
            decoder = self._idle.get(timeout=timeout_s)
        except queue.Empty:
            raise TimeoutError(f"no decoder became free within {timeout_s} s") from None
        try:
            decoded = decoder.decode(files, views or _ITSELF * len(files))
        finally:
            self._idle.put(decoder)
        if self._for_large is not None and TOO_LITTLE_MEMORY in decoded.reasons:
            return self._for_large.decode(files, timeout_s, views=views)
        return decoded

    def abort(self) -> None:
        """From any thread: have calls of `decode` fail now, those that have begun as well."""
        for decoder in self._decoders:
            decoder.abort()
        if self._for_large is not None:
            self._for_large.abort()

    def close(self) -> None:
        """End all processes."""
        for decoder in self._decoders:
            decoder.hang_up()
        for decoder in self._decoders:
            decoder.close()
        if self._for_large is not None:
            self._for_large.close()

    def let_go(self) -> None:
        """In a forked process: leave the processes to the parent."""
        for decoder in self._decoders:
            decoder.let_go()

    def __exit__(self, *exception: object) -> None:
        self.close()


class _DiedError(Exception):
    """Signal: a process ended instead of answering."""

    def __init__(self, exit_code: int, at: int, silent_s: float | None = None) -> None:
        self.exit_code = exit_code
        self.at = at
        """Which of the images it had begun."""
        if silent_s is not None:
            how = f"did not answer within {silent_s:g} {SILENT}"
        elif exit_code == -signal.SIGKILL:
            how = KILLED
        elif exit_code < 0:
            how = f"was killed by {signal.Signals(-exit_code).name}"
        else:
            how = f"ended with exit code {exit_code}"
        super().__init__(f"its process {how}")


class _Decoder:
    """One process, started again when it has died.

    Image files and pixels are handed over in an unnamed file, in memory where the platform has
    such; messages say whose turn it is to read and write it.
    """

    def __init__(
        self, size_px: tuple[int, int], max_decode_s: float, settings: Mapping[str, Any]
    ) -> None:
        """Prepare to start; `settings` are the arguments of `answer_questions`."""
        self._size_px = size_px
        self._max_decode_s = max_decode_s
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._shared: io.RawIOBase | None = None
        self._is_over = False

    def decode(self, files: Sequence[bytes], views: Sequence[Sequence[int]]) -> Decoded:
        """See `DecoderPool.decode`."""
        reasons = [""] * len(files)
        kinds: list[Kind | None] = [None] * len(files)
        left = list(range(len(files)))
        acquitted: set[int] = set()
        while left:
            try:
                answer = self._ask([(files[position], views[position]) for position in left])
            except _DiedError as death:
                position = left[death.at]
                reason = self._blame(files[position], views[position], death)
                if reason is None and position not in acquitted:
                    acquitted.add(position)
                    continue
                left.remove(position)
                reasons[position] = reason or f"{CRASHES}: {death}"
            else:
                for position, reason, kind in zip(left, answer.reasons, answer.kinds, strict=True):
                    reasons[position], kinds[position] = reason, kind
                return Decoded(reasons, answer.pixels, kinds)
        return Decoded(reasons, np.empty((0, *self._size_px, 3), np.uint8), kinds)

    def _blame(self, file: bytes, views: Sequence[int], death: _DiedError) -> str | None:
        """Why an image is rejected at which a process died; None where it does no harm alone."""
        if death.exit_code == -signal.SIGPROF:
            return f"{TOO_SLOW} {self._max_decode_s} s"
        # The kernel may have chosen this process when another one wanted memory.
        try:
            self._ask([(file, views)])
        except _DiedError as again:
            try:
                self._ask([(_KNOWN_GOOD, (0,))])
            except _DiedError:
                raise EngineError(f"images cannot be decoded on this machine: {again}") from None
            return f"{CRASHES}: {again}"
        return None

    def _ask(self, files: Sequence[tuple[bytes, Sequence[int]]]) -> Decoded:
        file_of_both = self._shared_file()
        shared = file_of_both.fileno()
        note_position(shared, 0)
        at = FILES_AT
        for file, _ in files:
            at += os.pwrite(shared, file, at)
        try:
            connection = self._connection or self.start()
            asked = [(len(file), list(views)) for file, views in files]
            connection.send_bytes(json.dumps(asked).encode())
            self._wait_for(connection, shared, len(files))
            answer: Any = json.loads(connection.recv_bytes())
        except (EOFError, OSError) as error:
            position = min(noted_position(shared), len(files) - 1)
            raise _DiedError(self._bury(), position) from error
        except BaseException:  # such as Ctrl-C: the answer to come must not be taken for another's
            self._bury()
            raise
        if isinstance(answer, str):
            raise EngineError(f"the decoder failed, which is a mistake in bottlebank:\n{answer}")
        reasons = [reason for reason, _ in answer]
        kinds = [None if kind is None else Kind(*kind) for _, kind in answer]
        answered = zip(files, reasons, strict=True)
        n_pictures = sum(len(views) for (_, views), reason in answered if not reason)
        pixels = np.empty((n_pictures, *self._size_px, 3), np.uint8)
        if pixels.size:
            file_of_both.seek(at)  # the child does not use the offset, which it shares
            file_of_both.readinto(pixels.data.cast("B"))
        if at + pixels.nbytes > SHARED_BYTES:
            os.truncate(shared, 0)
        return Decoded(reasons, pixels, kinds)

    def _wait_for(self, connection: Connection, shared: int, n_files: int) -> None:
        """Wait for the answer; end a process that stays at one image for too long by the clock.

        It may be stopped, or wait for something, which takes no processor time.
        """
        patience_s = 3 * self._max_decode_s + PATIENCE_S
        at, until = -1, 0.0
        while True:
            before, at = at, noted_position(shared)
            if at != before:
                until = time.monotonic() + patience_s
            left_s = until - time.monotonic()
            if left_s <= 0:
                raise _DiedError(self._bury(0), min(at, n_files - 1), patience_s)
            if connection.poll(min(left_s, 1.0 if n_files > 1 else left_s)):
                return

    def _shared_file(self) -> io.RawIOBase:
        if self._shared is None:
            if hasattr(os, "memfd_create"):
                handle = os.memfd_create("bottlebank")
                self._shared = open(handle, "r+b", buffering=0)  # noqa: SIM115, PTH123 (see `close`)
            else:
                self._shared = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (see `close`)
        return self._shared

    def start(self) -> Connection:
        """Start the process, without waiting until it is ready."""
        with not_while_forking:
            shared = self._shared_file().fileno()
            self._process, self._connection = start_child(
                answer_questions, {"shared": shared, **self._settings}, descriptors=[shared]
            )
            connection = self._connection
        if self._is_over:
            self._bury(0)
            raise EngineError("the decoder is closed")
        return connection

    def abort(self) -> None:
        """See `DecoderPool.abort`."""
        self._is_over = True
        if (process := self._process) is not None:
            process.kill()

    def hang_up(self) -> None:
        """Have the process end when it has done what it is at."""
        if self._connection is not None:
            self._connection.close()

    def _bury(self, patience_s: float = 2) -> int:
        """End the process, if it runs; its exit code."""
        self.hang_up()
        process, self._process, self._connection = self._process, None, None
        if process is None:
            return 0
        try:
            return process.wait(timeout=patience_s)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def close(self) -> None:
        """End the process and free the memory."""
        self._bury()
        if self._shared is not None:
            self._shared.close()
            self._shared = None

    def let_go(self) -> None:
        """See `DecoderPool.let_go`."""
        if self._process is not None:
            self._process.returncode = 0  # not this process's child: there is nothing to wait for
            self._process = None
        self.close()
