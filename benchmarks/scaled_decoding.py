"""What reducing a picture while it is decoded saves, for photographs of the sizes that people have.

    python benchmarks/scaled_decoding.py photos/

The photographs are patchworks of those in the folder, enlarged to about the detail of a camera's,
in JPEG of quality 90 and others. Times are processor time of one core, least of the rounds, in
which all ways take turns:

- whole: decoded in full size, then scaled to the network's input.
- bottlebank: reduced to 1/2, 1/4 or 1/8 while it is decoded, as long as both sides keep the
  input's; what is left of the factor is averaged, in other formats all of it.
- in eighths: instead, the smallest size in eighths that keeps the input's, which libjpeg-turbo also
  offers. Only decoding it; beside it, in brackets, only decoding as bottlebank does.
- half of it: decoding half the size that bottlebank decodes, which is smaller than the input.
- Pillow: for WebP, as `bottlebank` with Pillow's decoder.
- libvips: libwebp's own scaling, where pyvips is installed.
"""

from __future__ import annotations

import argparse
import io
import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

os.environ.setdefault("VIPS_CONCURRENCY", "1")

import cv2
import numpy as np
import simplejpeg
from machine import machine
from PIL import Image

import bottlebank as bb
from bottlebank.features.images import webp
from bottlebank.features.images.decoder import decode, decode_picture
from bottlebank.features.images.fit import Preprocessing, decode_and_resize, fit
from bottlebank.features.images.formats import HAS_HEIF
from bottlebank.formatting import counted

SIZES = {(400, 533): 1.0, (1600, 1200): 1.5, (4032, 3024): 2.0, (8064, 6048): 3.0}
"""(width, height), and how much the patches are enlarged."""
INPUTS_PX = (224, 299)
LEAST_S = 0.2  # of a way in a round


class Photograph(NamedTuple):
    words: str
    format: str
    size: tuple[int, int]
    data: bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="a folder per class")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--largest", type=float, default=50, help="megapixels")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    print(f"{counted(arguments.rounds, 'round')}; {machine()}")
    sources = bb.load_dataset(arguments.data).paths
    for photograph in photographs(sources[:: max(1, len(sources) // 400)], arguments.largest):
        for input_px in INPUTS_PX:
            least = least_ms(ways(photograph, input_px), arguments.rounds)
            told = ", ".join(f"{name} {value:.2f}" for name, value in least.items())
            faster = least["whole"] / least["bottlebank"]
            print(f"{photograph.words}, {input_px} px: {told} ms; {faster:.2f} times", flush=True)


def photographs(sources: Sequence[str], largest_mp: float) -> Iterator[Photograph]:
    for size, enlarged in SIZES.items():
        if size[0] * size[1] > 1e6 * largest_mp:
            continue
        picture = patchwork(sources, size, enlarged)
        for name, format, options in (
            ("JPEG 4:2:0", "JPEG", {"quality": 90, "subsampling": "4:2:0"}),
            ("JPEG 4:4:4", "JPEG", {"quality": 90, "subsampling": "4:4:4"}),
            ("progressive 4:2:0", "JPEG", {"quality": 90, "progressive": True}),
            (
                "progressive 4:4:4",
                "JPEG",
                {"quality": 90, "progressive": True, "subsampling": "4:4:4"},
            ),
            ("WebP", "WEBP", {"quality": 80, "method": 2}),
            ("PNG", "PNG", {"compress_level": 3}),
            ("AVIF", "AVIF", {"quality": 70, "speed": 9}),
            ("HEIC", "HEIF", {"quality": 70}),
        ):
            if format == "HEIF" and not HAS_HEIF:
                continue
            data = encoded(picture, format, options)
            words = f"{name} {size[0]}x{size[1]}, {len(data) / 1000:,.0f} KB"
            yield Photograph(words, format, size, data)


def encoded(picture: Image.Image, format: str, options: dict[str, object]) -> bytes:
    if format == "HEIF":
        import pillow_heif

        pillow_heif.register_heif_opener()
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


def patchwork(sources: Sequence[str], size: tuple[int, int], enlarged: float) -> Image.Image:
    whole = Image.new("RGB", size)
    number = top = 0
    while top < size[1]:
        left = below = 0
        while left < size[0]:
            with Image.open(sources[number % len(sources)]) as image:
                patch = image.convert("RGB").resize(
                    (round(image.width * enlarged), round(image.height * enlarged)),
                    Image.Resampling.BICUBIC,
                )
            whole.paste(patch, (left, top))
            left, below, number = left + patch.width, max(below, patch.height), number + 1
        top += below
    return whole


def ways(photograph: Photograph, input_px: int) -> dict[str, Callable[[], object]]:
    data, how = photograph.data, Preprocessing((input_px, input_px))
    found: dict[str, Callable[[], object]] = {
        "whole": lambda: fit(decode(data), how.size_px),
        "bottlebank": lambda: decode_and_resize(data, how),
    }
    fraction = min(photograph.size) // input_px
    power = 1 << max(0, fraction.bit_length() - 1)
    if photograph.format == "JPEG":
        power = min(8, power)
        eighths = next(n for n in range(1, 9) if min(photograph.size) * n >= 8 * input_px)
        found |= {
            f"in eighths, {eighths}/8": lambda: scaled(photograph, eighths),
            f"[{8 // power}/8]": lambda: scaled(photograph, 8 // power),
        }
        if power < 8:
            found["half of it"] = lambda: scaled(photograph, 8 // power // 2)
    if photograph.format == "WEBP":
        found["Pillow"] = lambda: by_pillow(data, how)
        if libvips := scaled_by_libvips():
            found[f"libvips, 1/{power}"] = lambda: libvips(data, 1 / power)
    return found


def scaled(photograph: Photograph, eighths: int) -> np.ndarray:
    width, height = (-(-side * eighths // 8) for side in photograph.size)
    return simplejpeg.decode_jpeg(photograph.data, "RGB", min_height=height, min_width=width)


def by_pillow(data: bytes, how: Preprocessing) -> np.ndarray:
    ours, webp.pixels = webp.pixels, lambda image, data: None
    try:
        return fit(decode_picture(data, how.at_least_px).pixels, how.size_px)
    finally:
        webp.pixels = ours


def scaled_by_libvips() -> Callable[[bytes, float], np.ndarray] | None:
    try:
        import pyvips
    except ImportError:
        return None
    pyvips.cache_set_max(0)
    return lambda data, scale: pyvips.Image.webpload_buffer(data, scale=scale).numpy()


def least_ms(found: dict[str, Callable[[], object]], n_rounds: int) -> dict[str, float]:
    least = dict.fromkeys(found, float("inf"))
    for _ in range(n_rounds):
        for name, run in found.items():
            end = time.perf_counter() + LEAST_S
            while True:
                start = time.process_time()
                run()
                least[name] = min(least[name], 1000 * (time.process_time() - start))
                if time.perf_counter() > end:
                    break
    return least


if __name__ == "__main__":
    main()
