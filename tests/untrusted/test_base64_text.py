from __future__ import annotations

import base64
import re

import pytest

from bottlebank.untrusted.base64_text import read_base64

# Of each length modulo 3, with + and / among the letters.
PICTURES = [bytes(range(256)) * 3 + b"\xfb\xff\xfe"[:rest] for rest in range(3)]


def dialects(data):
    text = base64.b64encode(data).decode()
    lines = base64.encodebytes(data).decode()
    for_urls = base64.urlsafe_b64encode(data).decode()
    yield from (text, lines, lines.replace("\n", "\r\n"), lines.replace("\n", "\r"))
    yield from (for_urls, for_urls.rstrip("="), text.rstrip("="), text + "=", text + "====")
    yield from (f"\n {text} \r\n", f"\t{lines}", text.replace("A", "A\t"))
    for kind in (
        "image/jpeg",
        "image/svg+xml",
        "image/jpeg;charset=utf-8",
        "image/png;name=a b.png",
        "application/octet-stream",
        "text/plain",
        "*/*",
        "",
    ):
        yield f"data:{kind};base64,{text}"
        yield f"DATA:{kind};BASE64,{lines}"
    yield "data:image/png;base64, ".rstrip() + text
    yield "data:;base64," + text.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")


@pytest.mark.parametrize("data", PICTURES, ids=len)
def test_dialects_that_have_one_meaning_are_read(data):
    for text in dialects(data):
        assert read_base64(text) == data, text[:60]


def test_nothing_is_an_empty_file():
    assert read_base64("") == read_base64("=") == read_base64("data:;base64,") == b""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("YWJj!WJj", "received '!' at position 4, in 'YWJj!WJj'"),
        ("YWJj WJj", "a space at position 4 (a + that was read as part of a form?)"),
        ("YWJ=YWJj", "= at position 3 with more behind it"),
        ("YWJj\n=\nYWJj", "= at position 5 with more behind it"),
        ("YW+j_A", "in one alphabet, received + or / and - or _ together"),
        ("YWJjY", "5 characters cannot be: one is missing, or one too many"),
        ("é", "received 'é' at position 0"),
        ("YWJj\\nYWJj", "received '\\\\' at position 4"),
        ("YWJj\0", "received '\\x00' at position 4"),
        ("YWJj%3D", "received '%' at position 4"),
        ("data:image/png,YWJj", "a data URL with ;base64 before its comma"),
        ("data:image/png;base64;x,YWJj", "a data URL with ;base64 before its comma"),
        ("/9j/" * 50 + "*" + "A" * 100, "received '*' at position 200, in '"),
        ("/tmp/photo.jpg", "received '.' at position 10"),
        (None, "received null"),
        (3.5, "received a number"),
        ({}, "received an object"),
    ],
)
def test_what_is_ambiguous_or_wrong_is_refused_with_its_place(text, reason):
    with pytest.raises(ValueError, match=re.escape(reason)) as caught:
        read_base64(text)
    assert len(str(caught.value)) < 260
