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
from typing import TYPE_CHECKING, Any

import cv2

from ...errors import ImageRejectedError
from .decoder import Kind, Limits
from .fit import Preprocessing
from .formats import FORMATS
from .rejection import TOO_LITTLE_MEMORY
from .views import decode_views

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.connection import Connection

    import numpy as np

FILES_AT = 8
"""Where the image files begin in the file that both processes share: before them is the number of
the image that is being decoded, behind them are the pixels."""

_POSITION_BYTES = 4


def answer_questions(
    connection: Connection,
    shared: int,
    preprocessing: Sequence[Any],
    max_decode_s: float,
    formats: Sequence[str],
    limits: Sequence[int],
    memory_bytes: int,
) -> None:
    """Decode what the parent hands over until it closes the connection."""
    prepare(memory_bytes)
    (height, width), *others = preprocessing
    decode = partial(
        decode_views,
        preprocessing=Preprocessing((height, width), *others),
        formats=tuple(formats),
        limits=Limits(*limits),
    )
    while True:
        files: list[tuple[int, list[int]]] = json.loads(connection.recv_bytes())
        try:
            answer = _decode_all(shared, files, decode, max_decode_s)
        except Exception:  # noqa: BLE001 (the parent raises it)
            answer = traceback.format_exc()
        connection.send_bytes(json.dumps(answer).encode())


def prepare(memory_bytes: int) -> None:
    """Have this process decode with one thread and so much memory at most, without warnings.

    Linux holds it to that, macOS does not.
    """
    warnings.simplefilter("ignore")  # of Pillow, on metadata that is no reason to reject an image
    cv2.setNumThreads(1)
    if "AVIF" in FORMATS:  # which Pillow has from 11.3
        from PIL import AvifImagePlugin

        AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # else one per core of the machine
    with contextlib.suppress(OSError, ValueError):  # a stricter limit is set already
        most = resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, most))


def note_position(shared: int, position: int) -> None:
    """Write which image is being decoded into the shared file."""
    os.pwrite(shared, position.to_bytes(_POSITION_BYTES, "little"), 0)


def noted_position(shared: int) -> int:
    """Which image is being decoded."""
    return int.from_bytes(os.pread(shared, _POSITION_BYTES, 0), "little")


def _decode_all(
    shared: int,
    files: list[tuple[int, list[int]]],
    decode: Callable[..., tuple[Iterator[np.ndarray], Kind]],
    max_decode_s: float,
) -> list[tuple[str, Kind | None]]:
    """Decode the image files in the shared file: of each, why it is rejected, or its kind.

    `files` are the length of each, and its views by number.
    """
    at, pixels_at = FILES_AT, FILES_AT + sum(length for length, _ in files)
    answers: list[tuple[str, Kind | None]] = []
    for position, (length, views) in enumerate(files):
        note_position(shared, position)
        signal.setitimer(signal.ITIMER_PROF, max_decode_s)  # its signal ends the process
        try:
            pictures, kind = decode(os.pread(shared, length, at), views=views)
            pixels = b"".join(picture.tobytes() for picture in pictures)
        except ImageRejectedError as error:
            answers.append((str(error), None))
        except MemoryError:  # where it is read or fitted
            answers.append((TOO_LITTLE_MEMORY, None))
        else:
            pixels_at += os.pwrite(shared, pixels, pixels_at)
            answers.append(("", kind))
        at += length
    signal.setitimer(signal.ITIMER_PROF, 0)
    return answers
