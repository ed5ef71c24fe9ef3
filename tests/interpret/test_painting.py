"""Pictures painted in the style of others."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from bottlebank.errors import ImageRejectedError, ParameterError, UsageError
from bottlebank.interpret import painting, style
from bottlebank.interpret.painting import default_extractor, with_colours_of


def noise(seed, height, width, mean=(128, 128, 128), spread=30):
    """Pixels whose channels go together, as those of photographs do."""
    random = np.random.default_rng(seed)
    mixing = np.eye(3) + random.normal(0, 0.5, (3, 3))
    values = random.normal(0, spread, (height, width, 3)) @ mixing + mean
    return np.clip(values, 0, 255).astype(np.float32)


@pytest.fixture
def content():
    """A dark disc on a light ground, wider than high."""
    y, x = np.mgrid[:48, :64]
    disc = (x - 32) ** 2 + (y - 24) ** 2 < 200
    return np.where(disc[..., None], [40, 60, 90], [210, 200, 180]).astype(np.uint8)


@pytest.fixture
def stripes():
    """Red and blue stripes."""
    _, x = np.mgrid[:64, :40]
    return np.where((x // 4 % 2)[..., None], [200, 30, 40], [20, 40, 190]).astype(np.uint8)


def test_colours_get_the_mean_and_covariance_of_others():
    here, there = noise(0, 40, 50), noise(1, 30, 20, (100, 120, 140), 15)
    moved = with_colours_of(here, there)
    assert moved.shape == here.shape
    np.testing.assert_allclose(moved.mean((0, 1)), there.mean((0, 1)), atol=1)
    found, expected = (np.cov(each.reshape(-1, 3).T) for each in (moved, there))
    np.testing.assert_allclose(found, expected, atol=0.05 * np.abs(expected).max())
    np.testing.assert_allclose(with_colours_of(here, here), here, atol=1e-3)


def test_colours_of_a_plain_picture_are_one_colour():
    plain = np.full((5, 6, 3), (10, 200, 30), np.float32)
    moved = with_colours_of(noise(0, 20, 20), plain)
    assert np.abs(moved - plain[0, 0]).max() < 6


def test_losses_are_those_of_the_picture_that_is_returned(content, stripes, lite):
    layers = ["conv_stem.relu"]
    painted = style(
        *(content, stripes, lite),
        content_layers=layers,
        style_layers=layers,
        size=64,
        steps=2,
        keep_colours=True,
        progress=False,
    )
    maps = lite.maps_at_any_size(layers)
    before, after = (
        maps(pixels[None].astype(np.float32))[0].numpy() for pixels in (content, painted.pixels)
    )
    expected = np.mean((after - before) ** 2) / np.mean(before**2)
    assert painted.content_loss == pytest.approx(expected, rel=1e-3)


def test_layers_are_the_nearest_where_an_eighth_of_the_resolution_has_none(lite, monkeypatch):
    for octaves, nearest in (({1: "a", 4: "b"}, "b"), ({2: "a", 4: "b"}, "a"), ({5: "c"}, "c")):
        monkeypatch.setattr(painting, "_last_by_octave", lambda _, known=octaves: known)
        chosen = painting._chosen_layers(lite, (), ())
        assert chosen == ((nearest,), tuple(octaves.values()))
    monkeypatch.setattr(painting, "_last_by_octave", lambda _: {})
    assert painting._chosen_layers(lite, ["x"], ["y"]) == (("x",), ("y",))
    with pytest.raises(UsageError, match="no map of efficientnet_lite0 is wider than 1 pixel"):
        painting._chosen_layers(lite, ["x"], ())


@pytest.mark.slow
def test_a_painting_comes_nearer_to_its_style(content, stripes, lite):
    seen = []
    painted = style(
        content,
        Image.fromarray(stripes),
        lite,
        size=64,
        steps=26,
        on_preview=lambda pixels, step: seen.append((pixels.shape, step)),
        progress=False,
    )
    assert painted.pixels.shape == (48, 64, 3)
    assert painted.pixels.dtype == np.uint8
    assert painted.style_loss < 0.9
    assert painted.content_layers == ("blocks.5.expand_conv.relu",)
    assert len(painted.style_layers) == 5
    assert seen == [((48, 64, 3), 25)]
    grey = painted.pixels.astype(float).mean((0, 1))
    np.testing.assert_allclose(grey, stripes.mean((0, 1)), atol=30)
    figures = painted.as_dict()
    assert (figures["width"], figures["height"]) == (64, 48)
    assert "pixels" not in figures


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"size": 20}, "size is 20; expected a whole number of at least 64 and at most 1536"),
        ({"strength": 0}, "strength is 0; expected a number above 0"),
        ({"steps": 0}, "steps is 0"),
        ({"style_layers": ["pool"]}, "style_layers has pool, whose output is no map"),
        ({"content_layers": ["conv"]}, "no layer 'conv'"),
    ],
)
def test_what_makes_no_sense_is_named(given, expected, content, stripes, lite):
    with pytest.raises(UsageError, match=expected):
        style(content, stripes, lite, progress=False, **given)


def test_a_network_without_layers_paints_nothing(content, stripes, plain):
    with pytest.raises(UsageError, match="layers of random cannot be looked at"):
        style(content, stripes, plain)


def test_pictures_that_cannot_be_painted_are_named(tmp_path, content, lite):
    text = tmp_path / "مرحبا.jpg"
    text.write_text("no picture")
    with pytest.raises(ImageRejectedError, match="مرحبا"):
        style(text, content, lite)
    with pytest.raises(ImageRejectedError, match="1000 x 3 pixels: its shorter side"):
        style(content, np.zeros((3, 1000, 3), np.uint8), lite)
    with pytest.raises(ParameterError):
        style(content, content, lite, steps="many")


def test_vgg_paints_where_its_weights_are(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert default_extractor() == "efficientnet_lite0"
    (tmp_path / "models").mkdir()
    name = "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
    (tmp_path / "models" / name).write_bytes(b"")
    assert default_extractor() == "vgg16"


@pytest.mark.slow
def test_networks_of_every_family_paint(content, stripes):
    """With weights of chance: only whether their layers are found, and take any size."""
    import keras

    from bottlebank.features import recipe_for
    from bottlebank.features.backbones.spec import ExtractorSpec
    from bottlebank.interpret.network import DifferentiableNetwork
    from bottlebank.interpret.painting import _last_by_octave

    recipe, _ = recipe_for(ExtractorSpec("efficientnet_lite0"))
    for name in (
        "VGG19",
        "ResNet50V2",
        "MobileNetV2",
        "InceptionV3",
        "DenseNet121",
        "ConvNeXtTiny",
    ):
        model = getattr(keras.applications, name)(
            weights=None, include_top=False, pooling="avg", input_shape=(224, 224, 3)
        )
        network = DifferentiableNetwork(
            recipe, model, permuted=lambda seed: None, model=model, scaled=lambda pixels: pixels
        )
        octaves = _last_by_octave(network)
        assert {2, 3, 4} <= set(octaves), name
        painted = style(content, stripes, network, size=160, steps=2, progress=False)
        assert painted.pixels.shape == (120, 160, 3), name
        if name == "InceptionV3":
            with pytest.raises(UsageError, match="size is too small for these layers"):
                style(content, stripes, network, size=64, steps=2, progress=False)
