"""Networks through which gradients go: the same numbers as the engines compute."""

from __future__ import annotations

import numpy as np
import pytest

import bottlebank
from bottlebank.errors import EngineError, UsageError
from bottlebank.features import ExtractorSpec, open_extractor, recipe_for
from bottlebank.interpret.opening import open_for_extractor, open_for_head

from ..features.backbones import onnx_networks
from ..features.backbones.keras import keras_networks


def pixels_of(network, n=1):
    size_px = network.input_size_px
    shape = (n, size_px, size_px, 3)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def transfer_values(network, pixels, tmp_path):
    recipe, weights = recipe_for(ExtractorSpec(network.recipe.extractor))
    extractor = open_extractor(
        recipe, lambda: weights, precisions=["float32"], networks=tmp_path / "networks"
    )
    return extractor.transfer_values(pixels)


def gradient(function, pixels):
    import tensorflow as tf

    given = tf.constant(pixels, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(given)
        values = tf.reduce_sum(function(given))
    return tape.gradient(values, given).numpy()


def test_features_are_those_of_the_engines(plain, lite, tmp_path):
    for network in (plain, lite):
        pixels = pixels_of(network)
        features = network.features(pixels.astype(np.float32)).numpy()
        expected = transfer_values(network, pixels, tmp_path)
        np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-4)


def test_gradients_are_those_of_finite_differences(plain):
    random = np.random.default_rng(1)
    pixels = pixels_of(plain, 1).astype(np.float32)
    found = gradient(plain.features, pixels)
    step = random.choice([-0.5, 0.5], pixels.shape).astype(np.float32)

    def total(values):
        return plain.features(values).numpy().astype(float).sum()

    change = total(pixels + step) - total(pixels - step)
    assert change == pytest.approx(2 * (found * step).sum(), rel=0.05)


def test_logits_give_the_heads_probabilities(trained, plain):
    network = open_for_head(trained)
    pixels = pixels_of(network, 3)
    logits = network.logits(pixels.astype(np.float32)).numpy().astype(float)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    features = plain.features(pixels.astype(np.float32)).numpy()
    expected = trained.head.predict_proba(features)
    np.testing.assert_allclose(odds / odds.sum(axis=1, keepdims=True), expected, atol=1e-5)
    assert network.classes == trained.head.classes


def kernels(network):
    """Of the network's layers, if it has some: arrays."""
    weights = [] if network._model is None else network._model.weights
    return [each.numpy() for each in weights if len(each.shape) > 1]


def test_permuted_kernels_hold_the_same_values_in_another_order(plain, lite):
    for network in (plain, lite):
        pixels = pixels_of(network).astype(np.float32)
        usual = network.features(pixels).numpy()
        other = network.with_permuted_kernels(1)
        changed = other.features(pixels).numpy()
        for mine, theirs in zip(kernels(network), kernels(other), strict=True):
            np.testing.assert_array_equal(np.sort(mine.ravel()), np.sort(theirs.ravel()))
            assert mine.size < 2 or not (mine == theirs).all()
        assert np.abs(changed - usual).mean() > 0.05 * np.abs(usual).mean()
        assert (network.with_permuted_kernels(1).features(pixels).numpy() == changed).all()
        assert (network.features(pixels).numpy() == usual).all()
        assert list(other.layers) == list(network.layers)


def test_kernels_are_permuted_again_in_place_as_if_for_the_first_time(lite):
    import tensorflow as tf

    pixels = pixels_of(lite).astype(np.float32)
    usual = lite.features(pixels).numpy()
    other = lite.with_permuted_kernels(1)
    traced = tf.function(other.features)
    first = traced(tf.constant(pixels)).numpy()
    other.permute_again(2)
    second = traced(tf.constant(pixels)).numpy()
    assert np.abs(second - first).mean() > 0.05 * np.abs(first).mean()
    expected = lite.with_permuted_kernels(2).features(pixels).numpy()
    np.testing.assert_allclose(second, expected, rtol=1e-3, atol=1e-4)
    assert (lite.features(pixels).numpy() == usual).all()


