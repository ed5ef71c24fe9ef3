"""What a limit rejects is not remembered, and dark 16-bit pictures are reported."""

import logging

import numpy as np
import pytest
from PIL import Image

import bottlebank as bb


@pytest.fixture
def grey(tmp_path):
    folder = tmp_path / "grey" / "a"
    folder.mkdir(parents=True)
    for number, bits in enumerate((12, 12, 16)):
        ramp = np.tile(np.linspace(0, 2**bits - 1, 40 + number), (40, 1)).astype(np.uint16)
        Image.fromarray(ramp).save(folder / f"{number}.png")
    return str(tmp_path / "grey")


def extract(folder, tmp_path, **settings):
    return bb.extract(
        bb.load_dataset(folder), "random", cache=tmp_path / "cache", precision="float32", **settings
    )


def test_a_higher_limit_reads_what_a_lower_one_rejected(grey, tmp_path):
    table = extract(grey, tmp_path, max_pixels=1000)
    assert len(table.rejected) == 3
    assert "--max-pixels raises the limit" in table.rejected[0][1]
    assert extract(grey, tmp_path).report.extracted == 3


def test_dark_16_bit_pictures_are_told_of_and_can_be_stretched(grey, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        dark = extract(grey, tmp_path)
    assert (
        "2 images with 16 bits per channel use at most the lowest 1/16 of the range" in caplog.text
    )
    assert dark.as_json()["dark_16bit"] == 2
    caplog.clear()
    stretched = extract(grey, tmp_path, grey16="stretch")
    assert "nearly black" not in caplog.text
    assert stretched.report.dark_16bit == 0
    assert "grey16: scale → stretch" in caplog.text
    assert dark.recipe.fingerprint != stretched.recipe.fingerprint
    assert not np.allclose(dark.features[0], stretched.features[0])
    assert np.allclose(dark.features[2], stretched.features[2])
