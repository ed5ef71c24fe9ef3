"""A network in an ONNX file as the extractor, from the command line."""

import dataclasses
import re
import shutil
from types import SimpleNamespace

import pytest
from onnx import TensorProto, helper

import bottlebank as bb
from bottlebank.cache import CacheFolder
from bottlebank.classifier import load_head
from bottlebank.errors import HeadFileError, WeightsNotFoundError
from bottlebank.features import ExtractorSpec, Recipe, find_again, recipe_for
from bottlebank.features.backbones.registry import SCALINGS
from bottlebank.prediction import head_extractor

from ..conftest import write_photos
from ..features.backbones.onnx_networks import cnn, save, vit


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """As that of all tests, once for this file."""
    return write_photos(tmp_path_factory.mktemp("of the file") / "photos")


@pytest.fixture(scope="module")
def trained(tmp_path_factory, photos):
    """A folder with a head, and the cache that it was trained with."""
    folder = tmp_path_factory.mktemp("trained")
    network = save(vit(), folder / "vit.onnx")
    chosen = {"scaling": "torch", "precision": "float32", "cache": folder / "cache"}
    bb.save_head(bb.train_head(bb.extract(photos, network, **chosen)), folder / "head.h5")
    return folder


@pytest.fixture
def network(tmp_path):
    return save(vit(), tmp_path / "vit.onnx")


@pytest.fixture
def onnx_head(trained, tmp_path):
    """A head, and the cache that it was trained with: copies."""
    head, cache = tmp_path / "head.h5", tmp_path / "cache"
    shutil.copy(trained / "head.h5", head)
    shutil.copytree(trained / "cache", cache)
    return head, cache


def predict(bottlebank, photos, head, cache, *more):
    image = photos / "disc" / "03.png"
    common = ["--head", head, "--cache", cache, "--precision", "float32", "--json"]
    return bottlebank("predict", image, *common, *more)


def test_a_head_on_another_machine_finds_its_file(bottlebank, photos, onnx_head, network, tmp_path):
    head, cache = onnx_head
    here = predict(bottlebank, photos, head, cache).json
    away = tmp_path / "away"
    away.mkdir()
    moved = head.rename(away / "head.h5")
    network.rename(away / "vit.onnx")
    assert predict(bottlebank, photos, moved, tmp_path / "other").json == here


@pytest.mark.slow
def test_a_head_takes_its_file_under_another_name(bottlebank, photos, onnx_head, network, tmp_path):
    head, cache = onnx_head
    here = predict(bottlebank, photos, head, cache).json
    (tmp_path / "elsewhere").mkdir()
    renamed = network.rename(tmp_path / "elsewhere" / "renamed.onnx")
    other = tmp_path / "other"
    named = predict(bottlebank, photos, head, other, "--weights", renamed)
    assert named.json == here


def test_a_head_without_its_file_says_what_is_missing(
    bottlebank, photos, onnx_head, network, tmp_path
):
    head, _ = onnx_head
    network.unlink()
    done = predict(bottlebank, photos, head, tmp_path / "other")
    assert done.code != 0
    assert re.search(
        r"the file 'vit\.onnx' \(SHA-256 [0-9a-f]{64}\) whose network .*head\.h5 was trained on is "
        r"not on this machine: put it beside the head, or name its path with --weights",
        done.err,
    )


def test_a_head_refuses_another_file(bottlebank, photos, onnx_head, tmp_path):
    head, _ = onnx_head
    model = vit()
    tensor = model.graph.initializer[0]
    tensor.raw_data = bytes([tensor.raw_data[0] ^ 1]) + tensor.raw_data[1:]
    other = save(model, tmp_path / "other.onnx")
    done = predict(bottlebank, photos, head, tmp_path / "other", "--weights", other)
    assert done.code != 0
    assert re.search(r"other\.onnx is not the file 'vit\.onnx' \(SHA-256 ", done.err)


def test_a_path_in_python_and_what_the_json_says_of_the_network(
    bottlebank, photos, network, onnx_head
):
    _, cache = onnx_head
    table = bb.extract(photos, network, scaling="torch", cache=cache, precision="float32")
    chosen = ["--extractor", network, "--scaling", "torch", "--precision", "float32"]
    answer = bottlebank("extract", photos, *chosen, "--cache", cache, "--json").json
    assert (answer["extracted"], answer["cached"]) == (0, 60)
    assert answer["fingerprint"] == table.recipe.fingerprint
    assert Recipe.from_dict(answer["recipe"]) == table.recipe
    assert answer["recipe"]["layers"] == ["last_hidden_state"]
    assert answer["recipe"]["pooling"] == "CLS token"
    assert answer["recipe"]["input_size_px"] == 32
    assert answer["recipe"]["fit"] == "squash"
    assert answer["recipe"]["pixel_scaling"] == SCALINGS["torch"].in_words()


