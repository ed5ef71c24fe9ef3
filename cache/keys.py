"""The key of a row: the content of an image file, and which view of the image the row is of.

A file is known by its content alone, wherever it lies and whatever it is called.
"""

from __future__ import annotations

import hashlib
import re
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

ContentHash: TypeAlias = bytes
"""32 bytes: the SHA-256 of a file."""

HASH_BYTES = 32
_VIEW_BYTES = 4
_TEXT = re.compile(r"([0-9a-f]{64})(?::([1-9][0-9]{0,9}))?")


def content_of_bytes(data: bytes) -> ContentHash:
    """SHA-256 of the bytes of a file."""
    return hashlib.sha256(data).digest()


class Key(NamedTuple):
    """What a row is of. Its text is the hash in hexadecimal; with ``:view`` where that is not 0."""

    content: ContentHash
    view: int = 0
    """0: the image itself."""

    def __str__(self) -> str:
        return f"{self.content.hex()}:{self.view}" if self.view else self.content.hex()

    @classmethod
    def parse(cls, text: str) -> Key:
        """Read what `str` of a key gives.

        Raises
        ------
        ValueError
            When it is anything else.
        """
        match = _TEXT.fullmatch(text)
        view = int(match[2] or 0) if match else -1
        if match is None or view >= 1 << 8 * _VIEW_BYTES:
            raise ValueError(
                f"{text[:100]!r} is not a key: expected 64 hexadecimal digits, with :VIEW behind "
                f"them where it is not of the image itself"
            )
        return cls(bytes.fromhex(match[1]), view)


content_of, view_of = itemgetter(0), itemgetter(1)
"""Fields of a key; faster than their names where there are many keys."""


class KeyArray(NamedTuple):
    """Many keys, in two arrays."""

    contents: NDArray[np.uint8]
    """uint8, (n, 32)."""
    views: NDArray[np.uint32]
    """uint32, (n,)."""

    @classmethod
    def of(cls, keys: Sequence[Key] | KeyArray) -> KeyArray:
        """The keys in this order; an array of them as it is."""
        if isinstance(keys, KeyArray):
            return keys
        # Not zip(*keys): an iterator for each key sets the garbage collector going.
        hashes = np.frombuffer(b"".join(map(content_of, keys)), np.uint8).reshape(-1, HASH_BYTES)
        return cls(hashes, np.fromiter(map(view_of, keys), np.uint32, len(keys)))

    @classmethod
    def of_images(cls, contents: bytes, view: int = 0) -> KeyArray:
        """Keys of images, or of a view of each, by their contents: 32 bytes after 32 bytes."""
        hashes = np.frombuffer(contents, np.uint8).reshape(-1, HASH_BYTES)
        return cls(hashes, np.full(len(hashes), view, np.uint32))

    @classmethod
    def joined(cls, parts: Sequence[KeyArray]) -> KeyArray:
        """The keys of all parts, of which there is one at least."""
        contents = np.concatenate([part.contents for part in parts])
        return cls(contents, np.concatenate([part.views for part in parts]))

    def take(self, rows: NDArray[np.intp]) -> KeyArray:
        """Some of the keys, by number."""
        return KeyArray(self.contents[rows], self.views[rows])

    def equals(self, other: KeyArray) -> bool:
        """Whether both hold the same keys in the same order."""
        return np.array_equal(self.views, other.views) and np.array_equal(
            self.contents, other.contents
        )

    def to_list(self) -> list[Key]:
        """The keys one by one."""
        contents: list[bytes] = np.ascontiguousarray(self.contents).view("V32")[:, 0].tolist()
        return list(map(Key, contents, self.views.tolist()))

    def packed(self) -> NDArray[np.uint8]:
        """uint8, (n, 32) where every view is 0, else (n, 36) with the view behind each hash.

        So the keys of images themselves are kept as they were before there were views.
        """
        if not self.views.any():
            return self.contents
        views = self.views.astype("<u4").view(np.uint8).reshape(-1, _VIEW_BYTES)
        return np.concatenate([self.contents, views], axis=1)

    @classmethod
    def unpack(cls, packed: NDArray[Any]) -> KeyArray:
        """Read what `packed` gives.

        Raises
        ------
        ValueError
            When its shape is another.
        """
        if packed.ndim != 2 or packed.shape[1] not in (HASH_BYTES, HASH_BYTES + _VIEW_BYTES):
            raise ValueError(f"keys of shape {packed.shape}; expected (n, 32) or (n, 36)")
        if packed.shape[1] == HASH_BYTES:
            return cls(packed, np.zeros(len(packed), np.uint32))
        views = np.ascontiguousarray(packed[:, HASH_BYTES:]).view("<u4")[:, 0]
        return cls(packed[:, :HASH_BYTES], views)
