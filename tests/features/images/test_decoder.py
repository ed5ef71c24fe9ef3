import hashlib
import io
import os
import struct
import zlib

import numpy as np
import pytest
import simplejpeg
from PIL import Image

from bottlebank.errors import ImageRejectedError
from bottlebank.features.images import colours, formats
from bottlebank.features.images import decoder as images
from bottlebank.features.images import fit as preprocess
from bottlebank.features.images.decoder import (
    FORMATS,
    Kind,
    Limits,
    decode,
    decode_picture,
    read,
)
from bottlebank.features.images.fit import Preprocessing, decode_and_resize, fit
from bottlebank.features.images.rejection import depends_on_machine, is_temporary


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


def quarters(pixels: np.ndarray) -> list[tuple[int, ...]]:
    height, width = pixels.shape[:2]
    rows, columns = (height // 4, 3 * height // 4), (width // 4, 3 * width // 4)
    return [tuple(pixels[row, column].tolist()) for row in rows for column in columns]


RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


@pytest.mark.parametrize("format", ["PNG", "BMP", "GIF", "TIFF"])
def test_lossless_formats_give_the_pixels_that_were_saved(corners, format):
    decoded = decode(encoded(corners, format))
    assert decoded.dtype == np.uint8
    assert np.array_equal(decoded, np.asarray(corners))


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
    assert decoded.shape == (*size[::-1], 3)
    assert quarters(decoded) == expected
    large = corners.resize((200, 100), Image.Resampling.NEAREST)
    from_jpeg = decode(encoded(large, "JPEG", exif=exif, quality=95), at_least_px=(50, 50))
    assert np.abs(np.subtract(quarters(from_jpeg), expected)).max() <= 6


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
    assert decoded.shape == (4, 4, 3)
    assert tuple(decoded[1, 1]) == expected


def test_a_transparent_palette_colour_is_laid_on_white():
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 9, 9, 9])
    assert tuple(decode(encoded(palette, "PNG", transparency=1))[0, 0]) == (255, 255, 255)


def test_cmyk_jpeg_is_converted(corners):
    large = corners.resize((200, 100), Image.Resampling.NEAREST)
    decoded = decode(encoded(large.convert("CMYK"), "JPEG", quality=95))
    for found, expected in zip(quarters(decoded), [RED, GREEN, BLUE, WHITE], strict=True):
        assert np.abs(np.subtract(found, expected)).max() <= 12


def test_ycck_jpeg_as_adobe_writes_it_is_converted():
    """Luminance, colour differences and black, all inverted: Pillow writes CMYK, so it is made."""
    stored = (55, 128, 128, 255)
    plain = Image.new("CMYK", (64, 64), tuple(255 - value for value in stored))
    data = encoded(plain, "JPEG", quality=95)
    marker = data.index(b"Adobe") + 11
    assert data[marker] == 0  # the colour transform: none
    ycck = data[:marker] + b"\2" + data[marker + 1 :]
    assert np.abs(decode(ycck).astype(int) - 200).max() <= 2


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_one_pixel_is_a_picture(format):
    data = encoded(Image.new("RGB", (1, 1), (90, 90, 90)), format)
    pixels = decode_and_resize(data, Preprocessing((224, 224))).pixels
    assert np.abs(pixels.astype(int) - 90).max() <= 2


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP"])
def test_the_first_frame_of_an_animation_counts(format):
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, GREEN)]
    options = {"lossless": True} if format == "WEBP" else {}
    data = encoded(frames[0], format, save_all=True, append_images=frames[1:], **options)
    assert tuple(decode(data)[2, 2]) == RED


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
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 50, "damaged or truncated: it begins as PNG"),
        ("Кот".encode(), "looks like text"),
        ("Кот и пёс, а не картинка: просто слова".encode("cp1251"), "looks like text"),
        ("Ein Text, 漢字".encode()[:-1], "looks like text"),
        ("words".encode("utf-16"), "looks like text"),
        (b"\x1b[31mred", "looks like text"),
        (b"i\xb7\x1d", "read here \\([A-Za-z, ]+\\)$"),
        (b"\xcf\xf0\xe8", "read here \\([A-Za-z, ]+\\)$"),
        (b"BMW is a car", "looks like text"),
    ],
)
def test_what_is_no_image_is_rejected_with_what_it_is(data, reason):
    with pytest.raises(ImageRejectedError, match=reason):
        decode(data)