def test_only_what_differs_is_said_where_no_row_can_be_reused(
    bottlebank, photos, network, onnx_head, caplog
):
    _, cache = onnx_head
    common = [photos, "--extractor", network, "--precision", "float32", "--cache", cache]
    assert bottlebank("extract", *common, "--scaling", "torch", "--pooling", "mean").code == 0
    assert caplog.messages == [
        "the 60 cached rows of vit.onnx cannot be reused, because they differ in pooling: CLS "
        "token → mean over tokens"
    ]


def test_what_is_missing_is_asked_for_by_its_flag(bottlebank, photos, network, tmp_path):
    done = bottlebank("extract", photos, "--extractor", network, "--cache", tmp_path / "cache")
    assert done.code == 2
    assert "vit.onnx does not say how pixels become its input" in done.err
    assert "--scaling" in done.err


@pytest.mark.slow
def test_a_head_finds_its_file_where_the_cache_has_seen_it(
    bottlebank, photos, onnx_head, network, tmp_path
):
    head, cache = onnx_head
    here = predict(bottlebank, photos, head, cache).json
    elsewhere, other = tmp_path / "elsewhere", tmp_path / "other"
    elsewhere.mkdir()
    moved = network.rename(elsewhere / "x.onnx")
    chosen = ["--extractor", moved, "--scaling", "torch", "--precision", "float32"]
    assert bottlebank("extract", photos, *chosen, "--cache", other).code == 0
    shutil.rmtree(other / "networks")
    assert predict(bottlebank, photos, head, other).json == here


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("architecture", "hub", "has the architecture hub, which no network has"),
        ("layers", [], "has no pooling of 0 layers"),
        ("pooling", "CLS token, CLS token, none", "has no pooling of 1 layers: 'CLS token, CLS"),
        ("pooling", "max", "has no pooling of 1 layers: 'max'"),
        ("pooling", "", "has no pooling of 1 layers: ''"),
        ("input_size_px", 0, "has pictures of 0 px; expected 1 to 4096"),
        ("input_size_px", 100_000, "has pictures of 100000 px; expected 1 to 4096"),
        ("pixel_scaling", "x", "not a scaling of pixels: 'x'"),
        ("pixel_scaling", "RGB * (1,,1) + (0,0,0)", "not a scaling of pixels"),
        ("pixel_scaling", "RGB * (nan, 1, 1) + (0, 0, 0)", "too large or too small"),
    ],
)
def test_what_cannot_be_in_a_head_is_refused_before_anything_runs(network, field, value, message):
    recipe, _ = recipe_for(ExtractorSpec.of(str(network), scaling="torch"))
    layers = SimpleNamespace(n_features=recipe.width)
    head = SimpleNamespace(recipe={**recipe.as_dict(), field: value}, layers=layers)
    with pytest.raises(HeadFileError, match=rf"^damaged\.h5: .*{re.escape(message)}"):
        head_extractor.read_recipe(head, "damaged.h5")


def test_a_long_name_in_a_head_is_cut(network, tmp_path):
    recipe, _ = recipe_for(ExtractorSpec.of(str(network), scaling="torch"))
    long = dataclasses.replace(recipe, weights="a" * 5_000)
    with CacheFolder(tmp_path / "other", create=True) as folder:
        find = head_extractor.weights_finder(long, folder, "head.h5", None, None, None)
        message = r"^the file 'a{198}… \(SHA-256 \w{64}\) whose network head\.h5 was trained on is"
        with pytest.raises(WeightsNotFoundError, match=message):
            find()


@pytest.mark.parametrize("name", ["{path}", "../vit.onnx", "..", ".", "", "hub"])
def test_what_a_head_says_leads_out_of_no_folder_and_to_no_network(
    trained, network, tmp_path, monkeypatch, name
):
    """The file is there: but a head, which may be somebody else's, does not say where to look."""
    recipe = Recipe.from_dict(load_head(trained / "head.h5").recipe)
    away = tmp_path / "deeper"
    away.mkdir()
    monkeypatch.chdir(away)
    changes = {"weights": name.format(path=network)}
    if name == "hub":
        changes = {"weights": "gone.onnx", "extractor": "hf:owner/name@main"}
    opened = []
    monkeypatch.setattr(find_again, "recipe_for", lambda *given, **_: opened.append(given))
    with CacheFolder(tmp_path / "other", create=True) as folder:
        of = dataclasses.replace(recipe, **changes)
        find = head_extractor.weights_finder(of, folder, away / "head.h5", None, None, None)
        with pytest.raises(WeightsNotFoundError, match="put it beside the head") as error:
            find()
    assert opened == []
    assert ("--extractor hf:owner/name@main" in str(error.value)) == (name == "hub")


