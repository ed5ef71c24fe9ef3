"""One picture, in every format and colour mode that is read."""

import functools
import importlib.util
import io
import struct

import numpy as np
from PIL import Image, features

WIDTH, HEIGHT = 128, 64  # HEVC's blocks: other sizes are cropped, before or after turns


def encoded(image: Image.Image, format: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def picture() -> Image.Image:
    """RGB, 128×64: no turn leaves it as it is."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    corner = np.where((x < 20) & (y < 20), 250, 40)
    return Image.fromarray(np.stack([x * 1.9, y * 3.9, corner], -1).astype(np.uint8))


def half_clear() -> Image.Image:
    """The picture, with its right half transparent."""
    pixels = np.asarray(picture().convert("RGBA")).copy()
    pixels[:, WIDTH // 2 :, 3] = 0
    return Image.fromarray(pixels)


def old_style_jpeg_tiff() -> bytes:
    """TIFF with compression 6, which holds a whole JPEG file."""
    jpeg = encoded(picture(), "JPEG", quality=95)
    start = 8 + 2 + 12 * 11 + 4
    tags = {256: (3, WIDTH), 257: (3, HEIGHT), 259: (3, 6), 262: (3, 6), 277: (3, 3)}
    tags |= {278: (3, HEIGHT), 513: (4, start + 6), 514: (4, len(jpeg)), 273: (4, start + 6)}
    tags |= {279: (4, len(jpeg)), 258: (3, start)}
    entries = b"".join(
        struct.pack("<HHII", tag, kind, 3 if tag == 258 else 1, value)
        for tag, (kind, value) in sorted(tags.items())
    )
    head = b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + bytes(4)
    return head + struct.pack("<3H", 8, 8, 8) + jpeg


@functools.cache
def written() -> dict[str, tuple[bytes, bool]]:
    """Files by what they are, and whether their right half is transparent."""
    rgb, rgba = picture(), half_clear()
    found = {
        "JPEG": (encoded(rgb, "JPEG", quality=95), False),
        "JPEG CMYK": (encoded(rgb.convert("CMYK"), "JPEG", quality=95), False),
        "JPEG progressive": (encoded(rgb, "JPEG", quality=95, progressive=True), False),
        "PNG": (encoded(rgb, "PNG"), False),
        "PNG RGBA": (encoded(rgba, "PNG"), True),
        "WebP RGBA": (encoded(rgba, "WEBP", lossless=True), True),
        "BMP": (encoded(rgb, "BMP"), False),
        "PPM": (encoded(rgb, "PPM"), False),
        "TIFF RGBA": (encoded(rgba, "TIFF"), True),
        "TIFF CMYK": (encoded(rgb.convert("CMYK"), "TIFF"), False),
        "BigTIFF": (encoded(rgb, "TIFF", big_tiff=True), False),
        "JPEG in TIFF": (encoded(rgb, "TIFF", compression="jpeg", quality=95), False),
        "YCbCr JPEG in TIFF": (
            encoded(rgb.convert("YCbCr"), "TIFF", compression="jpeg", quality=95),
            False,
        ),
    }
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits"):
        found[f"TIFF {compression}"] = encoded(rgb, "TIFF", compression=compression), False
    if features.check("avif"):
        found["AVIF"] = encoded(rgb, "AVIF", quality=95), False
        found["AVIF RGBA"] = encoded(rgba, "AVIF", quality=95), True
    if importlib.util.find_spec("pillow_heif"):
        import pillow_heif

        pillow_heif.register_heif_opener()
        found["HEIC"] = encoded(rgb, "HEIF", quality=95), False
        found["HEIC RGBA"] = encoded(rgba, "HEIF", quality=95), True
        wide = (np.asarray(rgb).astype(np.uint16) * 257).tobytes()
        buffer = io.BytesIO()
        pillow_heif.from_bytes("RGB;16", rgb.size, wide).save(buffer, quality=95)
        found["HEIC of 10 bits"] = buffer.getvalue(), False
    return found
