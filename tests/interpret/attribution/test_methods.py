"""Maps of what an answer rests on, by what is known of them."""

from __future__ import annotations

import numpy as np
import pytest

from bottlebank.errors import ParameterError, UsageError
from bottlebank.interpret import log_odds
from bottlebank.interpret.attribution.baseline import baseline_of
from bottlebank.interpret.attribution.found import Saliency
from bottlebank.interpret.attribution.gradcam import GradCam, layer_for
from bottlebank.interpret.attribution.integrated import GradientsOnAWay, Way, integrated_gradients
from bottlebank.interpret.attribution.methods import BASELINES
from bottlebank.interpret.attribution.occlusion import occlusion
from bottlebank.interpret.attribution.parts import Patches, patches_for, segments_for
from bottlebank.interpret.attribution.sanity import rank_correlation
from bottlebank.interpret.opening import open_for_head


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("side_px", [1, 5, 17, 64])
def test_occlusion_finds_the_only_pixel_that_counts(side_px):
    pixels = noise(side_px, side_px)
    row, column = side_px // 3, side_px - 1
    pixels[row, column] = 255

    def score(images):
        return images[:, row, column].sum(axis=1, dtype=float)

    patches = patches_for(side_px)
    parts = patches.of(pixels)
    seen = {}
    for batch_size in (1, 7, 1000):
        found = occlusion(score, pixels, np.zeros_like(pixels), parts, batch_size=batch_size)
        seen[batch_size] = found
        assert found[row, column] == found.max() == 3 * 255
        far = np.ones_like(found, bool)
        near = patches.patch_px
        far[max(0, row - near) : row + near + 1, max(0, column - near) :] = False
        assert not found[far].any()
    assert (seen[1] == seen[7]).all()
    assert (seen[1] == seen[1000]).all()


