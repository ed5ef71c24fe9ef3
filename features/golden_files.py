"""Synthetic image files by which a head recognises the extractor that it was trained on.

Unlike the pixels of `golden_images`, which compare two engines, these pass through everything
between a file and its transfer values: decoder, resize rule, channel order, scaling, weights,
precision.
"""

from __future__ import annotations

import functools
import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ..errors import ImageRejectedError
from .images.decoder_pool import DecoderPool
from .images.decoding_shares import Allowed, shares_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .extractor import Extractor


_FORMATS = ("PNG", "JPEG")


@functools.lru_cache(2)
def golden_files(size_px: int) -> tuple[bytes, ...]:
    """Two PNG files and a JPEG, all larger than the network's input.

    The PNG files show coloured blocks with fine stripes, because resize rules differ where detail
    is lost; the JPEG shows soft colours, and is large enough to be decoded at half its size.

    Parameters
    ----------
    size_px
        Height and width of the network's input.
    """
    generator = np.random.default_rng(2_048)

    def striped(height: int, width: int, stripe_px: int) -> Image.Image:
        palette = generator.integers(0, 256, (4, 3), dtype=np.uint8)
        blocks = generator.integers(0, 4, (9, 11))
        y, x = np.mgrid[:height, :width]
        stripes = (x + generator.integers(1, 4) * y) // stripe_px % 2
        return Image.fromarray(palette[(blocks[y * 9 // height, x * 11 // width] + stripes) % 4])

    def soft(height: int, width: int) -> Image.Image:
        coarse = generator.integers(0, 256, (13, 9, 3), dtype=np.uint8)
        return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)

    pictures = [
        (striped(size_px * 8 // 5, size_px * 8 // 5, 1), "PNG"),
        (striped(size_px * 19 // 10, size_px * 6 // 5, 3), "PNG"),
        (soft(size_px * 21 // 10, size_px * 23 // 10), "JPEG"),
    ]
    files = []
    for picture, ending in pictures:
        file = io.BytesIO()
        picture.save(file, ending)
        files.append(file.getvalue())
    return tuple(files)


def transfer_values_of(extractor: Extractor, files: Sequence[bytes]) -> np.ndarray:
    """What an extractor makes of image files, one by one as a service does.

    Files of a head come from whoever made the head. Those that this version makes itself are
    decoded here; any others in a process of their own, which they can neither crash nor hold up.

    Returns
    -------
    ndarray
        float32, (n, width).

    Raises
    ------
    ImageRejectedError
        When one cannot be decoded.
    """
    if tuple(files) == golden_files(extractor.recipe.input_size_px):
        pictures = [extractor.decode_and_resize(file) for file in files]
    else:
        with DecoderPool(
            extractor.recipe.preprocessing,
            1,
            formats=_FORMATS,
            memory_bytes=shares_of(Allowed(1), 0).large_bytes,
        ) as decoders:
            decoded = decoders.decode(files)
        for reason in filter(None, decoded.reasons):
            raise ImageRejectedError(reason)
        pictures = list(decoded.pixels)
    return np.concatenate([extractor.transfer_values(picture[np.newaxis]) for picture in pictures])
