"""Thumbnails kept in a cache: sheets of many, each known by the images that are on it.

A sheet is one file, which appears whole or not at all: the SHA-256 of what follows, its images'
hashes, the sizes of their thumbnails, and a picture. Losing one costs time: the images are decoded
again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..atomic_file import write_bytes
from ..untrusted.files import is_unlinked, read_bounded
from .keys import HASH_BYTES, content_of_bytes

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from .keys import ContentHash

FOLDER = "thumbnails"
_BEGINS = b"bottlebank sheet 4\n"
_COUNT_BYTES = 4
_MOST_IMAGES = 1 << 16
_MAX_BYTES = 1 << 24
"""Several times what any sheet of 1024 × 1024 px takes."""
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
        if not self._is_own_folder():
            return None
        try:
            found = _read(path)
        except OSError:
            return None
        if found is None or found[0] != list(contents):
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # used last
        return found[1]

    def keep(self, about: bytes, contents: Sequence[ContentHash], sheet: Sheet) -> None:
        """Keep a sheet for the next time."""
        path = self._path(about, contents)
        with contextlib.suppress(OSError):  # a read-only cache works
            path.parent.mkdir(exist_ok=True)
            if self._is_own_folder():
                count = len(contents).to_bytes(_COUNT_BYTES, "little")
                rest = b"".join([count, *contents, sheet.sizes.tobytes(), sheet.picture])
                write_bytes(path, _BEGINS + content_of_bytes(rest) + rest)

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

    def useless(self, contents: Container[ContentHash]) -> Iterator[Path]:
        """Sheets that can serve no more: damaged, or with an image that is not in `contents`."""
        for path in self._paths():
            try:
                found = _read(path)
            except FileNotFoundError:
                continue
            except OSError:
                found = None
            if found is None or not all(content in contents for content in found[0]):
                yield path

    def _path(self, about: bytes, contents: Sequence[ContentHash]) -> Path:
        name = hashlib.sha256(_BEGINS + about + b"\0" + b"".join(contents)).hexdigest()
        return self._folder / f"{name}.sheet"

    def _paths(self) -> list[Path]:
        return sorted(self._folder.glob("*.sheet")) if self._is_own_folder() else []

    def _is_own_folder(self) -> bool:
        """Whether the folder is there, and no link to one in which other files may lie."""
        return is_unlinked(self._folder, stat.S_IFDIR)


def _read(path: Path) -> tuple[list[ContentHash], Sheet] | None:
    """The images of a sheet, and the sheet; None where it is damaged, or of another version."""
    try:
        data = read_bounded(path, _MAX_BYTES)
    except ValueError:  # too large, or of holes
        return None
    start = len(_BEGINS) + HASH_BYTES
    rest = data[start:]
    if data[:start] != _BEGINS + content_of_bytes(rest):
        return None
    n_images = int.from_bytes(rest[:_COUNT_BYTES], "little")
    sizes_start = _COUNT_BYTES + HASH_BYTES * n_images
    picture_start = sizes_start + 2 * n_images
    if not 0 < n_images <= _MOST_IMAGES or picture_start >= len(rest):
        return None
    hashes = range(_COUNT_BYTES, sizes_start, HASH_BYTES)
    contents = [rest[at : at + HASH_BYTES] for at in hashes]
    sizes = np.frombuffer(rest[sizes_start:picture_start], np.uint8).reshape(-1, 2)
    return contents, Sheet(rest[picture_start:], sizes)
