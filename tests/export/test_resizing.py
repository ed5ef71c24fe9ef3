"""Scaling in an export's graph against the project's own, picture by picture."""

import io
import itertools

import numpy as np
import pytest
from PIL import Image

from bottlebank.features.images.decoder import decode
from bottlebank.features.images.fit import FITS, Preprocessing
from bottlebank.features.images.resize import FILTERS, ResizeRule

SIZES = [
    (1, 1), (1, 97), (97, 1), (31, 32), (32, 32), (33, 64), (63, 65), (64, 64), (65, 63), (90, 41),
    (127, 129), (128, 128), (129, 500), (255, 257), (300, 200), (513, 400), (1025, 70),
]  # fmt: skip


def picture(height: int, width: int) -> np.ndarray:
    """Soft colours with hard edges and noise."""
    random = np.random.default_rng([height, width])
    cells = random.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    soft = np.asarray(Image.fromarray(cells).resize((width, height), Image.Resampling.BICUBIC))
    y, x = np.mgrid[:height, :width]
    edges = ((x // 9 + y // 13) % 2 * 90)[..., None]
    noise = random.integers(0, 40, (height, width, 3))
    return np.clip(soft.astype(int) + edges - noise, 0, 255).astype(np.uint8)


def by_the_project(pixels: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return preprocessing.applied_to(decode(file.getvalue(), preprocessing.at_least_px))


def fitted(pictures: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    import tensorflow as tf  # here, so that processes that only collect this file do without

    from bottlebank.export import resizing

    return resizing.fitted(tf.constant(pictures), preprocessing).numpy()


def by_the_graph(pixels: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    return fitted(pixels[np.newaxis], preprocessing)[0]


def differences(preprocessing: Preprocessing) -> list[tuple[int, float]]:
    """The greatest and the mean difference of a number from 0 to 255, for each of `SIZES`."""
    found = []
    for height, width in SIZES:
        pixels = picture(height, width)
        expected = by_the_project(pixels, preprocessing).astype(int)
        away = np.abs(by_the_graph(pixels, preprocessing).astype(int) - expected)
        found.append((int(away.max()), float(away.mean())))
    return found


@pytest.mark.parametrize("fit", FITS)
def test_the_usual_rule_agrees_to_one_level(fit):
    greatest, mean = zip(*differences(Preprocessing((32, 32), fit)), strict=True)
    assert max(greatest) <= 1
    assert max(mean) < 0.05


@pytest.mark.parametrize("fit", FITS)
def test_a_picture_of_the_networks_size_stays_as_it_is(fit):
    pixels = picture(32, 32)
    np.testing.assert_array_equal(by_the_graph(pixels, Preprocessing((32, 32), fit)), pixels)


RULES = [
    *(ResizeRule(filter, "both sides", 32) for filter in FILTERS),
    *(ResizeRule("bicubic", "shorter side", px, 32, offset) for px in (32, 37, 20)
      for offset in ("down", "even")),
    ResizeRule("bilinear", "longer side", 32, 32, "even", (7, 128, 250)),
    ResizeRule("lanczos", "longer side", 40, 32, "down", (0, 0, 0)),
]  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_rules_of_pillow_agree_but_for_rounding(rule):
    """Pillow 13 scales rows before columns where that is less work, and rounds between."""
    found = differences(Preprocessing((32, 32), rule.fit, "scale", str(rule)))
    greatest, mean = zip(*found, strict=True)
    assert max(greatest) <= 6
    assert max(mean) < 0.5
    in_the_same_order = [n for (height, width), n in zip(SIZES, greatest, strict=True)
                         if height <= width]  # fmt: skip
    assert max(in_the_same_order) <= 1


def test_pictures_of_a_batch_are_scaled_each_by_itself():
    pixels = np.stack([picture(90, 41), picture(90, 41)[::-1]])
    together = fitted(pixels, Preprocessing((32, 32)))
    for each, made in itertools.zip_longest(pixels, together):
        np.testing.assert_array_equal(made, by_the_graph(each, Preprocessing((32, 32))))
