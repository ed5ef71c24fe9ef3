"""A group of image files on their way to pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..cache import Key, Rejection
from .image_files import HashedFile, Pixels

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

from .image_files import ImageFile, UnreadableFile


@dataclass(eq=False)
class Group:
    """Files that are read together, and decoded together."""

    number: int
    files: Sequence[ImageFile]
    hashed: list[HashedFile | UnreadableFile] | None = None
    """What reading gave; None before that."""
    new: dict[int, Sequence[int]] | None = None
    """Positions in the group of what is to be decoded, and which views of each; None until the
    caller has said it."""
    block: int | None = None
    """Of the worker that decodes it."""
    pixels: Pixels | None = None
    """When it is done."""

    def settle(self, views: Sequence[Sequence[int]]) -> None:
        """Note which views of the files are to be decoded: none of those that are known."""
        self.new = {
            position: new
            for position, (file, new) in enumerate(zip(self.hashed or (), views, strict=True))
            if new and isinstance(file, HashedFile)
        }

    def n_pictures(self, reasons: Sequence[str]) -> int:
        """Views of the new files, but for those that have a reason to be rejected."""
        new = (self.new or {}).values()
        return sum(len(views) for views, reason in zip(new, reasons, strict=True) if not reason)

    def finish(
        self, reasons: Sequence[str], brightest: Sequence[int | None], pixels: np.ndarray
    ) -> None:
        """Note the pixels of the new files, but for those that have a reason to be rejected."""
        done = Pixels([], [], pixels, [], [])
        new = (self.new or {}).items()
        for (position, views), reason, value in zip(new, reasons, brightest, strict=True):
            file = (self.hashed or ())[position]
            assert isinstance(file, HashedFile)
            if reason:
                done.rejections.append(Rejection(file.content, file.path, reason))
            else:
                done.keys.extend(Key(file.content, view) for view in views)
                done.paths.extend([file.path] * len(views))
                done.brightest.extend([value, *[None] * (len(views) - 1)])
        self.pixels = done
