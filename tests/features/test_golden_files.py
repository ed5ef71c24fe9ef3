import io

import cv2
import numpy as np
import pytest
from PIL import Image

from bottlebank.errors import EngineError
from bottlebank.features import (
    Extractor,
    ExtractorSpec,
    open_extractor,
    recipe_for,
)
from bottlebank.features.golden_files import golden_files, transfer_values_of
from bottlebank.features.golden_images import least_cosine
from bottlebank.features.images import fit as preprocess


def test_they_are_small_files_of_two_formats_always_the_same():
    files = golden_files(224)
    assert files == golden_files(224)
    assert [Image.open(io.BytesIO(file)).format for file in files] == ["PNG", "PNG", "JPEG"]
    assert sum(map(len, files)) < 40_000
    for file in files:
        assert min(Image.open(io.BytesIO(file)).size) > 224


RESIZE_RULES = {
    "area": lambda pixels, height, width: cv2.resize(
        pixels, (width, height), interpolation=cv2.INTER_AREA
    ),
    "nearest": lambda pixels, height, width: cv2.resize(
        pixels, (width, height), interpolation=cv2.INTER_NEAREST
    ),
    "antialiased": lambda pixels, height, width: np.asarray(
        Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR)
    ),
}


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_they_tell_channel_order_and_resize_rules_apart(imagenet, tmp_path, monkeypatch, precision):
    recipe, weights = recipe_for(ExtractorSpec("mobilenet_v2"))
    try:
        extractor = open_extractor(
            recipe, lambda: weights, precisions=[precision], networks=tmp_path / "networks"
        )
    except EngineError as error:
        if precision == "float32" or "does not compute in bfloat16" not in str(error):
            raise
        pytest.skip(str(error))
    files = golden_files(224)
    expected = transfer_values_of(extractor, files)
    assert least_cosine(transfer_values_of(extractor, files), expected) > 0.99999

    class Swapped(Extractor):
        def decode_and_resize(self, data):
            return np.ascontiguousarray(super().decode_and_resize(data)[:, :, ::-1])

    swapped = transfer_values_of(Swapped(recipe, extractor._engine), files)
    assert least_cosine(swapped, expected) < 0.95
    for rule in RESIZE_RULES.values():
        monkeypatch.setattr(preprocess, "_resize", rule)
        assert least_cosine(transfer_values_of(extractor, files), expected) < 0.95
