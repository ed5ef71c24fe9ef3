"""Figures and names in one line, or in a table that takes words literally."""

import pytest

from bottlebank.formatting import (
    counted,
    html_table,
    in_brief_names,
    mebibytes,
    percent,
    with_interval,
)


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "0 images"), (1, "1 image"), (2, "2 images"), (12345, "12,345 images")],
)
def test_nouns_follow_their_number(number, words):
    assert counted(number, "image") == words
    assert counted(number, "class", "classes") == words.replace("image", "class").replace(
        "classs", "classes"
    )


def test_memory_below_one_mebibyte_is_in_bytes():
    assert [mebibytes(n) for n in (1, 2, (1 << 20) - 1, 1 << 20, (1 << 30) + 1)] == [
        "1 byte",
        "2 bytes",
        "1,048,575 bytes",
        "1 MiB",
        "1,025 MiB",
    ]


def test_shares():
    assert percent(0.8563) == "85.6 %"
    assert with_interval(0.5, (0.4, 0.625)) == "50.0 % [40.0 %, 62.5 %]"
    assert with_interval(0.5, None) == "50.0 %"
    assert with_interval(None, None) == "–"


def test_names_are_bounded_and_move_no_cursor():
    assert in_brief_names(["a", "b"]) == "'a', 'b'"
    assert in_brief_names([str(number) for number in range(6)]) == "'0', '1', '2', '3', '4', '5'"
    assert in_brief_names([str(number) for number in range(2000)]).endswith(
        "'3', '4' and 1,995 more"
    )
    assert len(in_brief_names(["x" * 10_000] * 100)) < 200
    shown = in_brief_names(["a\x1b[2J\n", "帽子", "\udc80"])
    assert shown.isprintable()
    assert "帽子" in shown


def test_a_table_takes_words_literally():
    html = html_table("<b>", ["<i>"], [["<script>alert(1)</script>", 3]])
    assert "<script" not in html
    assert "<b>" not in html
    assert "<i>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "<thead>" not in html_table("", [], [["a"]])
