import io

import numpy as np
import pytest
from PIL import Image

from bottlebank.errors import ImageRejectedError
from bottlebank.features.images import SERVICE_FORMATS, Limits, decode, read
from bottlebank.features.preprocess import fit, load


def encoded(image: Image.Image, format: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


@pytest.fixture
def corners() -> Image.Image:
    """20 x 10: red, green, blue and white quarters."""
    pixels = np.zeros((10, 20, 3), np.uint8)
    pixels[:5, :10] = (255, 0, 0)
    pixels[:5, 10:] = (0, 255, 0)
    pixels[5:, :10] = (0, 0, 255)
    pixels[5:, 10:] = (255, 255, 255)
    return Image.fromarray(pixels)


def quarters(image: Image.Image) -> list[tuple[int, ...]]:
    width, height = image.size
    spots = [(x, y) for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]
    return [image.getpixel(spot) for spot in spots]


RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


@pytest.mark.parametrize("format", ["PNG", "BMP", "GIF", "TIFF"])
def test_lossless_formats_give_the_pixels_that_were_saved(corners, format):
    decoded = decode(encoded(corners, format))
    assert decoded.mode == "RGB"
    assert np.array_equal(np.asarray(decoded), np.asarray(corners))


@pytest.mark.parametrize("format", ["JPEG", "WEBP"])
def test_lossy_formats_give_nearly_the_pixels_that_were_saved(corners, format):
    decoded = decode(encoded(corners.resize((200, 100), Image.Resampling.NEAREST), format))
    for found, expected in zip(quarters(decoded), [RED, GREEN, BLUE, WHITE], strict=True):
        assert np.abs(np.subtract(found, expected)).max() <= 6


@pytest.mark.parametrize(
    ("orientation", "size", "expected"),
    [
        (1, (20, 10), [RED, GREEN, BLUE, WHITE]),
        (2, (20, 10), [GREEN, RED, WHITE, BLUE]),
        (3, (20, 10), [WHITE, BLUE, GREEN, RED]),
        (4, (20, 10), [BLUE, WHITE, RED, GREEN]),
        (5, (10, 20), [RED, BLUE, GREEN, WHITE]),
        (6, (10, 20), [BLUE, RED, WHITE, GREEN]),
        (7, (10, 20), [WHITE, GREEN, BLUE, RED]),
        (8, (10, 20), [GREEN, WHITE, RED, BLUE]),
    ],
)
def test_exif_orientation_is_applied(corners, orientation, size, expected):
    exif = Image.Exif()
    exif[0x0112] = orientation
    decoded = decode(encoded(corners, "PNG", exif=exif))
    assert decoded.size == size
    assert quarters(decoded) == expected


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (Image.new("L", (4, 4), 100), (100, 100, 100)),
        (Image.new("1", (4, 4), 1), (255, 255, 255)),
        (Image.fromarray(np.full((4, 4), 257 * 77, np.uint16)), (77, 77, 77)),
        (Image.new("RGBA", (4, 4), (200, 0, 0, 0)), (255, 255, 255)),
        (Image.new("RGBA", (4, 4), (200, 0, 0, 255)), (200, 0, 0)),
        (Image.new("LA", (4, 4), (10, 0)), (255, 255, 255)),
        (Image.new("LA", (4, 4), (10, 255)), (10, 10, 10)),
        (Image.new("RGB", (4, 4), (1, 2, 3)).quantize(), (1, 2, 3)),
    ],
)
def test_every_colour_mode_becomes_rgb(stored, expected):
    decoded = decode(encoded(stored, "PNG"))
    assert decoded.mode == "RGB"
    assert decoded.getpixel((1, 1)) == expected


def test_a_transparent_palette_colour_is_laid_on_white():
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 9, 9, 9])
    assert decode(encoded(palette, "PNG", transparency=1)).getpixel((0, 0)) == (255, 255, 255)


def test_cmyk_jpeg_is_converted(corners):
    large = corners.resize((200, 100), Image.Resampling.NEAREST)
    decoded = decode(encoded(large.convert("CMYK"), "JPEG", quality=95))
    assert decoded.mode == "RGB"
    for found, expected in zip(quarters(decoded), [RED, GREEN, BLUE, WHITE], strict=True):
        assert np.abs(np.subtract(found, expected)).max() <= 12


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP"])
def test_the_first_frame_of_an_animation_counts(format):
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, GREEN)]
    options = {"lossless": True} if format == "WEBP" else {}
    data = encoded(frames[0], format, save_all=True, append_images=frames[1:], **options)
    assert decode(data).getpixel((2, 2)) == RED