@pytest.mark.slow
def test_a_network_with_data_beside_it_is_found_where_the_cache_has_seen_it(
    bottlebank, photos, tmp_path
):
    (tmp_path / "networks").mkdir()
    network = save(vit(), tmp_path / "networks" / "vit.onnx", external=True)
    head, cache = tmp_path / "head.h5", tmp_path / "cache"
    chosen = ["--extractor", network, "--scaling", "torch", "--precision", "float32"]
    assert bottlebank("train", photos, *chosen, "--cache", cache, "--output", head).code == 0
    here = predict(bottlebank, photos, head, cache)
    shutil.rmtree(cache / "networks")
    new = tmp_path / "new.png"
    new.write_bytes((photos / "disc" / "03.png").read_bytes() + b"!")
    common = ["--head", head, "--cache", cache, "--precision", "float32", "--json"]
    again = bottlebank("predict", new, *common)
    assert again.code == 0, again.err
    assert again.json["predictions"] == here.json["predictions"]


@pytest.fixture
def compare(bottlebank, photos, tmp_path):
    common = ["--heads", "knn", "--folds", 2, "--precision", "float32", "--cache", tmp_path / "c"]

    def run(extractors, *settings):
        return bottlebank("compare", photos, "--extractors", extractors, *settings, *common)

    return run


@pytest.mark.slow
def test_a_file_is_compared_with_a_network_of_the_registry(compare, network, caplog, tmp_path):
    chosen = ["--scaling", "torch", "--pooling", "mean", "--json"]
    answer = compare(f"efficientnet_lite0,{network}", *chosen).json
    assert {each["extractor"] for each in answer["candidates"]} == {
        "efficientnet_lite0",
        "vit.onnx",
    }
    assert caplog.messages == [
        "--scaling means nothing to efficientnet_lite0, and is left out there",
        "--pooling means nothing to efficientnet_lite0, and is left out there",
    ]
    with CacheFolder(tmp_path / "c") as folder:
        recipes = [Recipe.from_dict(folder.recipe(name)) for name in folder.fingerprints()]
    assert {recipe.pooling for recipe in recipes} == {"global average", "mean over tokens"}


@pytest.mark.slow
def test_files_of_one_name_are_compared_by_their_paths(compare, tmp_path):
    """Published networks are often called model.onnx, in folders of different names."""
    paths = []
    for name, model in (("a", vit()), ("b", cnn())):
        (tmp_path / name).mkdir()
        paths.append(str(save(model, tmp_path / name / "model.onnx")))
    answer = compare(",".join(paths), "--scaling", "torch", "--json").json
    assert {each["extractor"] for each in answer["candidates"]} == set(paths)


def test_one_file_twice_is_refused_before_any_work(compare, network, tmp_path):
    (tmp_path / "link.onnx").symlink_to(network)
    done = compare(f"{network},{tmp_path}/link.onnx", "--scaling", "torch")
    assert done.code == 2
    assert f"expected each extractor once, received {network}, {tmp_path}/link.onnx" in done.err
    assert "once, received random, Random" in compare("random,Random").err
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            ["--scaling", "torch"],
            "efficientnet_lite0 scales pixels in its own way; --scaling has no",
        ),
        (["--layer", "nowhere"], "efficientnet_lite0 has one size and one layer"),
        (["--weights", "w.h5"], "no weights file at w.h5"),
    ],
)
def test_a_setting_that_means_nothing_to_any_is_refused_before_any_image_is_read(
    compare, tmp_path, settings, message
):
    """A network of 8-bit pixels is not scaled either."""
    model = cnn(channels_last=True)
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    model.graph.node.insert(0, helper.make_node("Cast", ["pixel_values"], ["f"], to=1))
    model.graph.node[1].input[0] = "f"
    path = save(model, tmp_path / "net.onnx")
    done = compare(f"efficientnet_lite0,{path}", *settings)
    assert done.code == 2
    assert message in done.err
    assert not (tmp_path / "c").exists()
