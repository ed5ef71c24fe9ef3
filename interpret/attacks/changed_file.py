"""Changed pictures as PNG files, which keep every pixel, and what a predictor says of them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...classifier.head import HeadAnswer
    from ...prediction import Predictor

MADE_BY = "bottlebank look adversarial"
"""What such a file names as its software."""


def png_of(pixels: np.ndarray) -> bytes:
    """A PNG file of pixels, uint8 (height, width, 3), RGB, that says what has made it."""
    about = PngInfo()
    about.add_text("Software", MADE_BY)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", pnginfo=about)
    return file.getvalue()


def answer_to_files(predictor: Predictor, pictures: Iterable[np.ndarray]) -> HeadAnswer:
    """What a predictor says of pictures, once each is a PNG file and is decoded as any other."""
    decoded = [predictor.decode_and_resize(png_of(each)) for each in pictures]
    return predictor.answer(np.stack(decoded))
