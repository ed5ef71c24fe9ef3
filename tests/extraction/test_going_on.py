"""Without an extractor, an extraction goes on with the one of its images in the cache."""

import dataclasses
import json
import logging
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import bottlebank as bb
from bottlebank.cache import CacheFolder, Key
from bottlebank.datasets import Dataset
from bottlebank.errors import UsageError, WeightsNotFoundError
from bottlebank.extraction.earlier import going_on
from bottlebank.features import ExtractorSpec, find_backbone, recipe_for
from bottlebank.features.backbones.keras import applications
from bottlebank.features.backbones.weights import file_sha256

from ..features.backbones.onnx_networks import cnn, save, vit

LAYERS = ("last_hidden_state", "pooler_output")


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def bank(cache):
    """Put rows of an extractor into the cache, without running it."""

    def put(paths, precision="float32", at_s=None, **settings):
        recipe, _ = recipe_for(ExtractorSpec.of(**settings))
        with CacheFolder(cache, create=True) as folder:
            contents = [bytes.fromhex(folder.sha256_of_file(path)) for path in paths]
            rows = folder.open(recipe.fingerprint, precision)
            values = np.zeros((len(paths), recipe.width), np.float32)
            with rows.writer(recipe.as_dict()) as writer:
                writer.extend(list(map(Key, contents)), [os.fsencode(p) for p in paths], values)
            if at_s is not None:
                os.utime(rows.folder / rows.shard_names()[-1], (at_s, at_s))
        return recipe

    return put


@pytest.fixture
def paths(photos):
    return sorted(map(str, photos.rglob("*.png")))


@pytest.fixture
def found(cache, paths):
    """What `banked` says of the pictures."""

    def look(of=paths, **chosen):
        with CacheFolder(cache) as folder:
            return going_on.banked(
                Dataset("photos", of, [""] * len(of), [None] * len(of)), folder, chosen
            )

    return look


def spec_of(before, **chosen):
    """From which an extraction goes on."""
    return going_on._spec_of_registry(before)._replace(**chosen)


def test_nothing_is_banked_at_first(found, bank, paths, tmp_path):
    assert found() is None
    other = tmp_path / "other.png"
    other.write_bytes(b"another picture")
    bank([str(other)], extractor="random")
    assert found() is None


def test_the_extractor_with_most_of_the_images_goes_on_with_its_settings(found, bank, paths):
    bank(paths[:20], extractor="efficientnet_lite0")
    settings = {"extractor": "random", "fit": "crop", "grey16": "stretch"}
    recipe = bank(paths[:30], "bfloat16", **settings)
    best = found()
    assert (best.n_images, best.variant.name) == (30, "bfloat16")
    assert best.recipe == recipe == recipe_for(spec_of(best))[0]
    assert found(paths[:20]).place == "random", "the newest where two have as many"


def test_of_two_with_as_many_images_the_newest(found, bank, paths):
    bank(paths, extractor="random", at_s=2_000)
    bank(paths, extractor="efficientnet_lite0", at_s=1_000)
    assert found().place == "random"
    bank(paths, extractor="random", fit="pad", at_s=3_000)
    assert found().recipe.fit == "pad"


def test_what_is_chosen_decides_among_recipes_and_replaces_their_settings(
    found, bank, paths, cache
):
    bank(paths, extractor="efficientnet_lite0")
    bank(paths[:5], "bfloat16", extractor="efficientnet_lite0", fit="pad")
    bank(paths[:9], extractor="random", fit="pad")
    assert found(fit="pad").n_images == 5, "of one network, the recipe with what was chosen"
    assert found(fit="crop").n_images == 60
    for fit, extractor in (
        ("pad", "efficientnet_lite0"),
        ("squash", "efficientnet_lite0"),
        ("crop", "efficientnet_lite0"),
    ):
        with CacheFolder(cache) as folder:
            recipe, find = going_on.going_on(found(fit=fit), {"fit": fit}, folder, None, None)
        assert recipe == recipe_for(ExtractorSpec(extractor, fit=fit))[0]
        assert find().sha256(file_sha256) == recipe.weights_sha256


@pytest.mark.parametrize(
    "changed",
    [{"extractor": "of_a_newer_version"}, {"decoder_version": 99}, {"schema": 99}, {"width": "x"}],
)
def test_recipes_that_this_version_does_not_compute_are_passed_over(
    changed, found, bank, paths, cache
):
    bank(paths[:5], extractor="efficientnet_lite0")
    recipe = bank(paths, extractor="random")
    file = cache / recipe.fingerprint / "recipe.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changed}))
    assert found().place == "efficientnet_lite0"


def test_files_that_changed_do_not_count(found, bank, paths):
    bank(paths, extractor="random")
    with open(paths[0], "ab") as file:
        file.write(b"!")
    assert found().n_images == 59
    assert found(["missing.png", "\0"]) is None


def test_a_folder_that_was_moved_or_copied_is_known_by_some_of_its_files(
    found, bank, paths, photos, tmp_path
):
    bank(paths, extractor="random")
    copy = shutil.copytree(photos, tmp_path / "copy")
    copies = sorted(map(str, copy.rglob("*.png")))
    os.mkfifo(tmp_path / "pipe.png")  # which nobody writes to
    assert found([*copies, str(tmp_path / "pipe.png"), "missing.png"]).place == "random"
    moved = photos.rename(tmp_path / "moved")
    assert 1 < found(sorted(map(str, moved.rglob("*.png")))).n_images <= 24
    for path in copies:
        Path(path).write_bytes(b"another picture")
    assert found(copies) is None


