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
    new: list[int] | None = None
    """Positions in the group of what is to be decoded; None until the caller has said it."""
    block: int | None = None
    """Of the worker that decodes it."""
    pixels: Pixels | None = None
    """When it is done."""

    def settle(self, are_new: Sequence[bool]) -> None:
        """Note which of the files are to be decoded."""
        self.new = [
            position
            for position, (file, is_new) in enumerate(zip(self.hashed or (), are_new, strict=True))
            if is_new and isinstance(file, HashedFile)
        ]

    def finish(
        self, reasons: Sequence[str], brightest: Sequence[int | None], pixels: np.ndarray
    ) -> None:
        """Note the pixels of the new files, but for those that have a reason to be rejected."""
        done = Pixels([], [], pixels, [], [])
        files = [(self.hashed or ())[position] for position in self.new or ()]
        for file, reason, value in zip(files, reasons, brightest, strict=True):
            assert isinstance(file, HashedFile)
            if reason:
                done.rejections.append(Rejection(file.content, file.path, reason))
            else:
                done.keys.append(Key(file.content))
                done.paths.append(file.path)
                done.brightest.append(value)
        self.pixels = done
