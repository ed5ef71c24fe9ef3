"""What each format and colour mode is read as: the picture that was saved, or one clear refusal."""

import numpy as np
import pytest
from PIL import Image, ImageCms

from bottlebank.errors import ImageRejectedError
from bottlebank.features.images.decoder import decode

from .written import (
    WIDTH,
    encoded,
    old_style_jpeg_tiff,
    picture,
    written,
)

PIXELS = np.asarray(picture()).astype(int)


def in_lab():
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    return ImageCms.profileToProfile(picture(), *profiles, outputMode="LAB")


@pytest.mark.parametrize("name", list(written()))
def test_the_picture_that_was_saved_is_read(name):
    data, is_half_clear = written()[name]
    decoded = decode(data)
    expected = PIXELS.copy()
    if is_half_clear:
        expected[:, WIDTH // 2 :] = 255
    assert decoded.shape == expected.shape
    assert np.abs(decoded - expected).mean() < 4


def test_lab_is_read():
    assert np.abs(decode(encoded(in_lab(), "TIFF")) - PIXELS).mean() < 8


def test_old_style_jpeg_in_tiff_is_read_or_refused_and_never_wrong():
    try:
        decoded = decode(old_style_jpeg_tiff())
    except ImageRejectedError as error:
        assert "TIFF" in str(error)  # libtiff may be built without
    else:
        assert np.abs(decoded - PIXELS).mean() < 4


def test_the_first_page_of_a_tiff_counts():
    other = Image.new("RGB", (9, 9))
    data = encoded(picture(), "TIFF", save_all=True, append_images=[other, other])
    assert np.array_equal(decode(data), PIXELS)


def test_an_icon_is_refused_by_name():
    with pytest.raises(ImageRejectedError, match=r"an icon \(ICO\): convert it to JPEG or PNG"):
        decode(encoded(picture(), "ICO"))


@pytest.mark.parametrize("format", ["PNG", "GIF"])
def test_a_transparent_colour_of_a_palette_is_laid_on_white(format):
    halves = Image.new("P", (8, 4), 1)
    halves.putpalette([0, 0, 0, 200, 10, 20])
    halves.paste(0, (4, 0, 8, 4))
    decoded = decode(encoded(halves, format, transparency=0))
    assert (decoded[:, :4] == (200, 10, 20)).all()
    assert (decoded[:, 4:] == 255).all()


def turns():
    """Boxes of HEIC that turn and mirror, and what they do to pixels."""
    yield from ((b"irot", angle, lambda pixels, n=angle: np.rot90(pixels, n)) for angle in range(4))
    yield b"imir", 0, lambda pixels: pixels[::-1]
    yield b"imir", 1, lambda pixels: pixels[:, ::-1]


@pytest.mark.parametrize(("box", "value", "turned"), list(turns()))
@pytest.mark.parametrize("orientation", [1, 6])
def test_heic_is_turned_by_its_own_boxes_and_not_by_exif(box, value, turned, orientation):
    """The library writes none, so that one takes the place of a box that is not needed."""
    pytest.importorskip("pillow_heif").register_heif_opener()
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(picture(), "HEIF", quality=95, exif=exif)
    at = data.index(b"pixi")
    length = int.from_bytes(data[at - 4 : at], "big")
    data = data[:at] + box + bytes([value]) + bytes(length - 9) + data[at - 4 + length :]
    decoded = decode(data)
    expected = turned(PIXELS)
    assert decoded.shape == expected.shape
    assert np.abs(decoded - expected).mean() < 4
