"""Images that were made, as PNG files that decode to the same pixels."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image
from PIL.PngImagePlugin import PngInfo

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

MADE_BY = "bottlebank"
"""What such a file names as its software; `output_paths.MADE_IMAGE` recognises it by that."""


def png_of(pixels: np.ndarray, notes: Mapping[str, str] | None = None) -> bytes:
    """A PNG file that says what has made it.

    Parameters
    ----------
    pixels
        uint8, (height, width, 3), RGB.
    notes
        More text that is kept in the file, by its keys.
    """
    about = PngInfo()
    about.add_text("Software", MADE_BY)
    for key, text in (notes or {}).items():
        about.add_text(key, text)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", pnginfo=about)
    return file.getvalue()
