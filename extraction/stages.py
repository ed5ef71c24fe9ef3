"""What happens to an image file on its way to becoming a row: found, read, decoded, computed.

Each stage is a function of a few images at a time; `job` says which threads call it.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..cache import Key, content_of_bytes, is_settled
from ..errors import ImageRejectedError
from ..features.images.decoder import read

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..features import Extractor
    from ..features.images.decoder_pool import DecoderPool


class Place(NamedTuple):
    """An image file that is to be read."""

    position: int
    """In the dataset."""
    path: str
    n_bytes: int
    """As far as is known; how much is read ahead depends on it."""


class Content(NamedTuple):
    """The bytes of an image file."""

    position: int
    path: str
    data: bytes
    status: os.stat_result
    is_settled: bool
    """Whether every later change of the file shows in its status."""
    key: Key


class Unreadable(NamedTuple):
    """An image file that cannot be read; its content is not known."""

    position: int
    reason: str


class Images(NamedTuple):
    """A few images that are new to the cache."""

    keys: list[Key]
    paths: list[bytes]
    reasons: list[str]
    """Why an image is rejected; empty where it is not."""
    values: np.ndarray
    """Of those that are not: pixels, uint8 (n, height, width, 3), or transfer values, float32
    (n, width)."""
    brightest: list[int] = []  # noqa: RUF012 (never changed)
    """The greatest value of each that has 16 bits per channel."""


def find(position: int, path: str) -> Place:
    """Where an image file is, and how large."""
    with contextlib.suppress(OSError, ValueError):  # reading it will tell the reason
        return Place(position, path, os.stat(path).st_size)  # noqa: PTH116
    return Place(position, path, 0)


def read_files(places: Sequence[Place]) -> list[Content | Unreadable]:
    """Read and hash."""
    contents: list[Content | Unreadable] = []
    for position, path, _ in places:
        looked_at_ns = time.time_ns()
        try:
            data, status = read(path)
        except ImageRejectedError as error:
            contents.append(Unreadable(position, str(error)))
        else:
            settled = is_settled(status, looked_at_ns)
            key = Key(content_of_bytes(data))
            contents.append(Content(position, path, data, status, settled, key))
    return contents


def decode(contents: Sequence[Content], decoders: DecoderPool) -> Images:
    """Turn contents into pixels of the network's input."""
    decoded = decoders.decode([content.data for content in contents])
    paths = [os.fsencode(os.path.abspath(content.path)) for content in contents]  # noqa: PTH100
    keys = [content.key for content in contents]
    brightest = [kind.brightest for kind in decoded.kinds if kind and kind.brightest is not None]
    return Images(keys, paths, decoded.reasons, decoded.pixels, brightest)


def compute(groups: Sequence[Images], extractor: Extractor) -> Images:
    """Turn pixels into transfer values, all groups in one call."""
    keys, paths, reasons, pixels, _ = zip(*groups, strict=True)
    together = pixels[0] if len(pixels) == 1 else np.concatenate(pixels)
    chain = itertools.chain.from_iterable
    features = extractor.transfer_values(together)
    return Images(list(chain(keys)), list(chain(paths)), list(chain(reasons)), features)