@pytest.mark.parametrize("mode", ["L", "P", "RGB", "RGBA"])
@pytest.mark.parametrize(("format", "name"), [("TGA", "a TGA"), ("ICO", "an icon \\(ICO\\)")])
def test_a_tga_and_an_icon_are_told_apart(format, name, mode):
    data = encoded(Image.new(mode, (30, 20)), format)
    with pytest.raises(ImageRejectedError, match=f"looks like {name}: convert it"):
        decode(data)


@pytest.mark.parametrize("format", [name for name in FORMATS if name != "HEIF"])
def test_what_is_cut_anywhere_is_never_said_to_be_of_another_format(format):
    noise = np.random.default_rng(0).integers(0, 255, (40, 30, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), format)
    for length in (*range(16, 64), *range(64, len(data) - 64, len(data) // 20)):
        with pytest.raises(ImageRejectedError, match=r"truncated|damaged") as refusal:
            decode(data[:length])
        assert "not an image" not in str(refusal.value), length
        assert "is not read" not in str(refusal.value), length


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
    assert decode(encoded(corners, "TIFF")).shape == (10, 20, 3)
    with pytest.raises(ImageRejectedError, match="JPEG, PNG"):
        decode(encoded(corners, "TIFF"), formats=("JPEG", "PNG"))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_a_picture_comes_with_its_format_and_colour_mode(mode):
    assert decode_picture(encoded(Image.new(mode, (4, 3)), "PNG")).kind[:2] == ("PNG", mode)


def test_several_pictures_in_one_jpeg_file_are_a_jpeg(corners):
    data = encoded(corners, "MPO", save_all=True, append_images=[corners])
    assert decode_picture(data).kind == Kind("JPEG", "RGB")


TURNED = [name for name in FORMATS if name not in ("GIF", "BMP", "PPM", "HEIF")]


@pytest.mark.parametrize("format", TURNED)
def test_all_orientations_are_applied_once_in_every_format(format):
    """Some of Pillow's plugins turn pictures themselves; with TIFF, that was done twice."""
    y, x = np.mgrid[:128, :192]
    upright = np.stack([x, y * 1.5, np.where((x < 64) & (y < 64), 255, 0)], -1).astype(np.uint8)
    undone = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Pillow's transposes
    for orientation in range(1, 9):
        picture = Image.fromarray(upright)
        if orientation > 1:
            picture = picture.transpose(Image.Transpose(undone[orientation]))
        exif = Image.Exif()
        exif[0x0112] = orientation
        data = encoded(picture, format, exif=exif, quality=95)
        for at_least_px, factor in ((None, 1), ((32, 48), 4)):
            decoded = decode(data, at_least_px).astype(int)
            expected = np.asarray(Image.fromarray(upright).reduce(factor)).astype(int)
            assert decoded.shape == expected.shape, orientation
            assert np.abs(decoded - expected).mean() < 6, orientation


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_heic_is_read_and_its_exif_orientation_is_not_applied(mode):
    """The format has turns of its own, which the library applies; Exif only repeats them."""
    pytest.importorskip("pillow_heif").register_heif_opener()
    exif = Image.Exif()
    exif[0x0112] = 6
    pictures = [Image.new(mode, (96, 64), colour) for colour in ("white", "black")]
    options = {"exif": exif, "save_all": True, "append_images": pictures[1:]}
    picture = decode_picture(encoded(pictures[0], "HEIF", **options))
    assert picture.kind.format == "HEIF"
    assert picture.pixels.shape == (64, 96, 3)
    assert picture.pixels.min() >= 250


@pytest.mark.parametrize(
    ("error", "lacked_memory"),
    [
        (MemoryError(), True),
        (OSError("decoder error: Insufficient memory (Failed to allocate 9 bytes)"), True),
        (OSError("broken data stream"), False),
        (OSError("image file is truncated"), False),
    ],
)
def test_only_want_of_memory_depends_on_the_machine(monkeypatch, error, lacked_memory):
    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr(Image, "open", fail)
    with pytest.raises(ImageRejectedError) as why:
        decode(b"GIF89a")
    assert depends_on_machine(str(why.value)) == lacked_memory
    assert (str(why.value) == "too little memory to decode it") == lacked_memory


def damaged_tiff() -> bytes:
    """Its strip begins at byte 3.5."""
    data = bytearray(encoded(Image.new("RGB", (40, 30)), "TIFF"))
    (at,) = struct.unpack_from("<I", data, 4)
    (n_entries,) = struct.unpack_from("<H", data, at)
    for entry in range(at + 2, at + 2 + 12 * n_entries, 12):
        if struct.unpack_from("<H", data, entry) == (273,):
            data[entry + 2 : entry + 12] = struct.pack("<HIf", 11, 1, 3.5)
    return bytes(data)


def test_an_error_within_a_decoder_rejects_the_image_but_not_for_good():
    with pytest.raises(
        ImageRejectedError, match="it crashes the decoder: TypeError: 'float'"
    ) as why:
        decode(damaged_tiff())
    assert depends_on_machine(str(why.value))


@pytest.mark.parametrize("error", [TypeError, AttributeError, NameError, AssertionError])
def test_a_mistake_in_our_own_code_rejects_no_image(monkeypatch, error):
    def fail(*arguments):
        raise error("ours")

    monkeypatch.setattr(images, "_reduction", fail)
    with pytest.raises(error, match="ours"):
        decode(encoded(Image.new("RGB", (40, 30)), "PNG"), (10, 10))


def test_without_its_library_heic_says_what_to_install(monkeypatch):
    monkeypatch.setattr(formats, "HAS_HEIF", False)
    monkeypatch.setattr(images, "HAS_HEIF", False)
    with pytest.raises(ImageRejectedError, match="HEIC: pip install pillow-heif") as why:
        decode(b"\0\0\0\x18ftypheic\0\0\0\0")
    assert is_temporary(str(why.value))


@pytest.mark.parametrize("magic", ["L", "RGB", "1", "I;16"])
def test_portable_pixmaps_are_read(magic):
    picture = Image.new(magic, (5, 4), 1 if magic == "1" else 0)
    assert decode(encoded(picture, "PPM")).shape == (4, 5, 3)


def netpbm(kind, greatest, numbers):
    """A Netpbm file of 4×3 pixels."""
    size = b"4 3" if kind in (b"P1", b"P4") else b"4 3\n%d" % greatest
    if kind in (b"P2", b"P3"):
        body = b"".join(b"%d # a comment\n" % number for number in numbers)
    elif kind == b"P1":
        body = b"".join(b"%d" % number for number in numbers)
    else:
        body = np.array(numbers, np.uint8 if greatest < 256 else ">u2").tobytes()
    return kind + b"\n" + size + b"\n" + body


@pytest.mark.parametrize("kind", [b"P2", b"P3", b"P5", b"P6"])
@pytest.mark.parametrize("greatest", [1, 3, 15, 100, 255, 256, 1023, 4095, 16_383, 65_535])
def test_the_greatest_value_of_a_pixmap_is_white(kind, greatest):
    n = 36 if kind in (b"P3", b"P6") else 12
    numbers = np.linspace(0, greatest, n).round().astype(int)
    pixels = decode(netpbm(kind, greatest, numbers))
    stored = pixels if n == 36 else pixels[..., 0]
    assert np.abs(stored.ravel() - numbers / greatest * 255).max() <= 0.51
    assert (pixels.min(), pixels.max()) == (0, 255)


def test_a_bitmap_in_text_is_black_where_it_says_1():
    pixels = decode(netpbm(b"P1", 1, [0, 1] * 6))
    assert pixels[..., 0].ravel().tolist() == [255, 0] * 6


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (netpbm(b"P5", 1023, range(12))[:-1], "truncated or damaged"),
        (netpbm(b"P6", 100, range(36))[:-1], "truncated or damaged"),
        (netpbm(b"P3", 100, range(35)), "truncated or damaged"),
        (netpbm(b"P2", 100, []) + b"  \n", "truncated or damaged"),
        (netpbm(b"P1", 1, [0] * 11), "truncated or damaged"),
        (netpbm(b"P1", 1, [7] * 12), "0 and 1 alone"),
        (netpbm(b"P2", 100, range(95, 107)), "106 in a file of values to 100"),
        (netpbm(b"P2", 255, range(9)) + b"three more words", "truncated or damaged"),
    ],
)
def test_a_pixmap_that_holds_too_little_or_too_much_is_rejected(data, reason):
    with pytest.raises(ImageRejectedError, match=reason):
        decode(data)