def test_what_speaks_against_is_negative_and_patches_cover_everything():
    pixels = noise(20, 20)
    found = occlusion(
        lambda images: -images[:, :10].mean((1, 2, 3)),
        pixels,
        np.zeros_like(pixels),
        Patches(6, 4).of(pixels),
        batch_size=5,
    )
    assert (found[:6] < 0).all()
    assert (found[15:] == 0).all()
    for side, patch, stride in ((20, 6, 4), (224, 32, 16), (7, 7, 3), (10, 1, 1), (23, 5, 5)):
        hidden = np.zeros((side, side), int)
        for part in Patches(patch, stride).of(noise(side, side)):
            assert hidden[part].size, "a part of which nothing can be seen"
            hidden[part] += 1
        along = {patch // stride, -(-patch // stride)}  # at the edges as elsewhere
        assert set(hidden.flat) <= {one * other for one in along for other in along}


def test_patches_that_do_not_fit_are_refused():
    with pytest.raises(ParameterError, match="patch_px is between 1 and 64.*not 65"):
        patches_for(64, 65)
    with pytest.raises(ParameterError, match="stride_px is between 1 and 8.*gaps"):
        patches_for(64, 8, 9)


@pytest.mark.parametrize("side_px", [40, 96, 128, 129, 224, 300])
def test_segments_end_where_a_thing_of_one_colour_does(side_px):
    """Of a large image up to the width of the squares that are kept whole."""
    height, width = np.indices((side_px, side_px))
    pixels = np.stack([height, width, height + width], axis=2) * 100 // side_px
    pixels = (pixels + noise(side_px, side_px, 2) // 8).astype(np.uint8)
    square = np.zeros((side_px, side_px), bool)
    top, side = side_px // 2 + 1, side_px // 8
    square[top : top + side, top : top + side] = True
    pixels[square] = (255, 0, 255)
    parts = segments_for(side_px, 32).of(pixels)
    assert len(parts) == 32
    masks = as_masks(parts, side_px)
    (on_it,) = [mask for mask in masks if mask[square].mean() > 0.5]
    if side_px <= 128:
        np.testing.assert_array_equal(on_it, square)
    else:
        cell = -(-side_px // 128)
        alike = ((side - cell) / (side + cell)) ** 2
        assert (on_it & square).sum() > alike * (on_it | square).sum()

    def score(images):
        return images[:, square][..., 0].mean(axis=1, dtype=float)

    found = occlusion(score, pixels, np.zeros_like(pixels), parts, batch_size=9)
    assert found[on_it].min() == found.max() > 150
    assert found[~on_it].max() < 0.5 * found.max()


@pytest.mark.parametrize(
    ("side_px", "most"), [(2, 4), (5, 25), (33, 33**2), (128, 128**2), (257, 86**2)]
)
def test_images_of_one_colour_have_segments_too(side_px, most):
    pixels = np.full((side_px, side_px, 3), 7, np.uint8)
    for number in (2, min(100, most), most):
        masks = as_masks(segments_for(side_px, number).of(pixels), side_px)
        assert len(masks) == number
        assert masks.any(axis=(1, 2)).all()
    for number in (1, most + 1):
        with pytest.raises(ParameterError, match=rf"between 2 and {most}, .*not {number}"):
            segments_for(side_px, number)


def as_masks(parts, side_px):
    """Bool, (n, side, side), of parts that have each pixel once."""
    masks = np.zeros((len(parts), side_px, side_px), bool)
    for mask, part in zip(masks, parts, strict=True):
        mask[part] = True
    assert (masks.sum(axis=0) == 1).all()
    return masks


@pytest.mark.parametrize("noise_of_score", [0, 3e-7])
def test_what_changes_nothing_but_the_rounding_is_no_fall(noise_of_score):
    pixels = np.full((8, 8, 3), 128, np.uint8)
    random = np.random.default_rng(0)

    def score(images):
        return 2.5 + random.normal(0, noise_of_score, len(images))

    for parts in (patches_for(8), segments_for(8, 5)):
        found = occlusion(score, pixels, pixels, parts.of(pixels), batch_size=4)
        assert not found.any()


def test_contributions_sum_to_the_difference_of_the_scores(trained):
    network = open_for_head(trained)
    gradients = GradientsOnAWay(network)
    for seed, index, name in ((3, 0, "grey"), (4, 2, "blurred")):
        pixels = noise(64, 64, seed)
        baseline = baseline_of(name, pixels)
        found = integrated_gradients(gradients, Way(baseline, pixels, index), most_steps=200)
        both = np.stack([baseline, pixels]).astype(np.float32)
        before, after = log_odds.of_logits(network.logits(both), index).numpy().tolist()
        assert found.difference == pytest.approx(after - before, rel=1e-4)
        assert found.values.shape == (64, 64)
        assert found.values.sum() == pytest.approx(after - before, rel=0.011)
        assert found.error is not None
        assert found.error <= 0.01
        assert found.steps <= 200


def test_grad_cam_of_the_last_maps_is_what_a_linear_head_says_of_each_place(lite):
    """The features are the means of the last maps, so that the gradient is known."""
    head = LinearHead(lite)
    pixels = noise(224, 224, 5)
    name = lite.map_layers[-1]
    (maps,), _ = lite.outputs(pixels[np.newaxis].astype(np.float32), [name])
    found = GradCam(head, name)(pixels, 1)
    difference = head.weights[:, 1] - head.weights[:, 0]
    expected = maps.numpy()[0] @ difference / np.prod(found.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


class LinearHead:
    """A network with a linear head of two classes behind it."""

    def __init__(self, network):
        self.network, self.input_size_px = network, network.input_size_px
        self.outputs = network.outputs
        self.weights = np.random.default_rng(1).normal(size=(1280, 2)).astype(np.float32)

    def logits_of_features(self, features):
        return features @ self.weights


def test_a_map_in_which_nothing_speaks_for_the_class_has_no_maximum():
    for values, place in (
        (np.zeros((4, 8), np.float32), None),
        (np.full((4, 8), -1, np.float32), None),
        (np.eye(4, 8, dtype=np.float32)[::-1], (0.4375, 0.125)),
        (np.kron(np.eye(2, 4), np.ones((2, 2))).astype(np.float32)[:, ::-1], (0.875, 0.25)),
    ):
        found = Saliency(
            method="occlusion",
            label="a",
            probability=1.0,
            predicted="a",
            unknown=False,
            values=values,
            photograph=np.zeros((40, 80, 3), np.uint8),
            window=(0, 0, 40, 80),
            permuted=None,
            sanity=None,
            sanity_of_sizes=None,
            sanity_note="",
            engine="openvino",
            extractor="random",
        )
        assert found.maximum == place
        assert (found.as_dict()["maximum"] is None) == (place is None)


def test_contributions_to_a_difference_of_nearly_0_are_as_exact(trained):
    network = open_for_head(trained)
    pixels = noise(64, 64, 6)
    found = integrated_gradients(GradientsOnAWay(network), Way(pixels, pixels, 0))
    assert (found.difference, found.miss, found.error) == (0, 0, None)
    assert not found.values.any()
    assert found.steps < 40


@pytest.mark.parametrize("shape", ["ring", "angle", "square"])
def test_the_greatest_value_is_said_to_lie_where_it_is(shape):
    rows, columns = np.indices((40, 40))
    distance = np.maximum(abs(rows - 20), abs(columns - 15))
    area = {
        "ring": (distance == 9) | (distance == 8),
        "angle": (rows == 3) | (columns == 4),
        "square": distance <= 4,
    }[shape]
    values = area.astype(np.float32)
    photograph, window = np.zeros((40, 40, 3), np.uint8), (0.0, 0.0, 40.0, 40.0)
    seen = Saliency(
        *("occlusion", "a", 0.5, "a", False, values, photograph, window, None, None),
        *("not asked for", "openvino", "mobilenet_v2"),
    )
    assert seen.maximum is not None
    column, row = (int(share * 40) for share in seen.maximum)
    assert area[row, column]
    if shape == "square":
        assert (row, column) == (20, 15)


def test_log_odds_are_those_of_the_probabilities_and_of_two_classes():
    import tensorflow as tf

    logits = np.random.default_rng(0).normal(0, 3, (5, 4))
    odds = np.exp(logits)
    probabilities = odds / odds.sum(axis=1, keepdims=True)
    for index in range(4):
        expected = np.log(probabilities[:, index] / (1 - probabilities[:, index]))
        found = log_odds.of_probabilities(probabilities, index)
        np.testing.assert_allclose(found, expected, rtol=1e-9)
        of_logits = log_odds.of_logits(tf.constant(logits), index).numpy()
        np.testing.assert_allclose(of_logits, expected, rtol=1e-9)
    sure = log_odds.of_probabilities(np.array([[1.0, 0.0]]), 0)
    assert np.isfinite(sure).all()


def test_baselines_are_what_they_are_called():
    pixels = noise(12, 20)
    for name in BASELINES:
        found = baseline_of(name, pixels)
        assert (found.shape, found.dtype) == (pixels.shape, np.uint8)
    assert (baseline_of("grey", pixels) == 128).all()
    assert not baseline_of("black", pixels).any()
    np.testing.assert_allclose(baseline_of("mean", pixels)[3, 4], pixels.mean((0, 1)), atol=0.5)
    assert baseline_of("blurred", pixels).std() < pixels.std() / 2


def test_rank_correlation_is_spearmans():
    from scipy.stats import spearmanr

    random = np.random.default_rng(0)
    first = random.normal(size=(9, 9)).round(1)
    second = np.maximum(first + random.normal(size=(9, 9)), 0)
    expected = spearmanr(first.ravel(), second.ravel()).statistic
    assert rank_correlation(first, second) == pytest.approx(expected)
    assert rank_correlation(first, np.exp(first)) == pytest.approx(1)
    assert rank_correlation(first, np.zeros((9, 9))) is None


def test_a_network_without_layers_says_which_method_works(plain):
    with pytest.raises(UsageError, match="random shows none: choose the method integrated-grad"):
        layer_for(plain, None)
