"""Named rules of scaling: their texts, the sizes they give, and pixels that Pillow makes."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bottlebank.features.images.decoder import picture_of
from bottlebank.features.images.fit import RESIZE_RULE, Preprocessing, decode_and_resize
from bottlebank.features.images.resize import FILTERS, ResizeRule

px = st.integers(1, 1 << 14)
fills = st.tuples(*[st.integers(0, 255)] * 3)
rules = st.one_of(
    st.builds(
        lambda *of: ResizeRule(*of), st.sampled_from(sorted(FILTERS)), st.just("both sides"), px
    ),
    st.builds(
        ResizeRule,
        st.sampled_from(sorted(FILTERS)),
        st.sampled_from(["both sides", "shorter side", "longer side"]),
        px,
        px,
        st.sampled_from(["down", "even"]),
        fills,
    ),
)


def picture(height: int, width: int) -> np.ndarray:
    """Smooth waves with an edge and some noise: uint8, (height, width, 3)."""
    down, across = np.mgrid[:height, :width]
    waves = [np.sin(down / 7 + channel) + np.cos(across / (5 + channel)) for channel in range(3)]
    values = (
        128 + 50 * np.stack(waves, 2) + np.random.default_rng(3).normal(0, 9, (height, width, 3))
    )
    values[: height // 3, width // 2 :] = 255
    return values.clip(0, 255).astype(np.uint8)


@given(rules)
def test_a_rule_is_read_back_from_its_text(rule):
    assert ResizeRule.parse(str(rule)) == rule


@pytest.mark.parametrize(
    "text",
    [
        "",
        RESIZE_RULE,
        "Pillow bicubic, both sides to 224, warped ",
        "Pillow bicubic, both sides to 0224, warped",
        "Pillow bicubic, both sides to 0, warped",
        "Pillow bicubic, both sides to 99999, warped",
        "Pillow cubic, both sides to 224, warped",
        "Pillow bicubic, shorter side to 224, the longer rounded down",
        "Pillow bicubic, both sides to 224, the longer rounded down",
        "Pillow box, longer side to 8, both rounded half to even; middle 8, offset up, "
        "on (0, 0, 0)",
        "Pillow box, longer side to 8, both rounded half to even; middle 8, offset rounded down, "
        "on (0, 0, 256)",
    ],
)
def test_a_text_that_is_no_rule_is_refused(text):
    with pytest.raises(ValueError, match="no rule by which pictures are scaled"):
        ResizeRule.parse(text)


@pytest.mark.parametrize("name", sorted(FILTERS))
def test_a_filter_is_pillows(name):
    pixels = picture(37, 61)
    squashed = ResizeRule(name, "both sides", 24).applied_to(pixels)
    image = Image.fromarray(pixels)
    assert (squashed == np.asarray(image.resize((24, 24), FILTERS[name]))).all()


# Of a ramp of six steps beside black; box and bilinear are checked by hand: 32 is the mean of 0, 32
# and 64, and 40 is (32 + 64 * 2/3 + 96 / 3) / (8/3).
GOLDEN = {
    "nearest": [32, 128, 0, 0],
    "box": [32, 128, 0, 0],
    "hamming": [35, 118, 8, 0],
    "bilinear": [40, 107, 18, 0],
    "bicubic": [37, 115, 14, 0],
    "lanczos": [35, 119, 14, 0],
}


@pytest.mark.parametrize("name", sorted(FILTERS))
def test_golden_pixels(name):
    ramp = [0, 32, 64, 96, 128, 160, 0, 0, 0, 0, 0, 0]
    pixels = np.broadcast_to(np.array(ramp, np.uint8)[None, :, None], (12, 12, 3))
    squashed = ResizeRule(name, "both sides", 4).applied_to(pixels)
    assert squashed[2, :, 1].tolist() == GOLDEN[name]


# (height, width) of a picture whose shorter side keeps its size; the rest beside the crop; where
# the crop begins.
@pytest.mark.parametrize(
    ("rest", "offset", "begins"),
    [
        (1, "down", 0),
        (1, "even", 0),
        (3, "down", 1),
        (3, "even", 2),
        (5, "down", 2),
        (5, "even", 2),
    ],
)
def test_half_a_pixel_is_rounded_as_the_rule_says(rest, offset, begins):
    pixels = picture(30, 43)
    rule = ResizeRule("bicubic", "shorter side", 30, 30 - rest, offset)
    down, across = begins, (43 - 30 + rest) / 2
    across = int(across) if offset == "down" else round(across)
    expected = pixels[down : down + 30 - rest, across : across + 30 - rest]
    assert (rule.applied_to(pixels) == expected).all()


@pytest.mark.parametrize(
    ("height", "width", "scaled"),
    [
        (301, 437, (256, 371)),  # 371.67 rounded down
        (437, 301, (371, 256)),
        (10, 1, (2560, 256)),
        (256, 256, (256, 256)),
    ],
)
def test_the_longer_side_is_rounded_down(height, width, scaled):
    pixels = picture(height, width)
    whole = Image.fromarray(pixels).resize(scaled[::-1], Image.Resampling.BILINEAR)
    top, left = (scaled[0] - 224) // 2, (scaled[1] - 224) // 2
    cropped = ResizeRule("bilinear", "shorter side", 256, 224).applied_to(pixels)
    assert (cropped == np.asarray(whole)[top : top + 224, left : left + 224]).all()


def test_a_picture_is_padded_to_the_longer_side():
    padded = ResizeRule("bicubic", "longer side", 64, 64, "even", (9, 8, 7)).applied_to(
        picture(30, 77)
    )
    inner = Image.fromarray(picture(30, 77)).resize((64, 25), Image.Resampling.BICUBIC)  # 24.9
    assert (padded[19:44] == np.asarray(inner)).all()  # 39 rows are left: 19 above, 20 below
    assert (padded[:19] == (9, 8, 7)).all()
    assert (padded[44:] == (9, 8, 7)).all()


def test_a_crop_that_is_larger_than_the_picture_is_black_around_it():
    cropped = ResizeRule("nearest", "shorter side", 10, 13).applied_to(picture(10, 20))
    assert (cropped[1:11] == picture(10, 20)[:, 3:16]).all()
    assert not cropped[0].any()
    assert not cropped[11:].any()


@pytest.mark.parametrize("name", ["bicubic", "nearest"])
@pytest.mark.parametrize("shape", [(3, 4000), (4000, 3)])
def test_of_a_picture_that_becomes_huge_only_the_middle_is_computed(monkeypatch, name, shape):
    rule, pixels = ResizeRule(name, "shorter side", 48, 40), picture(*shape)
    whole = rule.applied_to(pixels)
    monkeypatch.setattr("bottlebank.features.images.resize._MAX_SCALED_PIXELS", 1000)
    assert np.abs(rule.applied_to(pixels).astype(int) - whole).max() <= 1


def test_a_strip_of_one_pixel_is_scaled_in_little_memory():
    strip = np.zeros((1, 65_535, 3), np.uint8)  # as a whole, it would have 4,294,901,760 pixels
    strip[:, 30_000:] = 200
    assert (ResizeRule("bicubic", "shorter side", 256, 224).applied_to(strip) == 200).all()


def test_in_proportion():
    assert ResizeRule("bicubic", "shorter side", 256, 224).scaled_to(448) == ResizeRule(
        "bicubic", "shorter side", 512, 448
    )
    assert ResizeRule("bicubic", "both sides", 224).scaled_to(100).output_px == 100


def test_a_decoder_does_not_reduce_a_picture_before_a_named_rule():
    pixels = picture(260, 300)
    how = Preprocessing((32, 32), "squash", resize=str(ResizeRule("nearest", "both sides", 32)))
    expected = np.asarray(Image.fromarray(pixels).resize((32, 32), Image.Resampling.NEAREST))
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    assert (decode_and_resize(file.getvalue(), how).pixels == expected).all()
    given = picture_of(Image.fromarray(pixels), how.at_least_px).pixels
    assert (how.applied_to(given) == expected).all()
    assert Preprocessing((32, 32)).at_least_px == (32, 32)