def test_the_format_is_recognised_by_content(tmp_path, corners):
    path = tmp_path / "really-a-png.jpg"
    path.write_bytes(encoded(corners, "PNG"))
    assert quarters(decode(read(str(path))[0])) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"just some words, no picture\n", "looks like text"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "looks like a web page"),
        (b"%PDF-1.7 ...", "looks like a PDF"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 50, r"not an image|damaged"),
    ],
)
def test_what_is_no_image_is_rejected_with_what_it_is(data, reason):
    with pytest.raises(ImageRejectedError, match=reason):
        decode(data)


@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.9, 0.97])
def test_a_truncated_photograph_is_rejected_and_never_filled_with_grey(share):
    noise = np.random.default_rng(0).integers(0, 255, (80, 80, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), "JPEG")
    with pytest.raises(ImageRejectedError, match=r"truncated|not an image"):
        decode(data[: int(share * len(data))])


def test_a_decompression_bomb_is_refused_from_its_header():
    bomb = encoded(Image.new("1", (16_000, 16_000)), "PNG")
    assert len(bomb) < 100_000
    with pytest.raises(ImageRejectedError, match="pixels"):
        decode(bomb)
    with pytest.raises(ImageRejectedError, match=r"40×1 pixels, more than the 30 in all"):
        decode(encoded(Image.new("L", (40, 1)), "PNG"), limits=Limits(pixels=30))


def test_formats_outside_the_allowlist_are_refused(corners):
    assert decode(encoded(corners, "TIFF")).size == (20, 10)
    with pytest.raises(ImageRejectedError, match="JPEG, PNG, WEBP, GIF, BMP"):
        decode(encoded(corners, "TIFF"), formats=SERVICE_FORMATS)


def test_floating_point_and_wide_grey_are_refused():
    with pytest.raises(ImageRejectedError, match="floating-point"):
        decode(encoded(Image.new("F", (4, 4), 0.5), "TIFF"))
    with pytest.raises(ImageRejectedError, match="16 bits"):
        decode(encoded(Image.new("I", (4, 4), 70_000), "TIFF"))


def test_broken_exif_does_not_cost_the_photograph(corners):
    data = encoded(corners, "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert quarters(decode(data)) == [RED, GREEN, BLUE, WHITE]


def test_a_large_jpeg_is_decoded_small_enough_and_looks_the_same():
    smooth = Image.fromarray(
        np.linspace(0, 255, 1600 * 1200 * 3).reshape(1200, 1600, 3).astype("u1")
    )
    data = encoded(smooth, "JPEG", quality=95)
    small = decode(data, at_least_px=(60, 80))
    assert small.size == (200, 150)  # the smallest eighth that has twice the pixels a side
    whole = fit(decode(data), (60, 80)).astype(int)
    assert np.abs(fit(small, (60, 80)).astype(int) - whole).max() <= 3


def test_drafts_respect_the_orientation():
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(Image.new("RGB", (1600, 400)), "JPEG", exif=exif)
    assert decode(data, at_least_px=(400, 100)).size == (200, 800)


def test_fit_averages_what_it_shrinks():
    """Nearest neighbour, or bilinear without antialiasing, would see stripes or one colour."""
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[::2] = 255
    fitted = fit(Image.fromarray(stripes), (8, 8))
    assert fitted.shape == (8, 8, 3)
    assert fitted.dtype == np.uint8
    assert np.abs(fitted[1:-1].astype(int) - 127).max() <= 2


def test_load_gives_height_width_rgb(corners):
    pixels = load(encoded(corners, "PNG"), (30, 50))
    assert pixels.shape == (30, 50, 3)
    assert pixels[2, 2].tolist() == [255, 0, 0]
    assert pixels[-3, -3].tolist() == [255, 255, 255]


def test_reading_what_is_no_file_ends_at_once_with_a_reason(tmp_path):
    import os

    pipe = tmp_path / "pipe.jpg"
    os.mkfifo(pipe)
    for path, reason in [
        (tmp_path / "none.jpg", "No such file"),
        (tmp_path, "Is a directory|not a regular file"),
        (pipe, "not a regular file"),
        (Path_with_nul, "null"),
    ]:
        with pytest.raises(ImageRejectedError, match=reason):
            read(str(path))


Path_with_nul = "a\0b.jpg"
