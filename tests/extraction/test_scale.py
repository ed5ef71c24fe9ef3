"""Many images: what is known is not extracted again, in little memory, whatever their number.

The times are printed (`pytest -s`), never asserted: `benchmarks/` is where speed is compared.
"""

import hashlib
import io
import json
import os
import shutil
import struct
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from bottlebank.cache import CacheFolder, Stamp, content_of_bytes

N_IMAGES = 100_000
N_CLASSES = 10
MAX_MEMORY_MB = 500


def tiny_bitmap(number: int) -> bytes:
    """A BMP file of 1x1 to 8x8 pixels that no other number has."""
    width, height = 2 + number % 7, 2 + number // 7 % 7
    row_bytes = (3 * width + 3) // 4 * 4
    pixels = hashlib.shake_128(str(number).encode()).digest(row_bytes * height)
    header = struct.pack("<2sIHHI", b"BM", 54 + len(pixels), 0, 0, 54)
    return header + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, *[0] * 6) + pixels


def add_images(root, numbers) -> None:
    for name in range(N_CLASSES):
        (root / f"class {name}").mkdir(parents=True, exist_ok=True)
    for number in numbers:
        with open(root / f"class {number % N_CLASSES}" / f"{number:07d}.bmp", "wb") as file:
            file.write(tiny_bitmap(number))


# The peak that `getrusage` tells begins with that of the process that forked.
MEASURED = r"""
import re, sys
from bottlebank.cli import main
from bottlebank.features.images.decoder_pool import DecoderPool

def peak_kib(pid):
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(r"VmHWM:\s*(\d+) kB", status.read())[1])

real, decoders_kib = DecoderPool.__exit__, []
def exit(self, *exception):
    decoders_kib.extend(peak_kib(one._process.pid) for one in self._decoders if one._process)
    return real(self, *exception)

DecoderPool.__exit__ = exit
code = main(sys.argv[1:])
print(peak_kib("self") + sum(decoders_kib), file=sys.stderr)
sys.exit(code)
"""


def extract_in_a_process(data, cache) -> tuple[dict, float]:
    """What the command answers, and the most memory that it and its decoders held, in MB."""
    options = ["--extractor", "random", "--precision", "float32", "--cache", str(cache), "--json"]
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, "extract", str(data), *options],
        capture_output=True,
        text=True,
    )
    seconds = time.perf_counter() - start
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    memory_mb = int(done.stderr.split()[-1]) * 1024 / 1e6
    print(  # noqa: T201 (for `pytest -s`)
        f"{answer['images']} images, {answer['extracted']} extracted: "
        f"{seconds:.2f} s in all, {memory_mb:.0f} MB"
    )
    return answer, memory_mb


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak of the memory is read from /proc")
def test_a_hundred_thousand_images(tmp_path, cache):
    """First run; unchanged; 100 added; 1,000 renamed."""
    data = tmp_path / "photos"
    add_images(data, range(N_IMAGES))
    first, _ = extract_in_a_process(data, cache)
    assert (first["images"], first["extracted"], first["rejected"]) == (N_IMAGES, N_IMAGES, 0)

    unchanged, memory_mb = extract_in_a_process(data, cache)
    assert (unchanged["cached"], unchanged["extracted"]) == (N_IMAGES, 0)
    assert memory_mb < MAX_MEMORY_MB

    add_images(data, range(N_IMAGES, N_IMAGES + 100))
    added, memory_mb = extract_in_a_process(data, cache)
    assert (added["cached"], added["extracted"]) == (N_IMAGES, 100)
    assert memory_mb < MAX_MEMORY_MB

    for number in range(0, N_IMAGES, N_IMAGES // 1000):
        old = data / f"class {number % N_CLASSES}" / f"{number:07d}.bmp"
        os.rename(old, data / f"class {(number + 3) % N_CLASSES}" / f"renamed {number}.bmp")
    renamed, memory_mb = extract_in_a_process(data, cache)
    assert (renamed["cached"], renamed["extracted"]) == (N_IMAGES + 100, 0)
    assert memory_mb < MAX_MEMORY_MB


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak of the memory is read from /proc")
def test_memory_is_flat(tmp_path, cache):
    """Ten times as many photographs, of 1,600 × 1,200 pixels, take no more memory."""
    random = np.random.default_rng(0)
    coarse = Image.fromarray(random.integers(0, 256, (30, 40, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    coarse.resize((1600, 1200), Image.Resampling.BICUBIC).save(buffer, "JPEG")
    photograph = buffer.getvalue()
    peaks_mb = []
    for n_images in (2_000, 20_000):
        data = tmp_path / str(n_images)
        for name in ("a", "b"):
            (data / name).mkdir(parents=True)
        for number in range(n_images):  # a comment makes each of them new
            comment = b"\xff\xfe\x00\x0a" + b"%08d" % (n_images + number)
            path = data / "ab"[number % 2] / f"{number}.jpg"
            path.write_bytes(photograph[:2] + comment + photograph[2:])
        answer, peak_mb = extract_in_a_process(data, cache)
        assert answer["extracted"] == n_images
        peaks_mb.append(peak_mb)
        shutil.rmtree(data)
    assert peaks_mb[1] <= 1.5 * peaks_mb[0]


@pytest.mark.parametrize("step", [1, 500])
def test_files_that_are_asked_for_together_are_known_as_one_by_one(tmp_path, step, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.makedirs("photos/deeper")
    names = [f"photos/{number}.bmp" for number in range(1500)]
    names += ["photos/deeper/1.bmp", "top.bmp", "photos/./7.bmp", "photos//8.bmp"]
    names += [os.fsdecode(os.fsencode(tmp_path) + b"/photos/\xff\xfe.bmp")]
    for number, name in enumerate(names):
        with open(name, "wb") as file:
            file.write(tiny_bitmap(number))
    with CacheFolder(tmp_path / "cache", create=True) as folder:
        folder.remember_files(
            [(name, Stamp.of(os.stat(name)), content_of_bytes(os.fsencode(name))) for name in names]
        )
        os.utime("photos/1000.bmp", ns=(1, 1))
        asked = [*names[::step], *names[-5:], "photos/1000.bmp", str(tmp_path / "photos" / "3.bmp")]
        files = [(name, os.stat(name)) for name in asked]
        found = folder.index.contents_of_files(files)
        assert found == [folder.known_contents([(name, status)])[0] for name, status in files]
        assert found[-2] is None
        assert found[-3] == content_of_bytes(os.fsencode(names[-1]))
        assert found.count(None) == asked.count("photos/1000.bmp")
