"""Thumbnails kept in a cache: sheets of many, each known by the images that are on it.

A sheet is one file, which appears whole or not at all: its images' hashes, the sizes of their
thumbnails, and a picture. Losing one costs time: the images are decoded again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..atomic_file import remove_whole, write_bytes
from ..errors import CacheError
from ..untrusted.files import open_regular
from .keys import HASH_BYTES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from .keys import ContentHash

FOLDER = "thumbnails"
_BEGINS = b"bottlebank sheet 3\n"
_COUNT_BYTES = 4
_MOST_IMAGES = 1 << 16
_WEBP_HEADER_BYTES = 12
_KEPT_BYTES = 1 << 29


class Sheet(NamedTuple):
    """Thumbnails of some images, in one picture."""

    picture: bytes
    """A WebP file."""
    sizes: NDArray[np.uint8]
    """uint8, (n, 2): width and height of each thumbnail in pixels."""


class Sheets:
    """The sheets of a cache folder."""

    def __init__(self, root: Path) -> None:
        self._folder = root / FOLDER

    def find(self, about: bytes, contents: Sequence[ContentHash]) -> Sheet | None:
        """The sheet of these images, in this order; None where there is none, or it is damaged.

        Parameters
        ----------
        about
            How it is made.
        contents
            Hashes of the images.
        """
        path = self._path(about, contents)
        try:
            with open_regular(path) as file:
                data = file.read()
        except OSError:
            return None
        head = _head(contents)
        sizes_end = len(head) + 2 * len(contents)
        picture = data[sizes_end:]
        if not data.startswith(head) or not _is_whole(picture, len(picture)):
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # used last
        sizes = np.frombuffer(data[len(head) : sizes_end], np.uint8).reshape(-1, 2)
        return Sheet(picture, sizes)

    def keep(self, about: bytes, contents: Sequence[ContentHash], sheet: Sheet) -> None:
        """Keep a sheet for the next time."""
        path = self._path(about, contents)
        with contextlib.suppress(OSError):  # a read-only cache works
            path.parent.mkdir(exist_ok=True)
            write_bytes(path, _head(contents) + sheet.sizes.tobytes() + sheet.picture)

    def make_room(self) -> None:
        """Remove the sheets that were used longest ago, beyond what is kept."""
        with contextlib.suppress(OSError):  # another process removes them too
            found = [(path.stat(), path) for path in self._paths()]
            found.sort(key=lambda each: each[0].st_mtime_ns, reverse=True)
            total = 0
            for status, path in found:
                total += status.st_size
                if total > _KEPT_BYTES:
                    path.unlink(missing_ok=True)

    def count(self) -> tuple[int, int]:
        """How many sheets there are, sound or not, and their bytes."""
        n_sheets = n_bytes = 0
        for path in self._paths():
            with contextlib.suppress(OSError):  # another process has removed it
                n_bytes += path.stat().st_size
                n_sheets += 1
        return n_sheets, n_bytes

    def useless(self, contents: Collection[ContentHash]) -> Iterator[Path]:
        """Sheets that can serve no more: damaged, or with an image that is not in `contents`."""
        for path in self._paths():
            try:
                found = _images_of(path)
            except FileNotFoundError:
                continue
            except OSError:
                found = None
            if found is None or not all(content in contents for content in found):
                yield path

    def remove(self, paths: Iterable[Path]) -> None:
        """Remove sheets.

        Raises
        ------
        CacheError
            When one cannot be removed.
        """
        for path in paths:
            try:
                remove_whole(path)
            except OSError as error:
                raise CacheError(f"{path} cannot be removed: {error.strerror}") from error

    def _path(self, about: bytes, contents: Sequence[ContentHash]) -> Path:
        name = hashlib.sha256(_BEGINS + about + b"\0" + b"".join(contents)).hexdigest()
        return self._folder / f"{name}.sheet"

    def _paths(self) -> list[Path]:
        return sorted(self._folder.glob("*.sheet"))


def _head(contents: Sequence[ContentHash]) -> bytes:
    """What a sheet of these images begins with."""
    return _BEGINS + len(contents).to_bytes(_COUNT_BYTES, "little") + b"".join(contents)


def _images_of(path: Path) -> list[ContentHash] | None:
    """Hashes of the images of a sheet; None where it is damaged, or of another version."""
    with open_regular(path) as file:
        if file.read(len(_BEGINS)) != _BEGINS:
            return None
        n_images = int.from_bytes(file.read(_COUNT_BYTES), "little")
        if n_images > _MOST_IMAGES:
            return None
        hashes = file.read(HASH_BYTES * n_images)
        file.seek(2 * n_images, os.SEEK_CUR)
        start = file.tell()
        picture = file.read(_WEBP_HEADER_BYTES)
        n_bytes = file.seek(0, os.SEEK_END) - start
    if len(hashes) != HASH_BYTES * n_images or not _is_whole(picture, n_bytes):
        return None
    return [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]


def _is_whole(picture: bytes, n_bytes: int) -> bool:
    """Whether a WebP file that begins so has as many bytes as it says."""
    says = int.from_bytes(picture[4:8], "little") + 8
    return picture[:4] == b"RIFF" and picture[8:12] == b"WEBP" and says == n_bytes
