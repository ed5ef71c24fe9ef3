"""Still WebP pictures are decoded by OpenCV, to what Pillow makes of them."""

import io

import numpy as np
import pytest
from PIL import Image

from bottlebank.errors import ImageRejectedError
from bottlebank.features.images import webp
from bottlebank.features.images.decoder import decode_picture

from .written import encoded

EXIF = Image.Exif()
EXIF[0x0112] = 6
METADATA = {"exif": EXIF.tobytes(), "icc_profile": b"a profile", "xmp": b"<x:xmpmeta/>"}
STILL = [
    {"quality": 5},
    {"quality": 80, "method": 6},
    {"quality": 100, "method": 0},
    {"lossless": True},
    {"quality": 80, **METADATA},
    {"lossless": True, **METADATA},
]


@pytest.fixture
def by_pillow(monkeypatch):
    """Decode as without OpenCV."""

    def decode(data, at_least_px=None):
        with monkeypatch.context() as patched:
            patched.setattr(webp, "pixels", lambda image, data: None)
            return decode_picture(data, at_least_px)

    return decode


def picture(width: int, height: int) -> Image.Image:
    random = np.random.default_rng(width)
    coarse = Image.fromarray(random.integers(0, 256, (5, 4, 3), dtype=np.uint8))
    return coarse.resize((width, height), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("options", STILL, ids=str)
@pytest.mark.parametrize("size", [(1, 1), (2, 1), (17, 33), (231, 317)])
def test_both_decoders_give_the_same_pixels(size, options, by_pillow, monkeypatch):
    data = encoded(picture(*size), "WEBP", **options)
    read = []
    imdecode = webp.cv2.imdecode
    monkeypatch.setattr(webp.cv2, "imdecode", lambda *given: read.append(1) or imdecode(*given))
    for at_least_px in (None, (50, 50)):
        expected, found = by_pillow(data, at_least_px), decode_picture(data, at_least_px)
        assert np.array_equal(found.pixels, expected.pixels)
        assert found.kind == expected.kind
    assert len(read) == 2 or size[0] < 17


def test_moving_and_transparent_pictures_are_left_to_pillow(by_pillow):
    one = picture(40, 30)
    clear = one.copy()
    clear.putalpha(100)
    moving = {"save_all": True, "append_images": [one.rotate(90)]}
    for data in (encoded(clear, "WEBP"), encoded(one, "WEBP", **moving)):
        with Image.open(io.BytesIO(data)) as image:
            assert webp.pixels(image, data) is None
        assert np.array_equal(decode_picture(data).pixels, by_pillow(data).pixels)


def test_what_is_damaged_is_read_and_refused_alike(by_pillow):
    random = np.random.default_rng(0)
    n_read = n_refused = 0
    files = [encoded(picture(60, 40), "WEBP", **options) for options in STILL]
    for number in range(600):
        data = bytearray(files[number % len(files)])
        start = int(random.integers(8, len(data)))
        if number % 3 == 0:
            data[start] ^= 1 << int(random.integers(8))
        elif number % 3 == 1:
            del data[start:]
        else:
            data[start : start + 20] = random.bytes(20)
        expected, found = outcome(by_pillow, bytes(data)), outcome(decode_picture, bytes(data))
        assert found == expected
        n_refused += isinstance(found, str)
        n_read += not isinstance(found, str)
    assert min(n_read, n_refused) > 100


def outcome(decode, data: bytes):
    try:
        return decode(data).pixels.tolist()
    except ImageRejectedError as error:
        return str(error)
