"""Image files that bottlebank has made: the pixels alone, with no frame and no words."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ...atomic_file import write_bytes
from ..output_paths import writing

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

_SOFTWARE = "Software"
"""The key of PNG's text chunks that says what made a picture; see `output_paths.MADE_IMAGE`."""


def write_image(pixels: np.ndarray, output: Path) -> None:
    """Write pixels, uint8 (height, width, 3), as a PNG that decodes to the same pixels.

    It appears whole or not at all, and says that bottlebank has made it.

    Raises
    ------
    BottlebankError
        When it cannot be written; `output` is then as it was.
    """
    made_by = PngInfo()
    made_by.add_text(_SOFTWARE, "bottlebank")
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "png", pnginfo=made_by)
    with writing(output):
        write_bytes(output, data.getvalue())
