"""Networks in SavedModels: layers, poolings and pixels, against TensorFlow's own results."""

import shutil

import numpy as np
import pytest

from bottlebank.errors import EngineError, UsageError
from bottlebank.features import recipe_for
from bottlebank.features.backbones.saved_model import folder as saved_model_folder
from bottlebank.features.backbones.spec import ExtractorSpec
from bottlebank.features.engines.openvino import OpenVinoEngine, convert
from bottlebank.features.golden_images import least_cosine

from .conftest import CASES

SIZE_PX, N_IMAGES = 32, 5
pytestmark = pytest.mark.usefixtures("in_this_process")


def opened(path, **chosen):
    return saved_model_folder.open_file(path, ExtractorSpec.of(str(path), **chosen))


@pytest.fixture(scope="session")
def results(networks):
    with np.load(networks / "results.npz") as held:
        return dict(held)


@pytest.mark.parametrize("case", CASES)
def test_it_computes_what_tensorflow_does(networks, results, tmp_path, case):
    """Also in OpenVINO, from the graph that is written of it."""
    expected = results[f"expected {case}"]
    assert least_cosine(results[f"made {case}"], expected) >= 0.9999
    np.testing.assert_allclose(results[f"made {case}"], expected, rtol=2e-2, atol=1e-3)
    convert(networks / f"{case}.pb", tmp_path)
    size_px = CASES[case][1].get("size", SIZE_PX)
    pixels = np.random.default_rng(1).integers(0, 256, (N_IMAGES, size_px, size_px, 3), np.uint8)
    made = OpenVinoEngine(tmp_path, "float32", many=True)(pixels)
    assert least_cosine(made, expected) >= 0.9999


@pytest.mark.parametrize(
    ("folder", "scaling"),
    [("cnn", "none"), ("half", "none"), ("bytes", "none"), ("nested", "0,1"), ("version 1", "0,1")],
)
def test_scaling_is_taken_from_the_network_where_it_says_it(networks, folder, scaling):
    size = 64 if folder == "version 1" else None
    found = opened(networks / folder, size=size)[0].scaling
    scale = 1.0 if scaling == "none" else 1 / 255
    assert found[1:] == ("RGB", (scale,) * 3, (0.0,) * 3)


@pytest.mark.parametrize(("folder", "scaling"), [("cnn", "tf"), ("nested", "none")])
def test_another_scaling_than_that_of_the_network_is_refused(networks, folder, scaling):
    with pytest.raises(UsageError, match="says how pixels become its input: leave --scaling out"):
        opened(networks / folder, scaling=scaling)


@pytest.mark.parametrize("folder", ["vit", "traced", "single"])
def test_scaling_is_never_guessed(networks, folder):
    with pytest.raises(UsageError, match=r"does not say how pixels .*--scaling, such as torch"):
        opened(networks / folder)


def test_a_network_for_bytes_takes_no_scaling(networks):
    with pytest.raises(UsageError, match="takes pixels of 8 bits: leave --scaling out"):
        opened(networks / "bytes", scaling="tf")


def test_a_network_for_any_size_needs_one(networks):
    with pytest.raises(UsageError, match=r"classifier takes pictures of any size: .*--size 224"):
        opened(networks / "classifier", scaling="tf")
    assert opened(networks / "classifier", scaling="tf", size=48)[0].input_size_px == 48


def test_a_network_for_one_size_takes_no_other(networks):
    with pytest.raises(UsageError, match="takes pictures of 32 px, not of 64: leave --size out"):
        opened(networks / "cnn", size=64)


def test_pictures_are_square(networks):
    with pytest.raises(EngineError, match="takes pictures of 32×64 px, not square ones"):
        opened(networks / "oblong", scaling="tf")


def test_a_network_that_changes_pictures_at_random_is_refused(networks):
    with pytest.raises(EngineError, match=r"as in training: .*or changes at random"):
        opened(networks / "augmenting")


def test_what_keras_3_exports_as_in_training_is_refused(networks):
    """Behind a layer that is on in training by itself, such as Resizing, all others are."""
    with pytest.raises(
        EngineError, match=r"normalisation by the images .*save .* as a \.keras file"
    ):
        opened(networks / "resizing")


