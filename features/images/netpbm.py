"""Pictures in PPM, PGM and PBM files that Pillow decodes number by number, in Python.

Those are the ones in text, and those whose greatest value is neither 255 nor 65535. Sensors of 10
and 12 bits write such files; a comment after each number makes Pillow's time quadratic.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ...errors import ImageRejectedError

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

_COMMENT = re.compile(rb"#[^\r\n]*")
_NUMBERS = re.compile(rb"[0-9\s]*")
_WHITE_SPACE = b" \t\r\n\v\f"


def loaded(image: ImageFile, data: bytes) -> Image.Image | np.ndarray:
    """The picture of the Netpbm file `data`, of which `image` is the header as Pillow reads it.

    Values are scaled from the file's greatest value to 255; or to 65535 where it is above 255: grey
    of mode ``I``, or colour uint16 (height, width, 3).

    Raises
    ------
    ImageRejectedError
        When there are fewer numbers than pixels, or a number is too large.
    """
    decoder, _, offset, arguments = image.tile[0]
    if decoder not in ("ppm", "ppm_plain"):
        image.load()
        return image
    width, height = image.size
    n_bands = len(image.getbands())
    n_numbers = width * height * n_bands
    if image.mode == "1":
        digits = _text(data, offset).translate(None, _WHITE_SPACE)[:n_numbers]
        _require(len(digits), n_numbers)
        black = np.frombuffer(digits, np.uint8) - ord("0")
        if black.max() > 1:
            raise ImageRejectedError("damaged: a PBM file holds 0 and 1 alone")
        return Image.fromarray((255 * (1 - black)).reshape(height, width)).convert("1")
    greatest = _greatest(arguments)
    if decoder == "ppm":
        kind = np.dtype(np.uint8 if greatest < 256 else ">u2")
        _require((len(data) - offset) // kind.itemsize, n_numbers)
        numbers = np.frombuffer(data, kind, n_numbers, offset)
        numbers = np.minimum(numbers, np.array(greatest, kind))
    else:
        text = _text(data, offset).decode("ascii").strip()
        _require(len(text), 1)
        # Told how many there are, NumPy would make up those that are missing.
        numbers = np.fromstring(text, dtype=np.int64, sep=" ")[:n_numbers]
        _require(len(numbers), n_numbers)
        if numbers.max() > greatest:
            raise ImageRejectedError(f"damaged: {numbers.max()} in a file of values to {greatest}")
    shape = (height, width) if n_bands == 1 else (height, width, n_bands)
    white, dtype = (65_535, np.int32 if n_bands == 1 else np.uint16)
    if greatest < 256:
        white, dtype = 255, np.uint8
    scaled = ((np.arange(greatest + 1) * white + greatest // 2) // greatest).astype(dtype)
    pixels = scaled[numbers].reshape(shape)
    return pixels if dtype is np.uint16 else Image.fromarray(pixels)


def _greatest(arguments: object) -> int:
    """The greatest value, of what Pillow gives the decoder."""
    one = arguments[-1] if isinstance(arguments, tuple) else arguments
    return int(str(one))


def _text(data: bytes, offset: int) -> bytes:
    text = _COMMENT.sub(b"", data[offset:])
    found = _NUMBERS.match(text)
    return text if found is None else found[0]


def _require(n_found: int, n_expected: int) -> None:
    if n_found < n_expected:
        raise ImageRejectedError("truncated or damaged: its data end before the picture does")
