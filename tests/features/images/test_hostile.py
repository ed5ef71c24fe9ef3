"""Images that are damaged, odd, or made to hurt: each gives the right pixels or a reason.

They are decoded as the extraction does it. What is looked at is that no process dies, that none is
at it for long, and that what is returned is never half a picture.
"""

import io
import struct
import time
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image, features

from bottlebank.errors import ImageRejectedError
from bottlebank.features.images import decoder_pool as decoders_module
from bottlebank.features.images.decoder import decode
from bottlebank.features.images.decoder_pool import MAX_DECODE_S, DecoderPool
from bottlebank.features.images.fit import Preprocessing, decode_and_resize

SIZE_PX = (64, 64)


def encoded(image: Image.Image, format: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def photograph(width: int = 160, height: int = 120) -> Image.Image:
    """Soft shapes with grain, so that every part of a file holds some of the picture."""
    random = np.random.default_rng(5)
    coarse = Image.fromarray(random.integers(0, 256, (5, 6, 3), dtype=np.uint8))
    soft = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.int16)
    grain = random.integers(-12, 13, (height, width, 3))
    return Image.fromarray((soft + grain).clip(0, 255).astype(np.uint8))


def in_every_format() -> dict[str, bytes]:
    picture = photograph()
    files = {
        "jpeg": encoded(picture, "JPEG"),
        "progressive jpeg": encoded(picture, "JPEG", progressive=True),
        "cmyk jpeg": encoded(picture.convert("CMYK"), "JPEG"),
        "png": encoded(picture, "PNG"),
        "palette png": encoded(picture.quantize(64), "PNG"),
        "webp": encoded(picture, "WEBP"),
        "lossless webp": encoded(picture, "WEBP", lossless=True),
        "gif": encoded(picture, "GIF"),
        "bmp": encoded(picture, "BMP"),
        "tiff": encoded(picture, "TIFF"),
        "lzw tiff": encoded(picture, "TIFF", compression="tiff_lzw"),
    }
    if features.check("avif"):
        files["avif"] = encoded(picture, "AVIF")
    return files


def truncated() -> dict[str, bytes]:
    return {
        f"{name}, {percent} %": data[: len(data) * percent // 100]
        for name, data in in_every_format().items()
        for percent in range(1, 100)
    }


def flipped() -> dict[str, bytes]:
    random = np.random.default_rng(6)
    files = {}
    for name, data in in_every_format().items():
        for number in range(12):
            damaged = bytearray(data)
            for position in random.integers(0, len(data), 1 + number):
                damaged[position] ^= 1 << random.integers(0, 8)
            files[f"{name}, {1 + number} bits flipped, {number}"] = bytes(damaged)
    return files


def png_chunk(kind: bytes, content: bytes) -> bytes:
    body = kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def png_that_claims(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + png_chunk(b"IDAT", b"")
        + png_chunk(b"IEND", b"")
    )


def png_with_a_text_bomb() -> bytes:
    whole = encoded(photograph(), "PNG")
    after_header = 8 + 25
    bomb = png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(200 << 20)))
    return whole[:after_header] + bomb + whole[after_header:]


