import io

import numpy as np
import pytest
from PIL import Image

from bottlebank.errors import ImageRejectedError
from bottlebank.training.perceptual_hash import PerceptualHash, differing_bits


def landscape(seed: int) -> Image.Image:
    """Soft shapes, as photographs have."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (7, 9, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((450, 350), Image.Resampling.BICUBIC)


def encoded(picture: Image.Image, file_format="JPEG", **settings) -> bytes:
    file = io.BytesIO()
    picture.save(file, file_format, **settings)
    return file.getvalue()


def changes(picture: Image.Image):
    width, height = picture.size
    yield encoded(picture, quality=40)
    yield encoded(picture, "WEBP", quality=60)
    yield encoded(picture.resize((width // 3, height // 3)))
    left, top = int(0.015 * width), int(0.015 * height)
    yield encoded(picture.crop((left, top, width - left, height - top)))
    yield encoded(picture.crop((2 * left, 0, width, height - 2 * top)))


def test_the_same_picture_saved_scaled_and_cropped_differs_in_few_bits():
    pictures = [landscape(seed) for seed in range(30)]
    hashes = [PerceptualHash(encoded(picture, "PNG")) for picture in pictures]
    same = [
        differing_bits(PerceptualHash(file), mine)
        for picture, mine in zip(pictures, hashes, strict=True)
        for file in changes(picture)
    ]
    other = [differing_bits(a, b) for row, a in enumerate(hashes) for b in hashes[:row]]
    assert max(same) <= 14
    assert min(other) > 28


def test_what_is_no_image_has_none():
    with pytest.raises(ImageRejectedError, match="looks like text"):
        PerceptualHash(b"words, not pixels")
