"""`saliency`: what it says of an image, and what it refuses."""

from __future__ import annotations

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import bottlebank
from bottlebank.errors import ImageRejectedError, ParameterError, UsageError
from bottlebank.interpret import saliency
from bottlebank.interpret.attribution import open_explainer
from bottlebank.interpret.attribution.methods import LOG_ODDS, PROBABILITY, SCORES
from bottlebank.interpret.attribution.occlusion import occlusion
from bottlebank.interpret.attribution.parts import Patches, Segments
from bottlebank.interpret.given_image import decoded, read_image

QUICK = {"method": "occlusion", "patch_px": 32, "stride_px": 32, "progress": False}


def test_occlusion_explains_the_predicted_class_without_tensorflow(trained, table, cache):
    path = table.paths[3]
    found = saliency(path, trained, cache=cache, engine="openvino", **QUICK)
    predicted = bottlebank.load_predictor(trained, cache=cache)(path)
    assert found.label == found.predicted == predicted.label
    assert found.probability == pytest.approx(predicted.probability, abs=1e-4)
    assert found.values.shape == (64, 64)
    assert found.permuted is found.sanity is None
    assert "openvino cannot exchange weights; --engine tensorflow can" in found.sanity_note
    answer = found.as_dict()
    assert answer["maximum"]["value"] == found.values.max()
    assert answer["patch_px"] == 32


def test_another_class_can_be_explained_and_an_unknown_one_is_named(trained, table, cache):
    path = table.paths[3]
    names = trained.head.classes
    other = next(name for name in names if name != table.labels[3])
    found = saliency(path, trained, other, cache=cache, engine="openvino", **QUICK)
    assert found.label == other
    probabilities = dict(bottlebank.load_predictor(trained, cache=cache)(path))
    assert found.probability == pytest.approx(probabilities[other], abs=1e-4)
    with pytest.raises(UsageError, match="the head has no class 'strips': did you mean stripes"):
        saliency(path, trained, "strips", cache=cache, engine="openvino", **QUICK)


@pytest.mark.parametrize(("size", "mode"), [((90, 30), "RGB"), ((7, 200), "L"), ((1, 1), "RGBA")])
def test_the_maximum_lies_in_the_photograph(trained, cache, tmp_path, size, mode):
    pixels = np.random.default_rng(0).integers(0, 256, (*size[::-1], 4), dtype=np.uint8)
    path = tmp_path / "odd.png"
    Image.fromarray(pixels).convert(mode).save(path)
    explain = open_explainer(trained, cache=cache, engine="openvino", **QUICK)
    places = []
    for label in explain.classes:
        found = explain(path, label)
        assert found.photograph.shape == (size[1], size[0], 3)
        assert (found.maximum is None) == (found.values.max() <= 0)
        places += [found.maximum] if found.maximum else []
    assert places, "what speaks against one class speaks for another"
    assert all(0 < share < 1 for place in places for share in place)


def test_occlusion_shows_the_fall_of_the_score_that_is_chosen(trained, table, cache):
    its = {"cache": cache, "engine": "openvino", **QUICK}
    path = table.paths[3]
    predictor = bottlebank.load_predictor(trained, cache=cache, engine="openvino")
    found = {score: saliency(path, trained, score=score, **its) for score in SCORES}
    rule = predictor.extractor.recipe.preprocessing
    pixels = rule.applied_to(decoded(read_image(path), 10**8, rule))
    index = predictor.classes.index(found[LOG_ODDS].label)

    def probability(images):
        return predictor.probabilities(images)[:, index]

    def odds(images):
        return np.log(probability(images)) - np.log1p(-probability(images))

    for score, of_images in ((LOG_ODDS, odds), (PROBABILITY, probability)):
        its_settings = found[score].settings
        parts = Patches(its_settings["patch_px"], its_settings["stride_px"]).of(pixels)
        grey = np.full_like(pixels, 128)
        expected = occlusion(of_images, pixels, grey, parts, batch_size=8)
        np.testing.assert_allclose(found[score].values, expected, rtol=1e-3, atol=1e-5)
        assert found[score].as_dict()["score"] == score
    usual = saliency(path, trained, **its)
    np.testing.assert_array_equal(usual.values, found[LOG_ODDS].values)


