"""What training begins with and ends with is the same head, written otherwise."""

import itertools

import numpy as np

from bottlebank.classifier.layers import Layers
from bottlebank.training.finetuning.trainer import standardised_anew

random = np.random.default_rng(0)


def some_layers(*widths):
    def numbers(*shape):
        return random.normal(size=shape).astype(np.float32)

    kernels = [numbers(*pair) for pair in itertools.pairwise(widths)]
    mean, scale = numbers(widths[0]), np.exp(numbers(widths[0]))
    return Layers(mean, scale, kernels, [numbers(width) for width in widths[1:]])


def test_another_standardisation_makes_the_same_logits():
    features = random.normal(2, 3, (50, 6)).astype(np.float32)
    mean, scale = features.mean(axis=0), features.std(axis=0)
    for widths in ((6, 3), (6, 8, 4, 3)):
        layers = some_layers(*widths)
        again = standardised_anew(layers, mean, scale)
        np.testing.assert_array_equal(again.mean, mean)
        np.testing.assert_allclose(
            again.logits(features), layers.logits(features), rtol=1e-4, atol=1e-4
        )


def test_the_temperature_goes_into_the_last_layer():
    features = random.normal(size=(20, 6))
    layers = some_layers(6, 5, 3)
    np.testing.assert_allclose(
        layers.divided_by(2.5).logits(features), layers.logits(features) / 2.5, atol=1e-5
    )