def test_extract_goes_on_and_says_so(photos, cache, caplog):
    settings = {"cache": cache, "engine": "openvino"}
    first = bb.extract(photos, "efficientnet_lite0", fit="crop", precision="float32", **settings)
    shutil.copy(photos / "disc" / "00.png", photos / "disc" / "new.png")
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        again = bb.extract(photos, None, **settings)
    assert again.recipe == first.recipe
    assert (again.report.extracted, again.report.precision) == (0, "float32")
    which = "efficientnet_lite0 (fit crop)"
    assert caplog.messages == [
        f"going on with {which}: 60 of these 61 images have been extracted with this network"
    ]


def test_the_default_without_settings_goes_without_saying(bank, paths, caplog):
    lite, _ = recipe_for(ExtractorSpec("efficientnet_lite0"))
    for name, size_px, n_lines in (("inception_v3", 299, 0), ("vgg16", 224, 1)):
        scaling = find_backbone(name).scaling.in_words()
        recipe = dataclasses.replace(
            lite, extractor=name, input_size_px=size_px, pixel_scaling=scaling
        )
        before = going_on.Banked(recipe, name, None, 60, 0, 0.0)
        caplog.clear()
        going_on.say_going_on(before, recipe, Dataset("x", paths, [""] * 60, [None] * 60))
        assert len(caplog.messages) == n_lines


def test_who_goes_back_to_a_network_goes_on_with_it(photos, cache):
    settings = {"cache": cache, "precision": "float32"}
    first = bb.extract(photos, "efficientnet_lite0", **settings).recipe
    second = bb.extract(photos, "random", **settings).recipe
    assert bb.extract(photos, None, cache=cache).recipe == second
    bb.extract(photos, "efficientnet_lite0", **settings)
    assert bb.extract(photos, None, cache=cache).recipe == first


def test_where_weights_cannot_be_had_the_installed_network_is_offered(photos, cache, monkeypatch):
    def refuse(*arguments):
        raise WeightsNotFoundError("no weights", "put them there")

    monkeypatch.setattr(applications, "find_weights", refuse)
    with pytest.raises(WeightsNotFoundError, match="no weights: take efficientnet_lite0 as the"):
        bb.extract(photos, "vgg16", cache=cache)


@pytest.fixture(params=["pooling", "layers", "external", "hub"])
def own(request, tmp_path):
    """A network in a file of one's own, and what has to be said of it the first time."""
    if request.param == "hub":
        folder = tmp_path / "a hub folder"
        folder.mkdir()
        save(vit(), folder / "model.onnx")
        config = {"image_processor_type": "ViTImageProcessor", "do_resize": True,
                  "do_rescale": True, "do_normalize": True, "image_mean": [0.5] * 3,
                  "image_std": [0.25] * 3, "resample": 3, "rescale_factor": 1 / 255,
                  "size": {"height": 32, "width": 32}}  # fmt: skip
        (folder / "preprocessor_config.json").write_text(json.dumps(config))
        return {"extractor": str(folder)}
    path = tmp_path / "a network.onnx"
    save(vit(), path, external=request.param == "external")
    more = {"pooling": {"pooling": "mean"}, "layers": {"layer": LAYERS}}
    return {"extractor": str(path), "scaling": "0.4,0.3,0.2,0.5,0.5,0.25"} | more.get(
        request.param, {}
    )


def test_a_network_in_a_file_goes_on_as_it_was_set(own, photos, cache, caplog):
    """Above all its numbers: the fingerprint, whatever was said the first time."""
    first = bb.extract(photos, cache=cache, precision="float32", **own)
    caplog.clear()
    again = bb.extract(photos, None, cache=cache)
    assert again.recipe == first.recipe
    assert (again.report.cached, again.report.extracted) == (60, 0)
    [line] = caplog.messages
    assert line.startswith(f"going on with {own['extractor']} (")
    assert "layer " in line
    shutil.copy(photos / "disc" / "00.png", photos / "disc" / "new.png")
    with open(photos / "disc" / "new.png", "ab") as file:
        file.write(b"!")  # a picture that has to be computed, with the network that is found again
    third = bb.extract(photos, None, cache=cache)
    assert (third.recipe, third.report.extracted) == (first.recipe, 1)


def test_a_setting_changes_and_the_others_of_the_file_stay(own, photos, cache):
    first = bb.extract(photos, cache=cache, precision="float32", **own).recipe
    fitted = bb.extract(photos, None, cache=cache, precision="float32", fit="pad").recipe
    assert fitted != first
    assert fitted == recipe_for(ExtractorSpec.of(**own, fit="pad"))[0]


def test_a_network_that_has_changed_is_named(own, photos, cache):
    bb.extract(photos, cache=cache, precision="float32", **own)
    path = Path(own["extractor"])
    network = path / "model.onnx" if path.is_dir() else path
    save(cnn(), network)
    shutil.rmtree(cache / "networks")
    (photos / "disc" / "new.png").write_bytes((photos / "disc" / "00.png").read_bytes() + b"!")
    with pytest.raises(WeightsNotFoundError, match="is not the network any more with which these"):
        bb.extract(photos, None, cache=cache)
    with pytest.raises(UsageError, match="which has changed since: name the network, and all of"):
        bb.extract(photos, None, cache=cache, fit="pad")
