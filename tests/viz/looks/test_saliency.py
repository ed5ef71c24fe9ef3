"""The picture of what an answer rests on."""

import numpy as np
import pytest
from PIL import Image

from bottlebank.errors import UsageError
from bottlebank.viz.looks.saliency import draw_saliency
from bottlebank.viz.theme import DARK, LIGHT

HOSTILE = "<script>alert(1)</script> $\\frac{1}{2}$ قميص 衬衫"


def drawn(path, values, theme=LIGHT, size=(40, 60), **settings):
    photograph = np.full((*size, 3), 200, np.uint8)
    draw_saliency(
        photograph, values, (0, 0, *size), path, HOSTILE, "what it is", ["one", HOSTILE],
        theme=theme, **settings,
    )  # fmt: skip
    return path


def test_red_speaks_for_and_blue_against(tmp_path):
    values = np.zeros((8, 8), np.float32)
    values[:, :4], values[:, 4:] = 1, -1
    path = drawn(tmp_path / "why.png", values)
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    red = (pixels[..., 0] - pixels[..., 2] > 60).sum()
    blue = (pixels[..., 2] - pixels[..., 0] > 60).sum()
    assert red > 10_000
    assert blue > 10_000


def test_the_words_are_taken_literally_on_both_grounds(tmp_path):
    values = np.random.default_rng(0).random((5, 7)).astype(np.float32)
    for theme in (LIGHT, DARK):
        path = drawn(
            tmp_path / f"{theme.name}.svg", values, theme, permuted=values - 1,
            permuted_caption="random weights",
        )  # fmt: skip
        text = path.read_text()
        assert "&lt;script&gt;" in text
        assert "<script>" not in text
        assert "random weights" in text
        assert theme.paper in text


def test_maps_that_are_none_are_refused(tmp_path):
    with pytest.raises(UsageError, match="finite numbers"):
        drawn(tmp_path / "why.png", np.full((3, 3), np.nan, np.float32))
    with pytest.raises(UsageError, match=r"\.jpg"):
        drawn(tmp_path / "why.jpg", np.zeros((3, 3), np.float32))
    flat = drawn(tmp_path / "flat.png", np.zeros((3, 3), np.float32), size=(300, 10))
    with Image.open(flat) as picture:
        assert picture.size[1] > 300
