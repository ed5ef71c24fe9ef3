import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager

from bottlebank.viz.text import (
    NAME_LENGTH,
    before_words,
    boxes_allowed,
    font_families,
    name_that_fits,
    shown_name,
    text_style,
    wrapped,
)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("hat", "hat"),
        ("$x$ _y %", "$x$ _y %"),
        ("two\nlines\tand\u2028more", "two lines and more"),
        ("bell\x07 and nul\x00", "bell\ufffd and nul\ufffd"),
        ("not\udc80utf8", "not\ufffdutf8"),
        ("\ufffe", "\ufffd"),
        ("evil\u202etxt", "eviltxt"),
        ("  ", "(no name)"),
        ("", "(no name)"),
        ("帽子 قبعة 🎩", "帽子 قبعة 🎩"),
        (3, "3"),
    ],
)
def test_names_become_drawable(name, shown):
    assert shown_name(name) == shown


def test_long_names_keep_both_ends():
    shown = shown_name("begin" + "x" * 500 + "end")
    assert len(shown) == NAME_LENGTH
    assert shown.startswith("begin")
    assert shown.endswith("end")
    assert shown.count("…") == 1


def test_a_cut_leaves_no_mark_without_its_letter():
    accented = "e\u0301" * 20
    assert shown_name(accented, 6) == "e\u0301e\u0301…"
    assert shown_name(accented, 8) == "e\u0301e\u0301…e\u0301"
    family = "👩\u200d👩\u200d👧" * 5
    assert shown_name("x" + family, 6) == "x…"


def test_long_titles_are_wrapped():
    lines = wrapped("word " * 50, 30).split("\n")
    assert len(lines) > 5
    assert max(map(len, lines)) <= 30


def test_a_line_that_begins_with_arabic_still_begins_at_the_left():
    mark = "\u200e"
    name = before_words("قميص")
    assert wrapped(f"{name}, 98 %: a.jpg", 40) == f"{mark}{name}, 98 %: a.jpg{mark}"
    first, second = wrapped(f"hat, and then {name}", 14).split("\n")
    assert (first, second) == ("hat, and then", f"{mark}{name}{mark}")
    assert wrapped("evil\u202etxt", 40) == "eviltxt"


@pytest.mark.parametrize(
    "name",
    ["hat", "trousers and a belt, or both of them", "衬衫" * 20, "GLOVES AND HATS" * 3, "🎩" * 9],
)
def test_names_are_cut_to_the_width_that_they_have(name):
    shown = name_that_fits(name, 1.5, 8)
    assert measured_in(shown, 8) <= 1.55
    assert name_that_fits(name, 9.0, 8) == name
    if shown != name:
        assert measured_in(shown, 8) > 0.9
    assert len(name_that_fits(name, 0.001, 8)) == 1


def measured_in(text, size_pt):
    figure = Figure(dpi=72)
    with boxes_allowed():
        drawn = figure.text(0, 0, text, fontweight="bold", **text_style(size_pt))
        return drawn.get_window_extent(FigureCanvasAgg(figure).get_renderer()).width / 72


def test_only_installed_fonts_are_asked_for():
    *families, last = font_families()
    assert families[0] == "DejaVu Sans"
    assert last == "sans-serif"
    assert set(families) <= {font.name for font in fontManager.ttflist}
