"""Pictures that excite more than photographs do, and runs that go on."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

import bottlebank as bb
from bottlebank.classifier import LogisticHead
from bottlebank.classifier.open_set import fit_unknown
from bottlebank.errors import UsageError
from bottlebank.interpret import maximise, open_for_extractor, open_for_head
from bottlebank.interpret.ascent import Ascent
from bottlebank.interpret.familiarity import distances
from bottlebank.interpret.picture_spectrum import PictureSpectrum

from ..conftest import TEST_DATA


@pytest.mark.slow
def test_pictures_of_units_excite_more_than_all_photographs(plain, table, tmp_path):
    units = np.argsort(-table.features.std(axis=0))[[0, 3]].tolist()
    found = maximise(plain, units=units, steps=30, keep=tmp_path / "cells", progress=False)
    assert [each.target for each in found.pictures] == units
    for each in found.pictures:
        assert each.path is not None
        with Image.open(each.path) as picture:
            values = plain.features(np.asarray(picture, np.float32)[None]).numpy()[0]
        assert each.score == pytest.approx(values[each.target], rel=1e-4)
        assert each.score > table.features[:, each.target].max()


def test_pictures_of_classes_are_predicted_as_their_class(trained, cache, tmp_path):
    network = open_for_head(trained, cache=cache)
    found = maximise(network, classes=network.classes, steps=30, keep=tmp_path, progress=False)
    predictor = bb.load_predictor(trained, cache=cache, engine="openvino")
    for each in found.pictures:
        predicted = predictor(str(each.path))
        assert predicted.label == each.target
        assert not predicted.unknown
        assert not each.unknown
        assert predicted.probability == pytest.approx(each.probability, abs=0.02)
    assert json.dumps(found.as_dict()).count("log_odds") == 3


@pytest.mark.parametrize(("sign", "level"), [(1, 255), (-1, 0)])
def test_a_plain_colour_is_the_answer_where_nothing_excites_more(sign, level):
    import tensorflow as tf

    def brightness(pixels, number):
        return sign * tf.reduce_mean(pixels[..., number], axis=(1, 2))

    made = Ascent(8, 1.4, brightness, brightness).climb(0, 2, [0])
    assert made.shape == (8, 8, 3)
    assert (made[..., 0] == level).all()


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_where_it_was(plain, tmp_path, monkeypatch):
    made = []
    climb = Ascent.climb

    def killed_at_the_third(self, number, *others):
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(number)
        return climb(self, number, *others)

    settings = {"units": [4, 5, 6], "steps": 3, "keep": tmp_path / "cells", "progress": False}
    monkeypatch.setattr(Ascent, "climb", killed_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        maximise(plain, **settings)
    assert made == [4, 5]
    monkeypatch.setattr(Ascent, "climb", climb)
    found = maximise(plain, **settings)
    assert [each.was_kept for each in found.pictures] == [True, True, False]
    whole = maximise(plain, **{**settings, "keep": None})
    for each, expected in zip(found.pictures, whole.pictures, strict=True):
        np.testing.assert_array_equal(each.pixels, expected.pixels)
        assert each.score == expected.score
        assert expected.path is None


@pytest.mark.slow
def test_kept_pictures_of_other_settings_or_with_damage_are_made_anew(plain, tmp_path):
    settings = {"units": [4], "steps": 2, "keep": tmp_path, "progress": False}
    [first] = maximise(plain, **settings).pictures
    assert first.path is not None
    for other in ({"random_state": 1}, {"steps": 3}, {"decay": 0.5}):
        [made] = maximise(plain, **{**settings, **other}).pictures
        assert not made.was_kept
        assert made.path != first.path
    written = first.path.read_bytes()
    for damaged in (b"", written[:100], written[:-200], b"no picture"):
        first.path.write_bytes(damaged)
        [made] = maximise(plain, **settings).pictures
        assert not made.was_kept
        assert first.path.read_bytes() == written
    Image.new("RGB", (64, 64)).save(first.path)  # of the same name, and nobody says whose
    assert not maximise(plain, **settings).pictures[0].was_kept
    assert maximise(plain, **settings).pictures[0].was_kept


def test_what_is_not_there_is_named(plain, trained):
    head = open_for_head(trained)
    for network, settings, words in (
        (plain, {}, "units or classes, and not both"),
        (head, {"units": [1], "classes": ["disc"]}, "units or classes, and not both"),
        (plain, {"classes": ["disc"]}, "open the network with one"),
        (head, {"classes": ["disk"]}, "no class 'disk'.*did you mean disc"),
        (head, {"classes": ["disc"], "layer": "x"}, "classes are of the head"),
        (plain, {"units": [10**6]}, "no unit 1000000: the transfer values have"),
        (plain, {"units": [0], "layer": "x"}, "layers of random cannot be looked at"),
        (plain, {"units": [0], "at": "edge"}, "mean or middle"),
    ):
        with pytest.raises(UsageError, match=words):
            maximise(network, **settings)


def test_amplitudes_fall_with_the_frequency_and_pixels_are_those_of_8_bits():
    spectrum = PictureSpectrum(32, 1.0)
    starts = spectrum.start(np.random.default_rng(0), 20)
    pixels = spectrum.pixels(starts).numpy()
    assert pixels.shape == (20, 32, 32, 3)
    assert 0 <= pixels.min() < 60
    assert 195 < pixels.max() <= 255
    power = (np.abs(np.fft.rfft2(pixels.mean(axis=3))) ** 2).mean(axis=0)
    assert power[0, 2] > 5 * power[0, 8]
    assert power[0, 8] > 2 * power[0, 15]


@pytest.mark.parametrize("is_earlier", [False, True])
def test_distances_are_those_of_the_rule_for_unknown_images(is_earlier):
    import tensorflow as tf

    random = np.random.default_rng(0)
    rows = random.gamma(np.eye(3)[np.arange(300) % 3] + 0.3).astype(np.float32)
    head = LogisticHead().fit(rows[:200], np.arange(200) % 3)
    rule = fit_unknown(head.layers_, rows[:200], np.arange(200) % 3, rows[200:])
    assert rule is not None
    if is_earlier:
        rule = rule._replace(standardisation=None)
    images = random.normal(size=(50, 3)).astype(np.float32) * 10 ** np.linspace(-3, 3, 50)[:, None]
    images = np.concatenate([images, np.zeros((1, 3))]).astype(np.float32)
    logits = head.layers_.logits(images)
    of_distances_alone = rule._replace(odds_scale=1e12).scores(images, logits)
    found = distances(rule, tf.constant(images)).numpy()
    np.testing.assert_allclose(found, -of_distances_alone, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_of_a_head_for_clothing_no_picture_is_unknown(clothing, tmp_path):
    cache = tmp_path / "cache"
    table = bb.extract(str(clothing), "efficientnet_lite0", cache=cache, progress=False)
    trained = bb.train_head(table)
    network = open_for_head(trained, cache=cache)
    found = maximise(network, classes=["hat", "shoes"], keep=tmp_path / "cells", progress=False)
    predictor = bb.load_predictor(trained, cache=cache)
    for each in found.pictures:
        predicted = predictor(str(each.path))
        assert predicted.label == each.target
        assert not predicted.unknown
        assert not each.unknown


@pytest.mark.slow
def test_units_are_those_of_the_layer(lite):
    with pytest.raises(UsageError, match=r"conv_stem\.relu has the units 0 to 31"):
        maximise(lite, units=[32], layer="conv_stem.relu")
    with pytest.raises(UsageError, match="no layer 'gone'"):
        maximise(lite, units=[0], layer="gone")


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["blocks.5.expand_conv.relu", None])
def test_pictures_excite_more_than_photographs_of_clothing(lite, clothing, layer):
    import tensorflow as tf

    units = [18, 232 if layer is None else 100]
    found = maximise(lite, layer=layer, units=units, progress=False)
    paths = sorted(clothing.rglob("*.jpg"))[::34]
    best = np.full(2, -np.inf)
    for start in range(0, len(paths), 20):
        pixels = np.stack([lite.decode(path.read_bytes()) for path in paths[start : start + 20]])
        values = tf.constant(pixels, tf.float32)
        (maps,), features = lite.outputs(values, [layer or "conv_head.relu"])
        of_units = features if layer is None else tf.reduce_mean(maps, axis=(1, 2))
        best = np.maximum(best, of_units.numpy()[:, units].max(axis=0))
    for each, of_photographs in zip(found.pictures, best, strict=True):
        assert each.score > of_photographs


@pytest.mark.slow
@pytest.mark.weights
def test_mobilenet_too(imagenet, tmp_path):
    network = open_for_extractor("mobilenet_v2", cache=tmp_path / "cache")
    found = maximise(network, layer="block_6_expand_relu", units=[3], steps=32, progress=False)
    photographs = sorted((TEST_DATA / "images" / "clothing" / "validation").rglob("*.jpg"))[:40]
    pixels = np.stack([network.decode(path.read_bytes()) for path in photographs])
    (maps,), _ = network.outputs(pixels.astype(np.float32), ["block_6_expand_relu"])
    assert found.pictures[0].score > maps.numpy()[..., 3].mean(axis=(1, 2)).max()


@pytest.mark.slow
def test_they_reach_what_tf_keras_vis_reaches(lite):
    pytest.importorskip(
        "tf_keras_vis",
        reason="pip install tf-keras-vis, into another environment: it brings a package `tests`",
    )
    import keras
    import tensorflow as tf
    from tf_keras_vis.activation_maximization import ActivationMaximization

    layer, unit = "blocks.5.expand_conv.relu", 100
    side = lite.input_size_px
    part = keras.Model(lite._model.input, lite._model.get_layer(layer).output)
    oracle = ActivationMaximization(part, clone=False)
    # It climbs in the network's own input, scaled pixels, as ours are by `_scaled`.
    ends = [np.asarray(lite._scaled(np.full((1, 1, 1, 3), v, np.float32))) for v in (0, 255)]
    low, high = (float(end.mean()) for end in ends)
    reached = oracle(
        lambda output: tf.reduce_mean(output[..., unit]),
        seed_input=tf.random.stateless_uniform((1, side, side, 3), (0, 1), low, high),
        steps=64,
        input_range=(low, high),
    )
    theirs = float(tf.reduce_mean(part(reached)[..., unit]))
    (ours,) = maximise(lite, layer=layer, units=[unit], progress=False).pictures
    assert ours.score >= theirs
