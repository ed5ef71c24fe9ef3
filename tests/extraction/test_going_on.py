"""Without an extractor, an extraction goes on with the one in whose rows its images are."""

import json
import logging
import os
import shutil

import numpy as np
import pytest

import bottlebank as bb
from bottlebank.cache import CacheFolder, Key
from bottlebank.datasets import Dataset
from bottlebank.extraction import going_on
from bottlebank.features import ExtractorSpec, recipe_for


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
    assert recipe_for(best.spec)[0] == recipe
    assert found(paths[:20]).spec.extractor == "random", "the newest where two have as many"


def test_of_two_with_as_many_images_the_newest(found, bank, paths):
    bank(paths, extractor="random", at_s=2_000)
    bank(paths, extractor="efficientnet_lite0", at_s=1_000)
    assert found().spec.extractor == "random"
    bank(paths, extractor="random", fit="pad", at_s=3_000)
    assert found().spec.fit == "pad"


def test_what_is_chosen_decides_among_recipes_and_replaces_their_settings(found, bank, paths):
    bank(paths, extractor="efficientnet_lite0")
    bank(paths[:5], extractor="random", fit="pad")
    assert found(fit="pad").spec == ExtractorSpec("random", fit="pad")
    assert found(fit="squash").spec == ExtractorSpec("efficientnet_lite0", fit="squash")
    assert found(fit="crop").spec == ExtractorSpec("efficientnet_lite0", fit="crop")


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
    assert found().spec.extractor == "efficientnet_lite0"


def test_files_that_changed_do_not_count(found, bank, paths):
    bank(paths, extractor="random")
    with open(paths[0], "ab") as file:
        file.write(b"!")
    assert found().n_images == 59
    assert found(["missing.png", "\0"]) is None


def test_extract_goes_on_and_says_so(photos, cache, caplog):
    settings = {"cache": cache, "engine": "openvino"}
    first = bb.extract(photos, "efficientnet_lite0", fit="crop", precision="float32", **settings)
    shutil.copy(photos / "disc" / "00.png", photos / "disc" / "new.png")
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        again = bb.extract(photos, None, **settings)
    assert again.recipe == first.recipe
    assert (again.report.extracted, again.report.precision) == (0, "float32")
    assert caplog.messages == [
        "going on with efficientnet_lite0 (fit crop), in whose rows 60 of these 61 images are"
    ]


def test_the_default_without_settings_goes_without_saying(bank, paths, caplog):
    for extractor, n_lines in (("inception_v3", 0), ("vgg16", 1)):
        before = going_on.Banked(ExtractorSpec(extractor), None, 60, 0, 0.0)
        caplog.clear()
        going_on.say_going_on(before, Dataset("x", paths, [""] * 60, [None] * 60))
        assert len(caplog.messages) == n_lines
