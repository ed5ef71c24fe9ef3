"""With whatever memory, an image is decoded or said to want memory: never called damaged."""

import io
import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
from PIL import Image

from bottlebank.features.images.formats import HAS_HEIF

SIZE_PX = (4000, 3000)
MORE_MIB = (2, 6, 12, 24, 36, 48, 72, 96, 120, 144)
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits RLIMIT_DATA")

# What a process had before, and has given back to its allocator, it may use again. So files come
# from outside, and the limit is above what it has then.
CHILD = """
import json, resource, sys
from pathlib import Path
import cv2
from bottlebank.errors import ImageRejectedError
from bottlebank.features.images.fit import Preprocessing, decode_and_resize
from PIL import Image
cv2.setNumThreads(1)
Image.init()  # with too little memory, Pillow would go on without its plugins
data = Path(sys.argv[1]).read_bytes()
answers = []
def taken():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmData"))
def decoded():
    try:
        pixels = decode_and_resize(data, Preprocessing((32, 32))).pixels
    except ImageRejectedError as error:
        return str(error)
    except MemoryError:
        return "MemoryError"
    return pixels.tolist()
for more in json.loads(sys.argv[2]):
    resource.setrlimit(resource.RLIMIT_DATA, (taken() + (more << 20), -1))
    answers.append(decoded())
resource.setrlimit(resource.RLIMIT_DATA, (-1, -1))
print(json.dumps([decoded(), answers]))
"""


def encoded(picture, format, **options):
    file = io.BytesIO()
    picture.save(file, format, **options)
    return file.getvalue()


@pytest.fixture(scope="module")
def picture():
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    return Image.fromarray(noise).resize(SIZE_PX, Image.Resampling.NEAREST)


def of_16_bits(picture):
    deep = np.asarray(picture).astype(">u2") * 257
    return b"P6 %d %d 65535\n%b" % (*SIZE_PX, deep.astype(">u2").tobytes())


FILES = {
    "progressive JPEG": lambda it: encoded(it, "JPEG", progressive=True, subsampling=0),
    "progressive JPEG in CMYK": lambda it: encoded(it.convert("CMYK"), "JPEG", progressive=True),
    "progressive JPEG in grey": lambda it: encoded(it.convert("L"), "JPEG", progressive=True),
    "transparent PNG": lambda it: encoded(it.convert("RGBA"), "PNG", compress_level=1),
    "PNG of 16 bits": lambda it: cv2.imencode(".png", np.asarray(it).astype(np.uint16))[1],
    "WebP": lambda it: encoded(it, "WEBP", method=0),
    "lossless WebP": lambda it: encoded(it, "WEBP", method=0, lossless=True, quality=0),
    "GIF": lambda it: encoded(it, "GIF"),
    "BMP": lambda it: encoded(it, "BMP"),
    "TIFF": lambda it: encoded(it, "TIFF", compression="tiff_lzw"),
    "PPM of 16 bits": of_16_bits,
    "AVIF": lambda it: encoded(it, "AVIF", speed=10),
    "HEIC": lambda it: encoded(it, "HEIF"),
}


QUICK = ("progressive JPEG", "lossless WebP")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in FILES],
)
def test_too_little_memory_is_not_called_damage(name, picture, tmp_path):
    if name == "HEIC":
        if not HAS_HEIF:
            pytest.skip("pillow-heif is not installed")
        import pillow_heif

        pillow_heif.register_heif_opener()
    path = tmp_path / "image"
    path.write_bytes(FILES[name](picture))
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(path), json.dumps(MORE_MIB)],
        capture_output=True,
        text=True,
        check=True,
    )
    expected, answers = json.loads(done.stdout)
    assert isinstance(expected, list)
    wrong = [
        (more, answer)
        for more, answer in zip(MORE_MIB, answers, strict=True)
        if answer not in (expected, "too little memory to decode it", "MemoryError")
    ]
    assert wrong == []


def test_a_damaged_webp_file_is_called_damaged_where_there_is_memory(picture, tmp_path):
    path = tmp_path / "image"
    path.write_bytes(FILES["lossless WebP"](picture)[:5000])
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(path), "[2, 400]"],
        capture_output=True,
        text=True,
        check=True,
    )
    expected, answers = json.loads(done.stdout)
    assert "damaged or truncated" in expected
    assert answers == ["too little memory to decode it", expected]
