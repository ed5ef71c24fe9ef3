"""What is known of image files on their way into the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np

    from ..cache import ContentHash, Key, Rejection, Stamp
    from ..untrusted.tar_members import MemberStatus


class ImageFile(NamedTuple):
    """An image file that is to be read."""

    position: int
    """In the dataset."""
    path: str
    n_bytes: int
    """As far as is known; how much is read ahead depends on it."""
    member: MemberStatus | None = None
    """Where it lies in an archive, if it is known to lie in one."""


class HashedFile(NamedTuple):
    """An image file whose content is known."""

    position: int
    path: bytes
    """Absolute."""
    content: ContentHash
    stamp: Stamp
    is_settled: bool
    """Whether every later change of the file shows in its stamp."""


class UnreadableFile(NamedTuple):
    """An image file that cannot be read; its content is not known."""

    position: int
    reason: str


class Pixels(NamedTuple):
    """A few decoded images, one row for each view."""

    keys: list[Key]
    paths: list[bytes]
    pixels: np.ndarray
    """uint8, (n, height, width, 3), RGB, 0 to 255: of each key, in the network's input size. It
    may lie in memory that is used again once nobody holds it, or a part of it, any more."""
    brightest: list[int | None]
    """The greatest value of each picture that has 16 bits per channel; of further views None."""
    rejections: list[Rejection]
    """Of those that cannot be decoded."""
