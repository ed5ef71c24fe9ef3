"""Models of the same layers compute the same with the same weights."""

from __future__ import annotations

import numpy as np
import pytest

from bottlebank.interpret.cloning import clone_with
from bottlebank.interpret.opening import _permuted


@pytest.fixture
def normalising():
    """A model whose `Normalization` has learned from pixels, within another model."""
    import keras

    centring = keras.layers.Normalization(name="centring")
    centring.adapt(np.random.default_rng(0).uniform(0, 255, (9, 8, 8, 3)))
    inner = keras.Sequential([keras.Input((8, 8, 3)), centring])
    pixels = keras.Input((8, 8, 3))
    maps = keras.layers.Conv2D(4, 3, activation="relu", name="maps")(inner(pixels))
    return keras.Model(pixels, keras.layers.GlobalAveragePooling2D()(maps))


def test_a_clone_normalises_as_the_model_does(normalising):
    clone = clone_with(normalising, normalising.get_weights())
    pixels = np.random.default_rng(1).uniform(0, 255, (2, 8, 8, 3)).astype(np.float32)
    expected = normalising(pixels).numpy()
    assert np.abs(expected).max() > 0
    np.testing.assert_allclose(clone(pixels).numpy(), expected, rtol=1e-5)


def test_a_clone_for_any_size_makes_the_same_maps(normalising):
    import keras

    part = keras.Model(normalising.input, normalising.get_layer("maps").output)
    pixels = np.random.default_rng(1).uniform(0, 255, (2, 8, 8, 3)).astype(np.float32)
    clone = clone_with(part, part.get_weights())
    np.testing.assert_allclose(clone(pixels).numpy(), part(pixels).numpy(), rtol=1e-5)


def test_maps_at_any_size_are_those_of_the_network_at_its_own(lite):
    names = ["conv_stem.relu", "blocks.5.expand_conv.relu"]
    pixels = np.random.default_rng(1).uniform(0, 255, (1, 224, 224, 3)).astype(np.float32)
    expected, _ = lite.outputs(pixels, names)
    for found, one in zip(lite.maps_at_any_size(names)(pixels), expected, strict=True):
        np.testing.assert_allclose(found.numpy(), one.numpy(), atol=1e-4)


@pytest.mark.parametrize("shape", [(), (3,), (1, 1, 1, 3), (5, 1)])
def test_what_is_no_kernel_keeps_its_order(shape):
    values = np.arange(np.prod(shape, dtype=int), dtype=np.float32).reshape(shape)
    np.testing.assert_array_equal(_permuted(values, np.random.default_rng(0)), values)
    kernel = np.arange(36.0).reshape(3, 3, 2, 2)
    other = _permuted(kernel, np.random.default_rng(0))
    assert (other != kernel).any()
    assert sorted(other.ravel()) == sorted(kernel.ravel())


@pytest.mark.slow
def test_efficientnet_of_keras_sees_the_same_through_its_clones():
    import keras

    size = (64, 64, 3)
    model = keras.applications.EfficientNetB0(weights=None, include_top=False, input_shape=size)
    centring = next(each for each in model.layers if isinstance(each, keras.layers.Normalization))
    centring.adapt(np.random.default_rng(0).uniform(0, 1, (9, 64, 64, 3)))
    pixels = np.random.default_rng(1).uniform(0, 255, (1, 64, 64, 3)).astype(np.float32)
    clone = clone_with(model, model.get_weights())
    expected = model(pixels, training=False).numpy()
    np.testing.assert_allclose(
        clone(pixels, training=False).numpy(), expected, rtol=1e-4, atol=1e-6
    )
