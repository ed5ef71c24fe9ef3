"""Which axis of a layer is that of features, and whether its tokens begin with a class token."""

import pytest

from bottlebank.features.backbones.layer_pooling import (
    AS_IT_IS,
    CLS,
    IN_DOUBT,
    MEAN_OVER_PIXELS,
    MEAN_OVER_TOKENS,
    is_last_of,
    pooled_axes,
    usual_pooling,
    width_of,
)


@pytest.mark.parametrize("width", [192, 384, 768, 1024, 1152, 1280, 1408, 1536])
@pytest.mark.parametrize("size_px", [224, 256, 320, 336, 378, 384, 392, 400, 448, 512, 518])
@pytest.mark.parametrize("patch_px", [14, 16])
@pytest.mark.parametrize(("n_more", "pooling"), [(0, MEAN_OVER_TOKENS), (1, CLS), (5, CLS)])
def test_transformers_of_every_size(width, size_px, patch_px, n_more, pooling):
    """Patches need not fill the picture: at 256 px, 18 x 18 of 14 px."""
    shape = ((size_px // patch_px) ** 2 + n_more, width)
    assert width_of(shape, size_px) == width
    assert pooled_axes(shape, size_px) == [1]
    assert usual_pooling(shape, size_px) == pooling


@pytest.mark.parametrize("n_more", [3, 4])
@pytest.mark.parametrize(("size_px", "n_patches"), [(224, 196), (224, 256), (384, 729)])
def test_what_leaves_a_class_token_in_doubt_is_asked_for(size_px, n_patches, n_more):
    """Registers without a class token, or some other tokens."""
    shape = (n_patches + n_more, 1024)
    assert width_of(shape, size_px) == 1024
    assert usual_pooling(shape, size_px) == IN_DOUBT


@pytest.mark.parametrize(
    ("shape", "size_px", "width", "pooling"),
    [
        ((768, 197), 224, 768, CLS),
        ((384, 196), 224, 384, MEAN_OVER_TOKENS),
        ((512, 49), 224, 512, MEAN_OVER_TOKENS),
        ((128, 196), 224, 128, MEAN_OVER_TOKENS),
        ((72, 64), 256, 72, MEAN_OVER_TOKENS),
        ((200, 784), 224, 200, MEAN_OVER_TOKENS),
        ((1024, 1369), 518, 1024, MEAN_OVER_TOKENS),
        ((96, 3136), 224, 96, MEAN_OVER_TOKENS),
        ((49, 768), 224, 768, MEAN_OVER_TOKENS),
        ((1, 512), 224, 512, MEAN_OVER_TOKENS),
        ((7, 7, 96), 224, 96, MEAN_OVER_PIXELS),
        ((96, 7, 7), 224, 96, MEAN_OVER_PIXELS),
        ((7, 7, 7), 224, 7, MEAN_OVER_PIXELS),
        ((512,), 224, 512, AS_IT_IS),
    ],
)
def test_what_shapes_said_before_they_still_say(shape, size_px, width, pooling):
    """Recipes depend on it."""
    assert width_of(shape, size_px) == width
    assert usual_pooling(shape, size_px) == pooling


@pytest.mark.parametrize(
    ("one", "other", "is_last"),
    [
        ((257, 1024), (1025, 1024), True),
        ((1024, 256), (1024, 1024), False),
        ((64, 16, 16), (64, 32, 32), False),
        ((16, 16, 64), (32, 32, 64), True),
        ((257, 1024), (257, 1024), None),
        ((256, 256), (1024, 1024), None),
        ((512,), (512,), None),
        ((257, 1024), None, None),
    ],
)
def test_of_two_sizes_the_axis_that_stays_is_that_of_features(one, other, is_last):
    assert is_last_of(one, other) is is_last
