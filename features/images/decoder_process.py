"""What runs in a decoder process: it takes image files, and hands back pixels or reasons."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import traceback
import warnings
from functools import partial
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

import cv2

from ...errors import ImageRejectedError
from .decoder import (
    TOO_LITTLE_MEMORY,
    Kind,
    Limits,
    Picture,
)
from .fit import decode_and_resize_picture

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAX_MEMORY_BYTES = 4 << 30
"""Memory that a process may ask for."""

FILES_AT = 8
"""Where the image files begin in the file that both processes share: before them is the number of
the image that is being decoded, behind them are the pixels."""


def answer_questions(
    handle: int,
    shared: int,
    size_px: Sequence[int],
    how: str,
    max_decode_s: float,
    formats: Sequence[str],
    limits: Sequence[int],
    grey16: str,
) -> None:
    """Decode what the parent hands over until it closes the socket `handle`."""
    warnings.simplefilter("ignore")  # of Pillow, on metadata that is no reason to reject an image
    height, width = size_px
    decode = partial(
        decode_and_resize_picture,
        size_px=(height, width),
        how=how,
        formats=tuple(formats),
        limits=Limits(*limits),
        grey16=grey16,
    )
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    for limit, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_DATA, MAX_MEMORY_BYTES),
    ):
        with contextlib.suppress(OSError, ValueError):  # a stricter limit is set already
            resource.setrlimit(limit, (value, resource.getrlimit(limit)[1]))
    # The parent may be gone at any time: then there is nobody to tell.
    with contextlib.suppress(EOFError, OSError), Connection(handle) as connection:
        while True:
            lengths: list[int] = json.loads(connection.recv_bytes())
            try:
                answer = _decode_all(shared, lengths, decode, max_decode_s)
            except Exception:  # noqa: BLE001 (told to the parent, which raises it)
                answer = traceback.format_exc()
            connection.send_bytes(json.dumps(answer).encode())


def _decode_all(
    shared: int,
    lengths: list[int],
    decode: Callable[[bytes], Picture],
    max_decode_s: float,
) -> list[tuple[str, Kind | None]]:
    """Decode the image files in the shared file: of each, why it is rejected, or its kind."""
    at, pixels_at = FILES_AT, FILES_AT + sum(lengths)
    answers: list[tuple[str, Kind | None]] = []
    for position, length in enumerate(lengths):
        os.pwrite(shared, bytes([position]), 0)
        signal.setitimer(signal.ITIMER_PROF, max_decode_s)  # its signal ends the process
        try:
            picture = decode(os.pread(shared, length, at))
        except ImageRejectedError as error:
            answers.append((str(error), None))
        except MemoryError:  # where it is read or fitted
            answers.append((TOO_LITTLE_MEMORY, None))
        else:
            pixels_at += os.pwrite(shared, picture.pixels.data.cast("B"), pixels_at)
            answers.append(("", picture.kind))
        at += length
    signal.setitimer(signal.ITIMER_PROF, 0)
    return answers
