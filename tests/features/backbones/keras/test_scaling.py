"""Networks of `keras.applications` on pixels that are scaled otherwise than Keras does."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

import bottlebank as bb
from bottlebank.errors import RecipeError, UsageError
from bottlebank.features import ExtractorSpec, recipe_for
from bottlebank.features.backbones.opening import configured
from bottlebank.features.backbones.registry import SCALINGS, find_backbone, find_scaling
from bottlebank.features.recipe import backbone_of, described_backbone


def recipe_with(scaling, name="mobilenet_v2"):
    from bottlebank.features.recipe import recipe_of

    spec = ExtractorSpec.of(name, scaling=scaling)
    return recipe_of(configured(find_backbone(name), spec), "imagenet", "0" * 64, spec)


@pytest.mark.parametrize("name", ["mobilenet_v2", "inception_v3", "vgg16", "convnext_tiny"])
def test_it_is_part_of_what_rows_mean(name):
    usual, unit = recipe_with(None, name), recipe_with("0,1", name)
    assert unit.pixel_scaling == find_scaling("0,1").in_words()
    assert unit.fingerprint != usual.fingerprint
    own = find_backbone(name).scaling.name
    assert recipe_with(own, name) == usual  # its own, by name
    for recipe in (usual, unit):
        assert backbone_of(recipe).scaling.in_words() == recipe.pixel_scaling
        again = recipe_with(recipe.spec.scaling, name)
        assert again == recipe


def test_a_network_that_scales_in_its_own_way_takes_no_other():
    with pytest.raises(UsageError, match="efficientnet_lite0 scales pixels in its own way"):
        recipe_with("0,1", "efficientnet_lite0")
    assert recipe_with("lite", "efficientnet_lite0") == recipe_with(None, "efficientnet_lite0")
    strange = dataclasses.replace(
        recipe_with(None, "efficientnet_lite0"), pixel_scaling=SCALINGS["tf"].in_words()
    )
    with pytest.raises(RecipeError, match="computes something else for efficientnet_lite0: pixel"):
        backbone_of(strange)


def test_a_recipe_with_a_scaling_that_is_none():
    odd = dataclasses.replace(recipe_with(None), pixel_scaling="RGB * 2")
    assert described_backbone(odd).scaling == SCALINGS["tf"]
    with pytest.raises(RecipeError, match="pixel scaling"):
        backbone_of(odd)


@pytest.mark.weights
def test_the_network_sees_values_from_0_to_1(imagenet, tmp_path, caplog):
    import keras

    pixels = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        Image.fromarray(pixels).save(tmp_path / "photos" / name / "x.png")
        pixels = 255 - pixels
    settings = {"cache": tmp_path / "cache", "engine": "tensorflow", "precision": "float32"}
    table = bb.extract(tmp_path / "photos", "mobilenet_v2", size=96, scaling="0,1", **settings)
    path = recipe_for(ExtractorSpec("mobilenet_v2"))[1].path  # those of 224 pixels
    model = keras.applications.MobileNetV2(
        (96, 96, 3), include_top=False, pooling="avg", weights=str(path)
    )
    expected = model(np.stack([pixels, 255 - pixels]) / np.float32(255), training=False)
    np.testing.assert_allclose(table.features, expected.numpy(), atol=1e-4)
    recipe = table.recipe
    found, _ = recipe_for(recipe.spec._replace(weights="imagenet"))
    assert found == recipe
    on = bb.extract(tmp_path / "photos", None, **settings)  # goes on with it
    assert on.recipe == recipe
    assert "going on with mobilenet_v2 (size 96, scaling RGB * (0.003922) + (0))" in caplog.text
