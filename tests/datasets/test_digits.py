"""Handwritten digits, written as a folder per class."""

import numpy as np
import sklearn.datasets
from PIL import Image

from bottlebank.datasets import digits


def test_a_torn_picture_is_written_again(tmp_path, monkeypatch):
    whole = sklearn.datasets.load_digits()
    few = sklearn.utils.Bunch(images=whole.images[:30], target=whole.target[:30])
    monkeypatch.setattr(digits, "load_digits", lambda: few)
    assert digits.write_digits(tmp_path) == 30
    torn, gone = sorted(tmp_path.rglob("*.png"))[:2]
    wanted = torn.read_bytes()
    torn.write_bytes(wanted[:50])
    gone.unlink()
    assert digits.write_digits(tmp_path) == 2
    assert torn.read_bytes() == wanted
    assert digits.write_digits(tmp_path) == 0


def test_a_digit_is_scaled_smoothly(tmp_path):
    digits.write_digits(tmp_path, progress=False)
    first = sklearn.datasets.load_digits().images[0] * (255 / 16)
    with Image.open(tmp_path / "0" / "0000.png") as picture:
        pixels = np.asarray(picture, float)
    assert pixels.shape == (64, 64)
    steps = np.abs(np.diff(pixels, axis=1)).max()
    assert steps < np.abs(np.diff(first, axis=1)).max() / 3
    middles = pixels.reshape(8, 8, 8, 8)[:, 3:5, :, 3:5].mean(axis=(1, 3))
    assert np.abs(middles - first).mean() < 12
