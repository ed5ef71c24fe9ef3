"""Writing images that were made: the pixels alone, with no frame and no words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...atomic_file import write_bytes
from ...interpret.made_image import png_of
from ...replaceable import writing_file

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np


def write_image(pixels: np.ndarray, output: Path) -> None:
    """Write pixels, uint8 (height, width, 3), as a PNG; it appears whole or not at all.

    Its folder is made where there is none.

    Raises
    ------
    BottlebankError
        When it cannot be written; `output` is then as it was.
    """
    with writing_file(output):
        write_bytes(output, png_of(pixels))
