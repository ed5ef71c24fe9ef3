"""Changed pictures as PNG files, which keep every pixel, and what a predictor says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..made_image import png_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...classifier.head import HeadAnswer
    from ...prediction import Predictor


def answer_to_files(predictor: Predictor, pictures: Iterable[np.ndarray]) -> HeadAnswer:
    """What a predictor says of pictures, once each is a PNG file and is decoded as any other."""
    decoded = [predictor.decode_and_resize(png_of(each)) for each in pictures]
    return predictor.answer(np.stack(decoded))
