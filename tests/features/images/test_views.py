import hashlib
import io

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from bottlebank.errors import UsageError
from bottlebank.features.images import views as module
from bottlebank.features.images.decoder import decode
from bottlebank.features.images.fit import FITS, Preprocessing, decode_and_resize
from bottlebank.features.images.resize import ResizeRule
from bottlebank.features.images.view_rules import (
    RULES,
    View,
    require_views,
    view_of,
)
from bottlebank.features.images.views import decode_views, views_of

CONTENT = hashlib.sha256(b"a file").digest()
OF_TRANSFORMERS = Preprocessing(
    (40, 40), "crop", "scale", str(ResizeRule("bicubic", "shorter side", 48, 40))
)
PADDED = Preprocessing(
    (40, 40), "pad", "scale", str(ResizeRule("bicubic", "longer side", 40, 40, "even", (9, 8, 7)))
)
EVERY = [*(Preprocessing((40, 40), fit) for fit in FITS), OF_TRANSFORMERS, PADDED]
MIXED = RULES["mixed"].numbers(9)
UNFLIPPED = RULES["unflipped"].numbers(9)


def picture(height: int, width: int) -> np.ndarray:
    """Smooth, and nowhere the same as beside or mirrored."""
    y, x = np.mgrid[:height, :width] / max(height, width)
    colours = [np.sin(5 * x + 1), np.cos(4 * y + 2 * x), np.sin(3 * y) * np.cos(2 * x)]
    return (127.5 + 127 * np.stack(colours, -1)).astype(np.uint8)


def stacked(pixels, preprocessing, numbers, content=CONTENT) -> np.ndarray:
    return np.stack(list(views_of(pixels, preprocessing, content, numbers)))


@pytest.mark.parametrize(
    ("shape", "pinned"),
    [
        ((60, 80), "6dfed044c64c018b"),
        ((1, 1), "da5c1db66d4bb94e"),
        ((1, 300), "488bc46456b97d01"),
        ((300, 1), "864a79be70ad20bd"),
        ((37, 11), "0a2310cda3e8c83c"),
        ((400, 150), "a67be7d2aa54cd7f"),
    ],
)
def test_pixels_are_the_same_on_every_machine_and_in_every_version(shape, pinned):
    """Rows that are in caches were computed from these: see `Rule.code`."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    pixels = np.stack([x * 7 + y, x + y * 5, (x * y) % 251], -1).astype(np.uint8)
    digest = hashlib.sha256()
    for preprocessing in EVERY[:3]:
        digest.update(stacked(pixels, preprocessing, (*MIXED, *UNFLIPPED)).tobytes())
    assert digest.hexdigest()[:16] == pinned


def test_what_a_view_shows_is_the_same_in_every_version():
    assert view_of(4, CONTENT) == View(
        is_flipped=False,
        sine=-0.020860338667407632,
        side=0.9214363351126885,
        right=-0.6590468599461019,
        down=0.5101223392412066,
        brighter=-16,
        contrast=315,
        saturation=235,
    )
    assert view_of((1 << 16) + 1, CONTENT) == View(
        is_flipped=False,
        sine=-0.08851795042399317,
        side=0.9237494631781522,
        right=-0.4447267190553248,
        down=0.9945748257450759,
        brighter=31,
        contrast=238,
        saturation=256,
    )


@pytest.mark.parametrize("preprocessing", EVERY)
@pytest.mark.parametrize("shape", [(60, 80), (1, 1), (90, 31), (3, 200)])
def test_the_first_view_is_the_mirror_image_to_the_bit(preprocessing, shape):
    pixels = picture(*shape)
    itself, mirrored = stacked(pixels, preprocessing, (0, 1))
    np.testing.assert_array_equal(itself, preprocessing.applied_to(pixels))
    np.testing.assert_array_equal(mirrored, itself[:, ::-1])


@pytest.mark.parametrize("preprocessing", EVERY)
def test_a_view_depends_on_its_number_and_the_content_alone(preprocessing):
    pixels = picture(60, 80)
    together = stacked(pixels, preprocessing, range(8))
    backwards = stacked(pixels, preprocessing, range(7, -1, -1))
    np.testing.assert_array_equal(together, backwards[::-1])
    np.testing.assert_array_equal(together[5], stacked(pixels, preprocessing, [5])[0])
    other = stacked(pixels, preprocessing, range(8), hashlib.sha256(b"other").digest())
    np.testing.assert_array_equal(together[:2], other[:2])
    for one, another in zip(together[2:], other[2:], strict=True):
        assert (one != another).mean() > 0.5
    assert len({view.tobytes() for view in together}) == 8


def expected(pixels, preprocessing, view) -> np.ndarray:
    """The geometry in floating-point numbers, by SciPy's interpolation."""
    height, width = preprocessing.size_px
    top, left, tall, wide = preprocessing.window(*pixels.shape[:2])
    y = ((np.arange(height) + 0.5) / height - 0.5)[:, None] * tall * view.side
    x = ((np.arange(width) + 0.5) / width - 0.5)[None] * wide * view.side
    if view.is_flipped:
        x = -x
    angle = np.arcsin(view.sine)
    columns = np.cos(angle) * x - np.sin(angle) * y
    rows = np.sin(angle) * x + np.cos(angle) * y
    columns += left + wide / 2 + view.right * (1 - view.side) * wide / 2 - 0.5
    rows += top + tall / 2 + view.down * (1 - view.side) * tall / 2 - 0.5
    return np.stack(
        [
            ndimage.map_coordinates(
                pixels[..., c].astype(float), [rows, columns], order=1, mode="reflect"
            )
            for c in range(3)
        ],
        -1,
    )