def jpeg_with_scans(n_scans: int, side_px: int) -> bytes:
    """A progressive JPEG whose last scan is there again and again."""
    data = encoded(Image.new("RGB", (side_px, side_px), (200, 30, 60)), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    scan = data[last:-2]
    return data[:last] + scan * n_scans + data[-2:]


def animation(format: str, n_frames: int) -> bytes:
    frames = [Image.new("RGB", (32, 32), (number % 256, 80, 0)) for number in range(n_frames)]
    options = {"lossless": True} if format == "WEBP" else {}
    return encoded(frames[0], format, save_all=True, append_images=frames[1:], **options)


BOMBS = {
    "png of 256 million pixels": lambda: encoded(Image.new("1", (16_000, 16_000)), "PNG"),
    "png that claims 2^62 pixels": lambda: png_that_claims(2**31 - 1, 2**31 - 1),
    "png without width": lambda: png_that_claims(0, 5),
    "png that is one line": lambda: png_that_claims(40_000_000, 1),
    "gif that claims 4,000 million pixels": lambda: (
        b"GIF89a" + struct.pack("<HH", 65535, 65535) + encoded(photograph(), "GIF")[10:]
    ),
    "bmp that claims 4,000 million pixels": lambda: (
        b"BM" + struct.pack("<IHHI", 100, 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, 65000, 65000, 1, 24, 0, 0, 0, 0, 0, 0)
    ),
    "png with a comment of 200 MB": png_with_a_text_bomb,
    "jpeg of 1,000 scans": lambda: jpeg_with_scans(1000, 7000),
}  # fmt: skip


@pytest.fixture(scope="module")
def decoders():
    """Two processes that decode all of it, and no third."""
    started = []
    real = decoders_module._Decoder.start

    def start(self):
        started.append(self)
        return real(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoders_module._Decoder, "start", start)
        with DecoderPool(Preprocessing(SIZE_PX, "squash"), 2) as running:
            running.started = started
            yield running


class Outcome(NamedTuple):
    reason: str
    pixels: np.ndarray | None
    seconds: float


@pytest.fixture
def outcomes(decoders):
    """Decode files one by one; no process may die of them, or be at it for long."""

    def decode_one(data: bytes) -> Outcome:
        start = time.perf_counter()
        (reason,), pixels, _ = decoders.decode([data])
        return Outcome(reason, None if reason else pixels[0], time.perf_counter() - start)

    def decode_all(files: dict[str, bytes]) -> dict[str, Outcome]:
        with ThreadPoolExecutor(2) as pool:
            found = dict(zip(files, pool.map(decode_one, files.values()), strict=True))
        assert len(decoders.started) <= 2, "a process died"
        assert max(one.seconds for one in found.values()) < MAX_DECODE_S
        return found

    return decode_all


def test_a_truncated_image_is_whole_or_rejected(outcomes):
    """At every percent of every format; never grey where bytes are missing."""
    how = Preprocessing(SIZE_PX)
    whole = {name: decode_and_resize(data, how).pixels for name, data in in_every_format().items()}
    found = outcomes(truncated())
    assert len(found) >= 1000
    accepted = Counter()
    for name, one in found.items():
        if one.pixels is not None:
            kind = name.rpartition(",")[0]
            accepted[kind] += 1
            assert np.array_equal(one.pixels, whole[kind]), name
        else:
            assert one.reason.startswith(
                ("truncated or damaged: ", "damaged or truncated: ", "not an image")
            ), name
    assert max(accepted.values(), default=0) <= 2, accepted  # all but a trailer is there


def test_flipped_bits_give_a_picture_or_a_reason(outcomes):
    found = outcomes(flipped())
    assert len(found) >= 120
    for name, one in found.items():
        assert (one.pixels is None) == bool(one.reason), name
        if one.pixels is not None:
            assert one.pixels.shape == (*SIZE_PX, 3)


def test_bombs_are_refused_before_they_go_off(outcomes):
    found = outcomes({name: make() for name, make in BOMBS.items()})
    for name, one in found.items():
        assert one.pixels is None, name
    assert "more than the 250,000,000 in all" in found["png of 256 million pixels"].reason
    assert "more work than is put into an image" in found["jpeg of 1,000 scans"].reason


def test_a_progressive_photograph_of_many_scans_is_read():
    assert decode(jpeg_with_scans(1, 2000)).shape == (2000, 2000, 3)
    assert decode(jpeg_with_scans(150, 64)).shape == (64, 64, 3)
    with pytest.raises(ImageRejectedError, match="more than 200 scans of 64×64 pixels"):
        decode(jpeg_with_scans(201, 64))


@pytest.mark.slow
def test_the_largest_images_that_are_read_take_little_time(outcomes):
    side_px = 7000
    y, x = np.mgrid[:side_px, :side_px]
    grey = Image.fromarray(((x + y) * 120 // side_px).astype(np.uint8))
    colours = Image.merge("RGBA", (grey, grey, grey, Image.new("L", grey.size, 200)))
    found = outcomes(
        {
            "jpeg": encoded(colours.convert("RGB"), "JPEG"),
            "progressive jpeg": encoded(colours.convert("RGB"), "JPEG", progressive=True),
            "transparent png": encoded(colours, "PNG", compress_level=1),
            "webp": encoded(grey.convert("RGB"), "WEBP", method=0),
            "bmp": encoded(colours.convert("RGB"), "BMP"),
        }
    )
    assert {name: one.reason for name, one in found.items() if one.reason} == {}
    reference = found["bmp"].pixels.astype(int)
    middles = (np.arange(64) + 0.5) / 64
    ramp = 120 * (middles + middles[:, np.newaxis])
    assert np.abs(reference - ramp[..., np.newaxis]).max() <= 3
    for name in ("jpeg", "progressive jpeg", "webp"):
        assert np.abs(found[name].pixels - reference).max() <= 8, name
    on_white = 255 - (255 - reference) * 200 / 255
    assert np.abs(found["transparent png"].pixels - on_white).max() <= 3


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_an_animation_of_1000_frames_the_first_is_read(outcomes, format):
    found = outcomes({format: animation(format, 1000)})
    assert np.abs(found[format].pixels.astype(int) - (0, 80, 0)).max() <= 1


# A colour in a mode of Pillow, what it is in RGB (None: rejected), and the formats that hold it.
COLOURS = {
    "1": (1, (255, 255, 255), "PNG BMP TIFF"),
    "L": (100, (100, 100, 100), "JPEG PNG BMP TIFF"),
    "LA": ((10, 0), (255, 255, 255), "PNG TIFF"),
    "P": (7, (7, 248, 9), "PNG GIF BMP TIFF"),
    "RGB": ((9, 8, 7), (9, 8, 7), "JPEG PNG WEBP BMP TIFF"),
    "RGBA": ((200, 0, 0, 128), (227, 127, 127), "PNG WEBP TIFF"),
    "CMYK": ((0, 255, 255, 0), (255, 0, 0), "JPEG TIFF"),
    "YCbCr": ((128, 128, 128), (128, 128, 128), "TIFF"),
    "LAB": ((128, 128, 128), (119, 119, 119), "TIFF"),
    "I;16": (257 * 77, (77, 77, 77), "PNG TIFF"),
    "I": (257 * 50, (50, 50, 50), "TIFF"),
    "F": (0.5, None, "TIFF"),
}


def test_every_colour_mode_gives_its_colour_or_a_reason(outcomes):
    files = {}
    for mode, (value, _, formats) in COLOURS.items():
        image = Image.new(mode, (40, 30), value)
        if mode == "P":
            image.putpalette([level for red in range(256) for level in (red, 255 - red, 9)])
        for format in formats.split():
            data = encoded(image, format, quality=100)
            assert Image.open(io.BytesIO(data)).mode == mode
            files[mode, format] = data
    for (mode, format), one in outcomes(files).items():
        expected = COLOURS[mode][1]
        if expected is None:
            assert one.pixels is None, mode
        else:
            assert one.reason == "", (mode, format)
            assert np.abs(one.pixels.astype(int) - expected).max() <= 3, (mode, format)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".gif", ".bmp", ".tiff"])
def test_a_wrong_extension_changes_nothing(tmp_path, suffix):
    from bottlebank.features.images.decoder import read

    for name, data in in_every_format().items():
        path = tmp_path / f"{name}{suffix}"
        path.write_bytes(data)
        assert np.array_equal(decode(read(str(path))[0]), decode(data))


def test_words_of_a_reason_never_break_a_line():
    reasons = []
    for data in [*flipped().values(), b"\x89PNG\r\n\x1a\n\n\n", b"GIF89a\n"]:
        try:
            decode(data)
        except ImageRejectedError as error:
            reasons.append(str(error))
    assert reasons
    assert not [reason for reason in reasons if "\n" in reason or not reason.strip()]