def test_segments_take_the_place_of_patches(trained, table, cache):
    its = {"cache": cache, "method": "occlusion", "engine": "openvino", "progress": False}
    found = saliency(table.paths[3], trained, segments=7, **its)
    answer = found.as_dict()
    assert answer["segments"] == 7
    assert "patch_px" not in answer
    rule = bottlebank.load_predictor(trained, cache=cache).extractor.recipe.preprocessing
    parts = Segments(7).of(rule.applied_to(found.photograph))
    assert all(np.ptp(found.values[part]) == 0 for part in parts)
    assert 2 <= len(np.unique(found.values)) <= 7


def test_parts_that_do_not_fit_are_refused_before_any_network_starts(trained, table, monkeypatch):
    monkeypatch.setattr("bottlebank.prediction.load_predictor", None)
    for settings, message in (
        ({"segments": 5000}, "segments is between 2 and 4096, for 64 pixels.*not 5000"),
        ({"patch_px": 65}, "patch_px is between 1 and 64"),
        ({"stride_px": 10}, "stride_px is between 1 and 9"),
    ):
        with pytest.raises(ParameterError, match=message):
            saliency(table.paths[3], trained, method="occlusion", **settings)


def test_what_cannot_be_explained_is_refused_before_any_network_starts(tmp_path, trained):
    with pytest.raises(ImageRejectedError, match=r"gone.jpg: "):
        saliency(tmp_path / "gone.jpg", trained)
    image = tmp_path / "image.png"
    Image.new("RGB", (5, 5)).save(image)
    for settings, message in (
        ({"engine": "openvino"}, "openvino computes no gradients.*--method occlusion"),
        ({"method": "occlusion", "layer": "x"}, "layer changes nothing of occlusion"),
        ({"baseline": "black"}, "baseline changes nothing of gradcam"),
        ({"method": "lime"}, "method is one of gradcam, .*'lime'"),
        ({"score": "probability"}, "score changes nothing of gradcam: it is for occlusion"),
        ({"method": "occlusion", "score": "logit"}, "score is one of log-odds or .*'logit'"),
        ({"method": "occlusion", "baseline": "pink"}, "baseline is one of grey, .*'pink'"),
        ({"method": "integrated-gradients", "patch_px": 3}, "patch_px changes nothing of"),
        ({"method": "integrated-gradients", "most_steps": 1}, "most_steps is 1"),
        ({"method": "occlusion", "patch_px": 2.5}, "patch_px"),
        ({"most_steps": 64}, "most_steps changes nothing of gradcam: it is for integrated"),
        ({"segments": 8}, "segments changes nothing of gradcam: it is for occlusion"),
        ({"method": "occlusion", "segments": 1}, "segments is 1; expected a whole number"),
        ({"method": "occlusion", "segments": 8, "stride_px": 3}, "stride_px is for patches"),
        ({"random_state": -1}, "random_state"),
        ({"label": 3}, "the head has no class"),
    ):
        with pytest.raises(UsageError, match=message):
            saliency(image, trained, **settings)
    with pytest.raises(ParameterError, match="method is one of"):
        saliency(image, trained, method=None)


def test_an_image_may_be_a_file_its_bytes_or_pixels(trained, table, cache):
    path = Path(table.paths[3])
    with Image.open(path) as picture:
        of_pixels = [picture.copy(), np.asarray(picture.convert("RGB"))]
    expected = saliency(path, trained, cache=cache, engine="openvino", **QUICK)
    for given in (path.read_bytes(), *of_pixels):
        found = saliency(given, trained, cache=cache, engine="openvino", **QUICK)
        np.testing.assert_array_equal(found.values, expected.values)


@pytest.mark.parametrize("kind", ["webp", "heic", "turned", "deep", "large"])
def test_files_as_people_have_them_are_shown_upright(trained, table, cache, tmp_path, kind):
    with Image.open(table.paths[3]) as picture:
        upright = picture.convert("RGB").resize((120, 80))
    path = tmp_path / f"photo.{kind}"
    if kind == "turned":
        exif = Image.Exif()
        exif[0x0112] = 6  # is shown turned by a quarter, clockwise
        turned = upright.transpose(Image.Transpose.ROTATE_90)
        turned.save(path, "JPEG", quality=95, subsampling=0, exif=exif)
    elif kind == "deep":
        deep = np.asarray(upright)[:, :, ::-1].astype(np.uint16) * 257
        path.write_bytes(cv2.imencode(".png", deep)[1].tobytes())
    elif kind == "large":
        upright.resize((4800, 3200), Image.Resampling.NEAREST).save(path, "JPEG", quality=95)
    elif kind == "heic":
        pillow_heif = pytest.importorskip("pillow_heif")
        pillow_heif.from_pillow(upright).save(path, quality=95)
    else:
        upright.save(path, "WEBP", lossless=True)
    expected = saliency(upright, trained, cache=cache, engine="openvino", **QUICK)
    found = saliency(path, trained, expected.label, cache=cache, engine="openvino", **QUICK)
    height, width = found.photograph.shape[:2]
    assert width / height == pytest.approx(1.5, abs=0.01)
    assert found.probability == pytest.approx(expected.probability, abs=0.1)
    together = np.corrcoef(found.values.ravel(), expected.values.ravel())
    assert together[0, 1] > 0.8