@pytest.mark.parametrize("size", [(16_320, 12_240), (20_000, 2_000), (30_000, 5_000), (60_000, 90)])
def test_photographs_of_200_megapixels_and_panoramas_are_read(size):
    grey = encoded(Image.new("L", size, 90), "JPEG", quality=10)
    small = decode(grey, (224, 224))
    assert min(small.shape[:2]) >= min(224, min(size))
    assert abs(int(small.mean()) - 90) <= 2


def test_a_limit_names_its_option_and_is_not_remembered():
    with pytest.raises(ImageRejectedError, match="--max-pixels raises the limit") as refused:
        decode(encoded(Image.new("L", (40, 10)), "PNG"), limits=Limits(pixels=30))
    assert is_temporary(str(refused.value))


@pytest.mark.parametrize("bits", [9, 10, 11, 12, 14, 16])
@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_grey_of_few_bits_is_stretched_where_that_is_asked_for(bits, format):
    ramp = np.tile(np.linspace(0, 2**bits - 1, 256), (8, 1)).astype(np.uint16)
    data = encoded(Image.fromarray(ramp), format)
    assert decode(data).max() == round((2**bits - 1) / 257)
    stretched = decode_picture(data, grey16="stretch")
    assert stretched.kind.brightest == 2**bits - 1
    assert (stretched.pixels.min(), stretched.pixels.max()) == (0, 255)
    assert len(np.unique(stretched.pixels)) == 256


