"""Heads on handwritten digits meet images that resemble none of them."""

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

import bottlebank as bb
from bottlebank.datasets.digits import write_digits


@pytest.fixture
def digits(tmp_path):
    folder = tmp_path / "digits"
    write_digits(folder)
    for number, path in enumerate(sorted(folder.rglob("*.png"))):
        if number % 3:  # 600 of them are enough
            path.unlink()
    return folder


@pytest.fixture
def strangers(tmp_path):
    """Noise, flat colours, and two photographs, whole and in parts."""
    random = np.random.default_rng(0)
    photographs = load_sample_images().images  # 427 rows of 640 pixels
    pictures = [*photographs]
    for photograph in photographs:
        for top, left in ((0, 0), (0, 300), (150, 150), (200, 0), (200, 300)):
            pictures.append(photograph[top : top + 200, left : left + 300])
    pictures += [random.integers(0, 256, (side, side, 3)) for side in (8, 32, 64, 224, 400)]
    pictures += [np.tile(random.integers(0, 256, 3), (64, 64, 1)) for _ in range(8)]
    folder = tmp_path / "strangers"
    folder.mkdir()
    for number, pixels in enumerate(pictures):
        Image.fromarray(np.asarray(pixels, np.uint8)).save(folder / f"{number}.png")
    return folder


def answers(table, strangers, cache):
    trained = bb.train_head(table)
    rows = bb.extract(sorted(map(str, strangers.iterdir())), table.report.extractor, cache=cache)
    test = table.features[trained.split.rows("test")]
    return trained, trained.head.answer(rows.features), trained.head.answer(test)


def test_noise_colours_and_photographs_are_no_digits(digits, strangers, cache):
    table = bb.extract(digits, "random", cache=cache)
    trained, of_strangers, of_digits = answers(table, strangers, cache)
    assert of_strangers.unknown.all()
    assert of_digits.unknown.mean() < 0.15
    assert trained.evaluations["test"].accuracy > 0.9


def test_of_a_network_that_has_learned_to_see_too(digits, strangers, tmp_path):
    table = bb.extract(digits, "efficientnet_lite0", cache=tmp_path / "cache")
    _, of_strangers, of_digits = answers(table, strangers, tmp_path / "cache")
    sure = of_strangers.probabilities.max(axis=1) > 0.99
    assert sure.sum() > 3
    assert of_strangers.unknown.all()
    assert of_digits.unknown.mean() < 0.15