@pytest.mark.parametrize("fit", ["squash", "crop"])
@pytest.mark.parametrize("shape", [(60, 80), (55, 41), (47, 200)])
def test_it_shows_what_its_numbers_say(monkeypatch, fit, shape):
    preprocessing, pixels = Preprocessing((40, 48), fit), picture(*shape)
    for number in (*MIXED[1:], *UNFLIPPED):
        view = view_of(number, CONTENT)
        plain = view._replace(brighter=0, contrast=256, saturation=256)
        monkeypatch.setattr(module, "view_of", lambda number, content, plain=plain: plain)
        (found,) = stacked(pixels, preprocessing, [number])
        np.testing.assert_allclose(found, expected(pixels, preprocessing, plain), atol=4)
        monkeypatch.undo()


def test_larger_pictures_are_averaged_where_the_decoder_does_not():
    """Else fine patterns would turn into others."""
    board = np.indices((400, 400)).sum(0) % 2 * 255
    pixels = np.repeat(board[..., None], 3, axis=2).astype(np.uint8)
    for number in MIXED[1:]:
        (found,) = stacked(pixels, OF_TRANSFORMERS, [number])
        assert found.std() < 12


@pytest.mark.parametrize("preprocessing", [EVERY[0], EVERY[1], OF_TRANSFORMERS])
@pytest.mark.parametrize("shape", [(60, 80), (1, 1), (20, 300), (300, 20)])
def test_corners_are_of_the_picture_itself(preprocessing, shape):
    pixels = np.full((*shape, 3), (200, 90, 40), np.uint8)
    for view in stacked(pixels, preprocessing, MIXED):
        assert (view == view[0, 0]).all()


@pytest.mark.parametrize(("preprocessing", "fill"), [(EVERY[2], (128,) * 3), (PADDED, (9, 8, 7))])
def test_around_a_padded_picture_is_its_padding(preprocessing, fill):
    pixels = np.full((30, 90, 3), 255, np.uint8)
    seen = stacked(pixels, preprocessing, MIXED)
    is_padding = (seen == fill).all(-1)
    assert 0.3 < is_padding.mean() < 0.7
    assert (seen[~is_padding] == seen[~is_padding][..., :1]).all()


def test_of_a_panorama_only_a_part_is_looked_at(monkeypatch):
    crop, pixels = Preprocessing((40, 40), "crop"), picture(50, 3000)
    found = stacked(pixels, crop, MIXED)
    monkeypatch.setattr(module, "_MARGIN", 1e6)
    np.testing.assert_array_equal(found, stacked(pixels, crop, MIXED))


def test_flip_is_the_first_of_mixed_and_unflipped_mirrors_nothing():
    assert RULES["flip"].numbers(1) == MIXED[:1] == (1,)
    assert not set(MIXED) & set(UNFLIPPED)
    assert [view_of(number, CONTENT).is_flipped for number in MIXED] == [
        number % 2 == 1 for number in range(1, 10)
    ]
    assert not any(view_of(number, CONTENT).is_flipped for number in UNFLIPPED)


def test_numbers_stay_within_what_the_rules_say():
    contents = [hashlib.sha256(b"%d" % number).digest() for number in range(400)]
    found = [view_of(number, content) for content in contents for number in MIXED[1:3]]
    for name, low, high in [
        ("sine", -0.17, 0.17),
        ("side", 0.6**0.5, 1),
        ("right", -1, 1),
        ("down", -1, 1),
        ("brighter", -32, 32),
        ("contrast", 192, 320),
        ("saturation", 179, 333),
    ]:
        values = np.array([getattr(view, name) for view in found], float)
        assert low <= values.min() < low + 0.05 * (high - low)
        assert high >= values.max() > high - 0.05 * (high - low)


def encoded(image: Image.Image, format: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(Image.fromarray(picture(50, 90)), "PNG", exif=exif)


def wide_grey() -> bytes:
    grey = (picture(50, 90)[..., 0].astype(np.uint16) << 4).astype(">u2")
    return b"P5 90 50 65535\n" + grey.tobytes()


def clear() -> bytes:
    return encoded(Image.fromarray(np.dstack([picture(50, 90), picture(50, 90)[..., :1]])), "PNG")


@pytest.mark.parametrize("make", [turned, wide_grey, clear])
@pytest.mark.parametrize("preprocessing", [EVERY[0], EVERY[1]._replace(grey16="stretch")])
def test_views_are_of_the_picture_as_it_is_decoded(make, preprocessing):
    data = make()
    pixels = decode(data, preprocessing.at_least_px, grey16=preprocessing.grey16)
    content = hashlib.sha256(data).digest()
    decoded, kind = decode_views(data, preprocessing, (0, *MIXED))
    found = np.stack(list(decoded))
    np.testing.assert_array_equal(found, stacked(pixels, preprocessing, (0, *MIXED), content))
    itself = decode_and_resize(data, preprocessing)
    np.testing.assert_array_equal(found[0], itself.pixels)
    assert kind == itself.kind


@pytest.mark.parametrize(
    ("views", "rule", "message"),
    [
        (-1, "mixed", "views is -1; expected a whole number of at least 0"),
        (100, "mixed", "views is 100; expected at most 99 of the rule mixed"),
        (2, "flip", "views is 2; expected at most 1 of the rule flip"),
        (1, "none", "unknown view rule 'none': expected mixed, flip, unflipped"),
        (1, None, "unknown view rule None"),
        (1.5, "mixed", "views is 1.5"),
        ("4", "mixed", "views is '4'"),
    ],
)
def test_views_that_there_are_not(views, rule, message):
    with pytest.raises(UsageError, match=message):
        require_views(views, rule)


def test_no_views():
    assert require_views(0, "flip").numbers == ()
    assert view_of(1, CONTENT) == View(is_flipped=True)