def test_what_is_no_image_is_named(trained, cache, tmp_path):
    path = tmp_path / "words.jpg"
    path.write_text("no image")
    with pytest.raises(ImageRejectedError, match=r"words.jpg: "):
        saliency(path, trained, cache=cache, engine="openvino", **QUICK)


@pytest.mark.slow
def test_maps_of_a_network_with_layers_change_with_its_weights(lite_head, photos, tmp_path):
    path = next(photos.rglob("*.png"))
    cache = tmp_path / "other"
    for method in ("gradcam", "integrated-gradients"):
        settings = {"method": method, "progress": False}
        if method == "integrated-gradients":
            settings["most_steps"] = 48
        found = saliency(path, lite_head, cache=cache, **settings)
        assert found.values.shape == found.permuted.shape == (224, 224)
        assert found.values.max() > 0
        assert len(found.sanity_each) == (5 if method == "gradcam" else 1)
        assert abs(found.sanity) < 0.5
    missed = found.values.sum() - found.settings["score_difference"]
    its_share = abs(missed / found.settings["score_difference"])
    assert found.settings["completeness_error"] == pytest.approx(its_share, rel=0.05, abs=1e-3)
    assert found.settings["steps"] <= 48
    by_layer = saliency(path, lite_head, layer="conv_stem.relu", cache=cache, sanity=False)
    assert by_layer.settings == {"layer": "conv_stem.relu"}
    with pytest.raises(UsageError, match="no layer 'conv'"):
        saliency(path, lite_head, layer="conv", cache=cache)
    checked = saliency(path, lite_head, cache=cache, engine="tensorflow", **QUICK)
    assert checked.sanity_note == ""
    assert -1 <= checked.sanity < 0.9


@pytest.fixture
def lite_head(photos, tmp_path):
    data = bottlebank.load_dataset(photos)
    table = bottlebank.extract(data, "efficientnet_lite0", cache=tmp_path / "other")
    return bottlebank.train_head(table)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Please import:DeprecationWarning")  # as tf-keras-vis imports
def test_grad_cam_is_that_of_tf_keras_vis(lite):
    pytest.importorskip(
        "tf_keras_vis",
        reason="pip install tf-keras-vis, into another environment: it brings a package `tests`",
    )
    import keras
    from tf_keras_vis.gradcam import Gradcam

    from bottlebank.interpret import log_odds
    from bottlebank.interpret.attribution.gradcam import GradCam

    head = HeadOfWeights(lite)
    pixels = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    scaled = lite._scaled(pixels[np.newaxis].astype(np.float32)).numpy()
    model = lite._model

    strongest = {}
    for index, layer in itertools.product(range(3), (lite.activations[-1], lite.activations[-8])):
        found = np.maximum(GradCam(head, layer)(pixels, index), 0)
        theirs = Gradcam(keras.Model(model.input, model.output))(
            lambda features, index=index: log_odds.of_logits(
                head.logits_of_features(features), index
            ),
            scaled,
            penultimate_layer=layer,
            seek_penultimate_conv_layer=False,  # or it takes the convolution before an activation
            normalize_cam=False,
            expand_cam=False,
        )
        theirs = np.asarray(theirs[0] if isinstance(theirs, list) else theirs).squeeze()
        np.testing.assert_allclose(found, theirs, rtol=1e-3, atol=1e-6)
        strongest[layer] = max(strongest.get(layer, 0), found.max())
    assert min(strongest.values()) > 0.01


class HeadOfWeights:
    """A network with the logits of three classes behind it."""

    def __init__(self, network):
        self.network, self.input_size_px = network, network.input_size_px
        random = np.random.default_rng(1)
        self.weights = random.normal(size=(1280, 3)).astype(np.float32)

    def outputs(self, pixels, layers):
        return self.network.outputs(pixels, layers)

    def logits_of_features(self, features):
        return features @ self.weights