def jpeg_segments(segment, n):
    data = encoded(Image.new("RGB", (9, 9)), "JPEG")
    return data[:2] + segment * n + data[2:]


def tiff_of_tiles(side):
    """Tiles of one pixel, all of them the same byte."""
    n = side * side
    entries = [(256, 1, side), (257, 1, side), (258, 1, 8), (262, 1, 1), (322, 1, 1), (323, 1, 1)]
    entries += [(324, n, 200), (325, n, 200 + 4 * n)]
    directory = b"".join(struct.pack("<HHII", tag, 4, count, at) for tag, count, at in entries)
    head = b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + directory
    return head.ljust(200, b"\0") + struct.pack("<I", 8) * n + struct.pack("<I", 1) * n


def png_chunks(n, kind=b"tEXt"):
    data = encoded(Image.new("RGB", (9, 9)), "PNG")
    chunk = b"\0\0\0\0" + kind + zlib.crc32(kind).to_bytes(4, "big")
    return data[:33] + chunk * n + data[33:]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (jpeg_segments(b"\xff\xe1\0\x12Exif\0\0" + bytes(10), 200_000), "more than 64 Exif segm"),
        (jpeg_segments(b"\xff\xfe\0\2", 2_001), "more than 2,000 segments before the picture"),
        (jpeg_segments(b"\xff", 100_000), "more than 65,536 bytes between the segments"),
        (jpeg_segments(b"\xff\x01", 100_000), "more than 65,536 bytes between the segments"),
        (png_chunks(300_000), "more than 16,0[0-9]+ chunks in a PNG file"),
        (png_chunks(5, b"iCCP"), "more than 4 colour profiles"),
        (b"GIF89a\1\0\1\0\0\0\0!\xfe" + b"\1a" * 500_000, "more than 2,000 blocks"),
        (b"GIF89a\1\0\1\0\0\0\0" + b"!\xfe\0" * 2_001, "more than 2,000 blocks"),
        (b"GIF89a\1\0\1\0\0\0\0" + bytes(300_000), "more than 262,144 bytes before the first"),
        (b"BM" + bytes(28) + b"\1" + bytes(5_000_000), "more than 4,194,304 bytes in a BMP file"),
        (tiff_of_tiles(1_400), "more than 100,000 strips or tiles"),
        (b"P6 #" + b"a" * 2_000_000, "no size in the first 4,096 bytes"),
        (b"II*\0\x08\0\0\0" + b"\xff" * 800_000, "more than 4,096 entries"),
        (
            b"II*\0\x08\0\0\0\x10\0" + b"\0\x90\1\0\0\0\1\0\0\0\0\0" * 16,
            "claim more bytes than the file has",
        ),
    ],
)
def test_headers_that_cost_more_than_real_ones_are_refused_unread(data, reason, monkeypatch):
    monkeypatch.setattr(images.Image, "open", None)
    with pytest.raises(ImageRejectedError, match=reason):
        decode(data)


