import re
import warnings

import numpy as np
import pytest

from bottlebank.errors import UsageError
from bottlebank.viz import draw_mistakes
from bottlebank.viz.mistakes import _fitting, _n_letters

RED, GREEN, BLUE = "#ff0000", "#00ff00", "#0000ff"


def plain(height: int, width: int, colour: str = RED) -> np.ndarray:
    values = np.frombuffer(bytes.fromhex(colour[1:]), np.uint8)
    return np.broadcast_to(values, (height, width, 3))


def test_every_mistake_says_what_it_is_and_what_it_was_taken_for(tmp_path, svg_texts):
    captions = [
        ("Shirt", "Blouse", 0.987, "test/shirts & more/a.jpg"),
        ("$x$", "_hat", 1.0, "b_$1$.jpg"),
    ]
    draw_mistakes([plain(40, 30)] * 2, captions, tmp_path / "mistakes.svg", "Head $1$")
    texts = svg_texts(tmp_path / "mistakes.svg")
    assert texts == [
        *("Shirt", "→", "Blouse", "99 %", "test/shirts & more/", "a.jpg"),
        *("$x$", "→", "_hat", "100 %", "b_$1$.jpg"),
        "Head $1$",
        "true class → predicted class with its probability",
    ]


def test_images_keep_their_shape_and_order(tmp_path, png_pixels, is_colour):
    shapes = [(30, 60), (60, 30), (1, 1)]
    colours = [RED, GREEN, BLUE]
    thumbnails = [plain(*shape, colour) for shape, colour in zip(shapes, colours, strict=True)]
    draw_mistakes(thumbnails, [("a", "b", 0.9, "c")] * 3, tmp_path / "mistakes.png", "Head")
    pixels = png_pixels(tmp_path / "mistakes.png")
    lefts = []
    for (height, width), colour in zip(shapes, colours, strict=True):
        place = np.argwhere(is_colour(pixels, colour))
        (top, left), (bottom, right) = place.min(axis=0), place.max(axis=0)
        assert (right - left) / (bottom - top) == pytest.approx(width / height, rel=0.03)
        assert max(right - left, bottom - top) == pytest.approx(1.6 * 150, abs=3)
        lefts.append(left)
    assert lefts == sorted(lefts)


def test_five_stand_in_a_row(tmp_path):
    captions = [("a", f"class {number}", 0.5, "c") for number in range(7)]
    draw_mistakes([plain(4, 4)] * 7, captions, tmp_path / "mistakes.svg", "Head")
    found = re.findall(
        r'x="([\d.]+)" y="([\d.]+)"[^>]*>class (\d)', (tmp_path / "mistakes.svg").read_text()
    )
    places = {int(number): (float(x), float(y)) for x, y, number in found}
    assert len(places) == 7
    assert [number for number in places if places[number][1] == places[0][1]] == [0, 1, 2, 3, 4]
    assert places[5][1] == places[6][1] > places[0][1] + 72
    assert places[5][0] == places[0][0]
    assert places[4][0] > places[3][0] > places[0][0]


def test_no_mistakes_are_said(tmp_path, svg_texts):
    draw_mistakes([], [], tmp_path / "none.svg", "Head")
    assert svg_texts(tmp_path / "none.svg") == ["Head", "no mistakes"]


def test_weird_names_neither_fail_nor_warn(tmp_path, svg_texts):
    captions = [
        ("帽子", "قبعة", 0.5, "\udc80.jpg"),
        ("<b>&amp;", "two\nlines", 0.5, ""),
        ("🎩👩‍👩‍👧", "nul\x00", 0.5, "$\\frac{1}$"),
    ]
    for suffix in (".png", ".svg"):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            draw_mistakes([plain(9, 9)] * 3, captions, tmp_path / f"weird{suffix}", "帽子 \udc80")
    texts = svg_texts(tmp_path / "weird.svg")
    for words in ("帽子", "قبعة", "\ufffd.jpg", "<b>&amp;", "two lines", "(no name)"):
        assert words in texts


def test_long_names_stay_in_their_cell(tmp_path, drawn):
    captions = [("W" * 80, "W" * 80, 1.0, "W" * 80), ("帽" * 80, "帽" * 80, 1.0, "帽" * 80)]
    draw_mistakes([plain(4, 4)] * 2, captions, tmp_path / "long.png", "Head")
    first, second = drawn[-1].axes
    for axes in (first, second):
        for text in axes.texts:
            assert text.get_clip_on()
            assert text.get_clip_path() is not None or text.get_clip_box() is not None
    assert first.get_position().x1 < second.get_position().x0


@pytest.mark.parametrize("name", ["hat", "h" * 24, "h" * 25, "帽" * 12, "帽" * 13, "帽h" * 40])
def test_names_fit_into_the_room_of_latin_letters(name):
    shown = _fitting(name, 24)
    assert _n_letters(shown) <= 24
    assert shown == name or "…" in shown
    assert (shown == name) == (_n_letters(name) <= 24)


def test_nothing_is_cut_off(tmp_path, png_pixels):
    captions = [("a rather long name of a class", "b" * 50, 1.0, "c" * 50)] * 24
    draw_mistakes([plain(20, 20)] * 24, captions, tmp_path / "all.png", "A long title " * 20)
    pixels = png_pixels(tmp_path / "all.png")
    for edge in (pixels[:10], pixels[-10:], pixels[:, :10], pixels[:, -10:]):
        assert edge.min() == 1.0


@pytest.mark.parametrize(
    ("thumbnails", "captions", "message"),
    [
        ([plain(4, 4)], [], "1 thumbnails and 0 captions"),
        ([plain(4, 4)] * 101, [("a", "b", 0.5, "c")] * 101, "at most 100 mistakes, not 101"),
        ([plain(4, 4) / 255.0], [("a", "b", 0.5, "c")], r"number 0 is float64 \(4, 4, 3\)"),
        ([plain(4, 4)[:, :, 0]], [("a", "b", 0.5, "c")], r"number 0 is uint8 \(4, 4\)"),
        ([plain(4, 4)[:0]], [("a", "b", 0.5, "c")], r"number 0 is uint8 \(0, 4, 3\)"),
        ([plain(4, 4)], [("a", "b", 98.0, "c")], "in 0-1; that of caption 0 is 98.0"),
        ([plain(4, 4)], [("a", "b", float("nan"), "c")], "caption 0 is nan"),
    ],
)
def test_other_mistakes_are_refused(thumbnails, captions, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        draw_mistakes(thumbnails, captions, tmp_path / "mistakes.png", "Head")


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"\.png or \.svg"):
        draw_mistakes([], [], tmp_path / "mistakes.pdf", "Head")