def test_maps_are_what_lies_between_pixels_and_features(lite):
    import tensorflow as tf

    pixels = pixels_of(lite).astype(np.float32)
    assert lite.map_layers[-1] == "conv_head.relu"
    assert lite.layers["conv_head.relu"] == (7, 7, 1280)
    with tf.GradientTape() as tape:
        tape.watch(given := tf.constant(pixels))
        (maps,), features = lite.outputs(given, ["conv_head.relu"])
        first = tf.reduce_sum(features[:, 0])
    np.testing.assert_allclose(maps.numpy().mean((1, 2)), features.numpy(), atol=1e-5)
    by_maps = tape.gradient(first, maps).numpy()
    np.testing.assert_allclose(by_maps[..., 0], 1 / 49, rtol=1e-5)
    assert not by_maps[..., 1:].any()


def test_layers_that_are_not_there_are_named(plain, lite):
    with pytest.raises(UsageError, match=r"no layer 'conv_haed.relu'.*conv_head.relu"):
        lite.outputs(pixels_of(lite), ["conv_haed.relu"])
    with pytest.raises(UsageError, match="layers of random cannot be looked at: expected"):
        plain.require_layer("any")


@pytest.mark.slow
def test_a_network_in_a_file_of_keras_has_gradients(tmp_path):
    path = keras_networks.save(keras_networks.cnn(), tmp_path / "own.keras")
    network = open_for_extractor(path, cache=tmp_path / "cache", scaling="tf")
    pixels = pixels_of(network)
    features = network.features(pixels.astype(np.float32)).numpy()
    expected = transfer_values_of_file(path, pixels, tmp_path)
    np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-4)
    assert np.abs(gradient(network.features, pixels)).max() > 0


def transfer_values_of_file(path, pixels, tmp_path):
    recipe, weights = recipe_for(ExtractorSpec.of(path, scaling="tf"))
    networks = tmp_path / "cache" / "networks"
    extractor = open_extractor(
        recipe, lambda: weights, precisions=["float32"], networks=networks, engine="tensorflow"
    )
    return extractor.transfer_values(pixels)


def test_what_has_no_gradients_says_what_works_instead(tmp_path):
    path = tmp_path / "network.onnx"
    onnx_networks.save(onnx_networks.cnn(), path)
    with pytest.raises(EngineError, match="has no gradients.*--method occlusion"):
        open_for_extractor(path, cache=tmp_path / "cache", scaling="torch")
    for engine in ("openvino", "onnxruntime"):
        with pytest.raises(UsageError, match=f"{engine} computes no gradients.*occlusion"):
            open_for_extractor("random", engine=engine)
    with pytest.raises(UsageError, match="unknown engine"):
        open_for_head(tmp_path / "head.h5", engine="abacus")


def test_a_picture_is_decoded_as_the_network_takes_it(plain, photos):
    data = next(photos.rglob("*.png")).read_bytes()
    pixels = plain.decode(data)
    assert pixels.shape == (64, 64, 3)
    assert pixels.dtype == np.uint8
    with pytest.raises(bottlebank.errors.ImageRejectedError):
        plain.decode(b"no picture")


def test_a_network_of_one_image_in_a_call_is_traced_for_any_number(trained, plain):
    """As SavedModels may be; an attack is traced before it knows how many images there are."""
    from bottlebank.features.backbones.registry import find_backbone
    from bottlebank.features.engines.tensorflow import TensorFlowEngine, features_of_pixels
    from bottlebank.interpret.attacks.attack import Attack, Goal
    from bottlebank.interpret.network import DifferentiableNetwork

    recipe, weights = recipe_for(ExtractorSpec("random"))
    engine = TensorFlowEngine(find_backbone("random"), weights, one_image=True)
    network = DifferentiableNetwork(
        *(recipe, features_of_pixels(engine.graph())),
        permuted=plain.with_permuted_kernels,
        head=trained.head,
    )
    whole = DifferentiableNetwork(
        recipe, plain.features, permuted=plain.with_permuted_kernels, head=trained.head
    )
    pixels = pixels_of(plain, 3)
    exact = pixels.astype(np.float32)
    assert plain.features(exact).shape == network.features(exact).shape
    np.testing.assert_allclose(network.features(exact), plain.features(exact), atol=1e-4)
    found, expected = (gradient(each.features, exact) for each in (network, plain))
    np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())
    goal = Goal(whole.logits(exact).numpy().argmax(axis=1))
    changed, expected = (
        Attack(each, lambda _, rows: goal.classes[rows], method="fgsm")(
            pixels, goal, 2, np.arange(3)
        )[0]
        for each in (network, whole)
    )
    assert (changed != pixels).any()
    assert (changed == expected).mean() > 0.99