@pytest.mark.parametrize(
    ("folder", "ending"),
    [
        ("cnn", "/Mean"),
        ("classifier", "/Mean"),  # of ten classes, what they are computed from
        ("vit", "/add_2"),
        ("several", "Relu_2"),  # a vector goes before a map
    ],
)
def test_what_is_taken_is_said_in_the_list_of_layers(networks, folder, ending):
    chosen = {"size": 48} if folder == "classifier" else {}
    path = networks / folder
    backbone, _ = opened(path, scaling="tf" if folder != "cnn" else None, **chosen)
    assert backbone.layers[0].endswith(ending)
    listed = saved_model_folder.layers(path, ExtractorSpec.of(str(path), **chosen)).layers
    assert [each.name for each in listed if each.is_taken] == list(backbone.layers)
    assert len({each.name for each in listed}) == len(listed) > 2


def test_layers_are_listed_with_their_shapes(networks):
    path = networks / "cnn"
    listed = saved_model_folder.layers(path, ExtractorSpec.of(str(path))).layers
    found = {each.name.partition("/")[2]: each[1:4] for each in listed}
    mean = "mean over height and width"
    assert found["stem_1/convolution"] == ("Conv2D", (16, 16, 8), mean)
    assert found["last-conv_1/BiasAdd"] == ("BiasAdd", (8, 8, 16), mean)
    assert found["pool_1/Mean"] == ("Mean", (16,), "none")


def test_of_several_vectors_one_has_to_be_named(networks):
    with pytest.raises(
        UsageError, match="which output of two vectors holds features: name a layer"
    ):
        opened(networks / "two vectors", scaling="tf")
    first, second = (opened(networks / "two vectors", scaling="tf", layer=name)[0] for name in "ab")
    assert first.layers != second.layers


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"layer": "stemm"}, "cnn has no layer 'stemm' of known shape"),
        # Of Keras's layers conv2d and conv2d_1, or as the file has it, conv2d_1 and conv2d_1_2.
        (
            {"layer": "conv2d_1", "folder": "nested"},
            "nested has no layer 'conv2d_1' of known shape",
        ),
        ({"layer": "pool", "pooling": "mean"}, "is one vector for each image; --pooling"),
        ({"layer": "last", "pooling": "cls"}, "is a map without a class token"),
        ({"weights": "w.h5"}, "the weights of cnn are in it"),
        ({"scaling": "best"}, "unknown scaling 'best'"),
    ],
)
def test_settings_that_mean_nothing_are_refused(networks, chosen, message):
    chosen = dict(chosen)
    folder = networks / chosen.pop("folder", "cnn")
    with pytest.raises(UsageError, match=message):
        opened(folder, **chosen)


def test_a_layer_is_chosen_by_a_part_of_its_path(networks):
    whole = "outer_1/inner_1/conv2d_1_2/BiasAdd"
    for name in (whole, "conv2d_1_2", "inner_1/conv2d_1_2"):
        assert opened(networks / "nested", layer=name)[0].layers == (whole,)


def fingerprint(path, **chosen):
    return recipe_for(ExtractorSpec.of(str(path), **chosen))[0].fingerprint


def test_the_folder_and_what_is_beside_the_network_change_no_fingerprint(networks, tmp_path):
    before = fingerprint(networks / "cnn")
    moved = shutil.copytree(networks / "cnn", tmp_path / "another name")
    (moved / "fingerprint.pb").write_bytes(b"another")
    (moved / "keras_metadata.pb").write_bytes(b"more")
    (moved / "assets" / "labels.txt").write_text("cat")
    assert fingerprint(moved) == before
    assert recipe_for(ExtractorSpec.of(str(moved)))[0].weights == "another name"


@pytest.mark.parametrize(
    "name",
    ["saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001"],
)
def test_a_bit_of_the_network_changes_the_fingerprint(networks, tmp_path, name):
    before = fingerprint(networks / "cnn")
    copy = shutil.copytree(networks / "cnn", tmp_path / "cnn")
    data = (copy / name).read_bytes()
    # Most places of the graph and the index are read; at others it is another network as well.
    assert any(_is_read(copy, name, data, at) for at in range(len(data) // 2, len(data)))
    assert fingerprint(copy) != before


def _is_read(folder, name, data, at):
    """Whether the folder is still one with a bit changed at a place."""
    (folder / name).write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    try:
        opened(folder)
    except EngineError:
        return False
    return True


def test_layers_pooling_and_scaling_change_the_fingerprint(networks):
    path = networks / "vit"
    chosen = [{}, {"pooling": "mean"}, {"layer": "block0"}, {"layer": "block1"}]
    found = {fingerprint(path, scaling="tf", **each) for each in chosen}
    assert len(found | {fingerprint(path, scaling="torch")}) == len(chosen) + 1
    assert fingerprint(path, scaling="tf", layer="tokens") == fingerprint(path, scaling="tf")
