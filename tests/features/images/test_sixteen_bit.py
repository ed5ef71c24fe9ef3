"""Pictures of more than 8 bits a channel, in every format that has them."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from bottlebank.errors import ImageRejectedError
from bottlebank.features.images.decoder import decode, decode_picture, picture_of
from bottlebank.features.images.sixteen_bit import is_deep

HEIGHT, WIDTH = 24, 32


def ramps(greatest, n_channels=3):
    """uint16 (24, 32, n_channels): from 0 to the greatest value, along x, y and both."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    channels = [x / (WIDTH - 1), y / (HEIGHT - 1), (x + y) / (WIDTH + HEIGHT - 2)]
    return (np.stack(channels[:n_channels], -1) * greatest).round().astype(np.uint16)


def in_8_bits(n_channels=3):
    """Int (24, 32, n_channels): what `ramps` look like when their greatest value is white."""
    return ramps(255, n_channels).astype(int)


def with_alpha(colours):
    alpha = np.full((*colours.shape[:2], 1), 0xFFFF, np.uint16)
    alpha[:, :8] = 0
    return np.concatenate([colours, alpha], axis=-1)


def png(pixels, extra=b""):
    """A PNG file of 16 bits: grey, grey with alpha, RGB or RGBA by the number of channels."""

    def chunk(kind, content):
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    height, width, n_channels = pixels.shape
    header = struct.pack(
        ">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[n_channels], 0, 0, 0
    )
    rows = b"".join(b"\0" + row.tobytes() for row in pixels.astype(">u2"))
    parts = (
        chunk(b"IHDR", header),
        extra and chunk(b"tRNS", extra),
        chunk(b"IDAT", zlib.compress(rows)),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")


def tiff(size, bits, body, tags=(), order="<"):
    """A TIFF file in one strip, or as many as there are entries in `body`."""
    strips = [body] if isinstance(body, bytes) else body
    fields = {256: (size[1],), 257: (size[0],), 258: bits, 259: (1,), 262: (1,), 277: (len(bits),)}
    fields |= {278: (size[0],), 279: tuple(map(len, strips)), **dict(tags)}
    kinds = {273: "I", 279: "I"}
    at = 10 + 12 * (len(fields) + 1) + 4
    outside = b""
    fields[273] = (0,) * len(strips)
    n_outside = sum(
        struct.calcsize(f"={len(values)}{kinds.get(tag, 'H')}")
        for tag, values in fields.items()
        if struct.calcsize(f"={len(values)}{kinds.get(tag, 'H')}") > 4
    )
    starts = np.cumsum([0, *map(len, strips)])[:-1] + at + n_outside
    fields[273] = tuple(starts.tolist())
    entries = b""
    for tag, values in sorted(fields.items()):
        kind = kinds.get(tag, "H")
        content = struct.pack(f"{order}{len(values)}{kind}", *values)
        if len(content) > 4:
            content, outside = struct.pack(f"{order}I", at + len(outside)), outside + content
        code = 3 if kind == "H" else 4
        entries += struct.pack(f"{order}HHI", tag, code, len(values)) + content.ljust(4, b"\0")
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(fields))
    return head + entries + bytes(4) + outside + b"".join(strips)


def cv2_file(extension, pixels, *options):
    order = cv2.COLOR_RGBA2BGRA if pixels.shape[2] == 4 else cv2.COLOR_RGB2BGR
    return cv2.imencode(extension, cv2.cvtColor(pixels, order), options)[1].tobytes()


def ppm(pixels):
    return b"P6 %d %d 65535\n" % (WIDTH, HEIGHT) + pixels.astype(">u2").tobytes()


def tiff_of(pixels, order):
    body = pixels.astype(f"{order}u2").tobytes()
    extra = {338: (2,)} if pixels.shape[2] == 4 else {}
    return tiff(pixels.shape, (16,) * pixels.shape[2], body, {262: (2,), **extra}, order)


COLOURS = {
    "PNG": png,
    "TIFF little-endian": lambda pixels: tiff_of(pixels, "<"),
    "TIFF big-endian": lambda pixels: tiff_of(pixels, ">"),
    "TIFF deflate": lambda pixels: cv2_file(".tiff", pixels, cv2.IMWRITE_TIFF_COMPRESSION, 8),
    "TIFF LZW": lambda pixels: cv2_file(".tiff", pixels, cv2.IMWRITE_TIFF_COMPRESSION, 5),
}


@pytest.mark.parametrize("bits", [8, 9, 10, 12, 14, 16])
@pytest.mark.parametrize("write", [*COLOURS.values(), ppm], ids=[*COLOURS, "PPM"])
def test_colour_of_few_bits_is_named_and_stretched(write, bits):
    greatest = (1 << bits) - 1
    data = write(ramps(greatest))
    dark = decode_picture(data)
    assert dark.kind.brightest == pytest.approx(greatest, abs=255)
    assert dark.kind.brightest.bit_length() == bits
    assert np.abs(dark.pixels - ramps(greatest) / 257.0).max() <= 1
    stretched = decode_picture(data, grey16="stretch")
    assert np.abs(stretched.pixels - in_8_bits()).max() <= 1
    assert decode(data, (6, 8), grey16="stretch").shape == (6, 8, 3)