def test_a_few_segments_and_chunks_are_read():
    exif = b"\xff\xe1\0\x12Exif\0\0" + bytes(10)
    for data in (
        jpeg_segments(exif, 20),
        jpeg_segments(b"\xff\xe2\xff\xff" + bytes(65_533), 200),
        jpeg_segments(b"\xff", 2_000),
        png_chunks(500),
    ):
        assert decode(data).shape == (9, 9, 3)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\0\0\0\x18ftypmp42\0\0\0\0isom", "a video"),
        (b"8BPS\0\1", "Photoshop"),
        (b"<?xml version='1.0'?><svg xmlns='x'/>", "SVG"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"\xff\x0a" + b"\0" * 9, "JPEG XL"),
        (b"II*\0\x10\0\0\0CR\2\0", "raw photograph"),
        (b"P6\nno size", "PPM"),
    ],
)
def test_other_formats_are_named(data, reason):
    with pytest.raises(ImageRejectedError, match=reason):
        decode(data)


def test_a_tiff_of_five_channels_is_called_one():
    data = encoded(Image.new("CMYK", (4, 4)), "TIFF")
    where = data.index(b"\x15\x01\x03\0\1\0\0\0") + 8
    with pytest.raises(ImageRejectedError, match="a TIFF of 5 channels"):
        decode(data[:where] + b"\5" + data[where + 1 :])


def test_floating_point_and_wide_grey_are_refused():
    with pytest.raises(ImageRejectedError, match="floating-point"):
        decode(encoded(Image.new("F", (4, 4), 0.5), "TIFF"))
    with pytest.raises(ImageRejectedError, match="16 bits"):
        decode(encoded(Image.new("I", (4, 4), 70_000), "TIFF"))


