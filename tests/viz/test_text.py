import pytest
from matplotlib.font_manager import fontManager

from bottlebank.viz.text import (
    NAME_LENGTH,
    font_families,
    shown_name,
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


def test_only_installed_fonts_are_asked_for():
    *families, last = font_families()
    assert families[0] == "DejaVu Sans"
    assert last == "sans-serif"
    assert set(families) <= {font.name for font in fontManager.ttflist}