@pytest.mark.parametrize("write", COLOURS.values(), ids=COLOURS)
def test_transparency_is_laid_on_white_and_stretched_by_its_own_bits(write):
    stretched = decode(write(with_alpha(ramps(4095))), grey16="stretch")
    assert (stretched[:, :8] == 255).all()
    assert np.abs(stretched[:, 8:] - in_8_bits()[:, 8:]).max() <= 1
    both = with_alpha(ramps(1023))
    both[..., 3] >>= 6
    assert np.array_equal(decode(write(both), grey16="stretch")[:, :8], stretched[:, :8])
    assert (
        np.abs(decode(write(both), grey16="stretch")[:, 8:] - stretched[:, 8:].astype(int)).max()
        <= 1
    )


def test_grey_with_transparency_is_stretched():
    data = png(with_alpha(ramps(4095, 1)))
    assert decode_picture(data).kind.brightest == 4095
    stretched = decode(data, grey16="stretch")
    assert (stretched[:, :8] == 255).all()
    assert np.abs(stretched[:, 8:, 0] - in_8_bits(1)[:, 8:, 0]).max() <= 1


@pytest.mark.parametrize("grey16", ["scale", "stretch"])
@pytest.mark.parametrize("n_channels", [1, 3])
def test_the_one_transparent_colour_is_compared_in_all_its_bits(n_channels, grey16):
    pixels = ramps(65_535, n_channels)
    pixels[:, :2] = np.array([0x1234, 0x5678, 0x9ABC][:n_channels])
    pixels[:, 2:4] = np.array([0x1235, 0x5678, 0x9ABC][:n_channels])  # the same in 8 bits
    found = decode(png(pixels, pixels[0, 0].astype(">u2").tobytes()), grey16=grey16)
    assert (found[:, :2] == 255).all()
    assert found[0, 2, 0] == 0x12


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_picture_is_turned_once(orientation):
    body = ramps(4095).astype("<u2").tobytes()
    data = tiff((HEIGHT, WIDTH), (16, 16, 16), body, {262: (2,), 274: (orientation,)})
    eight = ramps(255).astype(np.uint8).tobytes()
    expected = decode(tiff((HEIGHT, WIDTH), (8, 8, 8), eight, {262: (2,), 274: (orientation,)}))
    assert np.abs(decode(data, grey16="stretch") - expected.astype(int)).max() <= 1


def test_planes_of_16_bits_are_refused_where_they_would_be_read_wrong():
    planes = [plane.astype("<u2").tobytes() for plane in ramps(65_535).transpose(2, 0, 1)]
    data = tiff((HEIGHT, WIDTH), (16, 16, 16), planes, {262: (2,), 284: (2,)})
    with pytest.raises(
        ImageRejectedError, match=r"TIFF of 16 bits.*one after the other \(planar\)"
    ):
        decode(data)
    planes = [plane.astype(np.uint8).tobytes() for plane in ramps(255).transpose(2, 0, 1)]
    data = tiff((HEIGHT, WIDTH), (8, 8, 8), planes, {262: (2,), 284: (2,)})
    assert np.array_equal(decode(data), ramps(255).astype(np.uint8))


def test_compressed_planes_that_cannot_be_stretched_are_refused():
    planes = [zlib.compress(p.astype("<u2").tobytes()) for p in ramps(4095).transpose(2, 0, 1)]
    data = tiff((HEIGHT, WIDTH), (16, 16, 16), planes, {259: (8,), 262: (2,), 284: (2,)})
    assert np.abs(decode(data) - ramps(4095) / 257.0).max() <= 1
    with pytest.raises(ImageRejectedError, match="TIFF of 16 bits.*lower bits cannot be read"):
        decode(data, grey16="stretch")


@pytest.mark.parametrize("bits", [8, 16])
def test_where_white_is_0_grey_is_inverted(bits):
    dtype = {8: np.uint8, 16: "<u2"}[bits]
    body = ramps((1 << bits) - 1, 1).astype(dtype).tobytes()
    found = decode(tiff((HEIGHT, WIDTH), (bits,), body, {262: (0,)}))
    assert np.abs(found[..., 0] - (255 - in_8_bits(1)[..., 0])).max() <= 1


@pytest.mark.parametrize("grey16", ["scale", "stretch"])
def test_white_of_grey_packed_in_12_bits_is_4095(grey16):
    values = ramps(4095, 1).reshape(HEIGHT, WIDTH)
    bits = (values[..., None] >> np.arange(11, -1, -1)) & 1
    body = np.packbits(bits.astype(np.uint8).reshape(HEIGHT, -1), axis=1).tobytes()
    found = decode_picture(tiff((HEIGHT, WIDTH), (12,), body), grey16=grey16)
    assert np.abs(found.pixels[..., 0] - in_8_bits(1)[..., 0]).max() <= 1
    assert found.kind.brightest > 0xF000


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_colour_packed_in_few_bits_is_refused_by_name(bits):
    data = tiff((HEIGHT, WIDTH), (bits,) * 3, bytes(HEIGHT * WIDTH * 6), {262: (2,)})
    with pytest.raises(ImageRejectedError, match=f"TIFF .*3 channels of {bits}/{bits}/{bits} bits"):
        decode(data)


def test_a_picture_that_pillow_holds_says_what_to_give_instead():
    data = png(ramps(4095))
    with Image.open(io.BytesIO(data)) as opened:
        assert is_deep(opened)
        with pytest.raises(ImageRejectedError, match="give its path or the bytes"):
            picture_of(opened, grey16="stretch")
    with Image.open(io.BytesIO(data)) as opened:
        assert np.array_equal(picture_of(opened).pixels, decode(data))


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("write", COLOURS.values(), ids=COLOURS)
def test_a_truncated_file_is_rejected(write, share):
    data = write(ramps(4095))
    end = int(len(data) * share)
    with pytest.raises(ImageRejectedError, match=r"damaged|truncated"):
        decode(data[:end], grey16="stretch")
