"""Images that were made, as PNG files that decode to the same pixels."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ..errors import UsageError
from ..replaceable import require_replaceable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np

MADE_BY = "bottlebank"
"""What such a file names as its software; `is_made_image` recognises it by that."""

_BEGINNING_BYTES = 8192


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


def is_made_image(path: Path) -> bool:
    """Whether a file says that it is an image of `png_of`.

    Raises
    ------
    OSError
        When it cannot be read.
    """
    with path.open("rb") as file:
        return f"Software\0{MADE_BY}".encode() in file.read(_BEGINNING_BYTES)


def require_made_image(output: str | os.PathLike[str], inputs: Iterable[object]) -> Path:
    """The path of a PNG file that replaces nothing but an image of `png_of`.

    Parameters
    ----------
    output
        Where it is to be written.
    inputs
        What the image is made of; those that are paths are never replaced.

    Raises
    ------
    UsageError
        When it has another extension, is one of `inputs`, or a file is there that is another.
    """
    path = Path(output)
    if path.suffix.lower() != ".png":
        raise UsageError(f"cannot write {output}: expected a name that ends in .png")
    read = [each for each in inputs if isinstance(each, (str, os.PathLike))]
    require_replaceable(
        path, "an image without captions that bottlebank has made", is_made_image, read
    )
    return path