def test_broken_exif_does_not_cost_the_photograph(corners):
    data = encoded(corners, "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert quarters(decode(data)) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize(
    ("at_least_px", "shape"),
    [
        ((60, 80), (75, 100)),  # 1/16: an eighth while it is decoded, and a half after that
        ((76, 80), (150, 200)),
        ((600, 800), (600, 800)),
        ((601, 800), (1200, 1600)),
        ((2000, 2000), (1200, 1600)),
    ],
)
@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_a_large_picture_is_halved_while_both_sides_are_large_enough(format, at_least_px, shape):
    y, x = np.mgrid[:1200, :1600]
    smooth = np.stack([x * 255 / 1600, y * 255 / 1200, (x + y) * 255 / 2800], axis=-1)
    options = {"quality": 95} if format == "JPEG" else {"compress_level": 1}
    data = encoded(Image.fromarray(smooth.astype(np.uint8)), format, **options)
    small = decode(data, at_least_px=at_least_px)
    assert small.shape == (*shape, 3)
    expected = np.asarray(Image.fromarray(decode(data)).reduce(1200 // shape[0])).astype(int)
    assert np.abs(small.astype(int) - expected).max() <= 3


@pytest.mark.parametrize("reduction", [1, 2, 8])
def test_strips_of_a_picture_are_averaged_as_the_whole(monkeypatch, reduction):
    monkeypatch.setattr(colours, "_SMALL_STRIP_PIXELS", 500)
    pixels = np.random.default_rng(0).integers(0, 256, (101, 37, 3), dtype=np.uint8)
    expected = np.asarray(Image.fromarray(pixels).reduce(reduction))
    assert np.array_equal(colours.reduced(pixels, reduction), expected)


def test_halving_respects_the_orientation():
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(Image.new("RGB", (1600, 400)), "JPEG", exif=exif)
    assert decode(data, at_least_px=(400, 100)).shape == (400, 100, 3)
    assert decode(data, at_least_px=(401, 100)).shape == (800, 200, 3)


@pytest.fixture
def photographs() -> list[bytes]:
    """JPEG files of every kind that cameras and programs write."""
    random = np.random.default_rng(3)
    coarse = Image.fromarray(random.integers(0, 256, (9, 7, 3), dtype=np.uint8))
    picture = coarse.resize((231, 317), Image.Resampling.BICUBIC)
    kinds = [{"subsampling": kind} for kind in ("4:4:4", "4:2:2", "4:2:0")]
    kinds += [{"quality": quality} for quality in (20, 75, 98)]
    kinds += [{"progressive": True}, {"optimize": True}, {"restart_marker_rows": 1}]
    kinds += [{"keep_rgb": True}]
    return [
        *(encoded(picture, "JPEG", **kind) for kind in kinds),
        encoded(picture.convert("L"), "JPEG"),
    ]


@pytest.mark.parametrize("at_least_px", [None, (150, 100), (70, 50), (39, 28), (10, 10)])
def test_both_jpeg_decoders_give_the_same_pixels(photographs, at_least_px, monkeypatch):
    fast = [decode(data, at_least_px) for data in photographs]
    asked = []

    def refuse(data, *arguments, **settings):
        asked.append(data)
        raise ValueError("as if it could not")

    monkeypatch.setattr(images.simplejpeg, "decode_jpeg", refuse)
    for one, data in zip(fast, photographs, strict=True):
        assert np.array_equal(one, decode(data, at_least_px))
    assert asked == photographs


def test_a_jpeg_that_breaks_a_rule_but_can_be_read_is_read(photographs):
    """Stray bytes between segments, as some cameras leave them: simplejpeg is strict."""
    data = photographs[0]
    position = data.index(b"\xff\xdb")
    stray = data[:position] + b"\0\0\0" + data[position:]
    with pytest.raises(ValueError, match="(?i)extraneous|corrupt"):
        simplejpeg.decode_jpeg(stray)
    assert np.array_equal(decode(stray), decode(data))


def test_golden_pixels():
    """The decoder's version is part of every fingerprint: when these change, it must be raised."""
    y, x = np.mgrid[:90, :160]
    picture = Image.fromarray(np.stack([x * y // 9, 7 * x + y, x**2 % 251], -1).astype(np.uint8))
    with open(os.path.join(os.path.dirname(__file__), "golden.jpg"), "rb") as file:
        jpeg = file.read()
    found = {"version": images.DECODER_VERSION, "rule": preprocess.RESIZE_RULE}
    for name, data in {"png": encoded(picture, "PNG"), "jpeg": jpeg}.items():
        for how in preprocess.FITS:
            for side in (224, 37):
                pixels = decode_and_resize(data, Preprocessing((side, side), how)).pixels
                found[f"{name} {how} {side}"] = hashlib.sha256(pixels.tobytes()).hexdigest()[:16]
    assert found == GOLDEN


GOLDEN = {
    "version": 4,
    "rule": "halved by averaging while both sides keep the input's, then bilinear (bit-exact)",
    "png squash 224": "7969b7a7d869928c",
    "png squash 37": "14d6c46d0f8d5bb5",
    "png crop 224": "be9dd50d1dc0ab07",
    "png crop 37": "b995f8653db6fcdd",
    "png pad 224": "43abe21e5baa7607",
    "png pad 37": "c3f453b4687c7486",
    "jpeg squash 224": "b37f3379b47f5c48",
    "jpeg squash 37": "6e45134589c636cd",
    "jpeg crop 224": "84b985dad7013a4d",
    "jpeg crop 37": "d5c675772d1976f9",
    "jpeg pad 224": "63b4f5cd9c6104af",
    "jpeg pad 37": "a5b13dd0c4ae1b71",
}


def test_squash_scales_the_sides_independently(corners):
    pixels = fit(np.asarray(corners), (40, 40))
    assert pixels.shape == (40, 40, 3)
    assert quarters(pixels) == [RED, GREEN, BLUE, WHITE]


def test_crop_takes_the_middle_and_keeps_the_ratio():
    stripes = np.zeros((10, 40, 3), np.uint8)
    stripes[:, 15:25] = 200  # the middle square, and nothing else
    assert (fit(stripes, (20, 20), "crop") == 200).all()
    assert (fit(stripes.transpose(1, 0, 2), (20, 20), "crop") == 200).all()
    wide = np.zeros((30, 30, 3), np.uint8)
    wide[10:20] = 7
    assert (fit(wide, (10, 30), "crop") == 7).all()


def test_pad_shows_all_of_it_on_grey():
    white = np.full((10, 40, 3), 255, np.uint8)
    padded = fit(white, (20, 20), "pad")
    assert (padded[7:12] == 255).all()  # 5 rows of 20, in the middle
    assert (padded[:7] == 128).all()
    assert (padded[12:] == 128).all()
    assert (fit(white[:, :10], (20, 20), "pad") == 255).all()


def test_an_extreme_shape_becomes_no_empty_picture():
    for how in preprocess.FITS:
        for shape in ((1, 5000, 3), (5000, 1, 3), (1, 1, 3)):
            assert fit(np.full(shape, 9, np.uint8), (64, 64), how).shape == (64, 64, 3)


def test_load_gives_height_width_rgb(corners):
    pixels = decode_and_resize(encoded(corners, "PNG"), Preprocessing((30, 50))).pixels
    assert pixels.shape == (30, 50, 3)
    assert pixels[2, 2].tolist() == [255, 0, 0]
    assert pixels[-3, -3].tolist() == [255, 255, 255]


def test_reading_what_is_no_file_ends_at_once_with_a_reason(tmp_path):
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
