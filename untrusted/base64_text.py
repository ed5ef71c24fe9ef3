"""Base64 as programs write it: with line breaks, for URLs, without padding, behind `data:`."""

from __future__ import annotations

import base64
import re

from .json_text import json_type
from .terminal import quote

# RFC 2397: a media type and parameters of any kind, or none.
_DATA_URL = re.compile(r"data:([^,]{0,200}),", re.IGNORECASE)
_IN_URLS = (("%2B", "+"), ("%2F", "/"), ("%3D", "="), ("%0D", ""), ("%0A", ""))
_OTHER = re.compile(r"[^A-Za-z0-9+/_=\r\n\t-]")
_PADDING_INSIDE = re.compile(r"=[\s=]*[^\s=]")
_LONGEST_EXCERPT = 20


def read_base64(text: object) -> bytes:
    """The bytes that a string of base64 stands for.

    Everything that has one meaning is read: both alphabets (`+/` and, for URLs, `-_`), line breaks,
    padding that is missing or too long, and a `data:` URL of any type. What may have lost something
    on its way is not: a space, which often was a `+`, or a character too many.

    Raises
    ------
    ValueError
        When it is not base64, with the place and what is wrong there.
    """
    if not isinstance(text, str):
        raise ValueError(f"expected a string of base64, received {json_type(text)}")
    prefix = _DATA_URL.match(text := text.strip())
    start = 0
    if prefix is not None:
        if not prefix[1].lower().rstrip().endswith(";base64"):
            raise ValueError(
                f"expected a data URL with ;base64 before its comma, received {quote(text)}"
            )
        start = prefix.end()
    letters = text[start:]
    if prefix is not None and "%" in letters:
        for escaped, character in _IN_URLS:
            letters = letters.replace(escaped, character).replace(escaped.lower(), character)
    compact = letters
    for blank in "\r\n\t":
        compact = compact.replace(blank, "")
    compact = compact.rstrip("=")
    for_urls = "-" in compact or "_" in compact
    if for_urls and ("+" in compact or "/" in compact):
        raise ValueError(
            f"expected base64 in one alphabet, received + or / and - or _ together in {quote(text)}"
        )
    if for_urls:
        compact = compact.replace("-", "+").replace("_", "/")
    if len(compact) % 4 != 1:
        try:
            return base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True)
        except ValueError:
            pass
    raise ValueError(_what_is_wrong(letters, len(compact)))


def _what_is_wrong(letters: str, n_letters: int) -> str:
    """The first character that cannot be in base64, or what is wrong with the length."""
    found = _OTHER.search(letters) or _PADDING_INSIDE.search(letters)
    if found is None:
        return (
            f"expected base64 of whole bytes; {n_letters:,} characters cannot be: one is missing, "
            f"or one too many"
        )
    at, character = found.start(), letters[found.start()]
    what = f"{character!r} at position {at:,}"
    if character == " ":
        what = f"a space at position {at:,} (a + that was read as part of a form?)"
    elif character == "=":
        what = f"= at position {at:,} with more behind it (two images in one string?)"
    near = letters[max(0, at - _LONGEST_EXCERPT) : at + _LONGEST_EXCERPT]
    return (
        f"expected base64 of an image file (A-Z a-z 0-9 + /, or - _ for URLs, and = at the end), "
        f"received {what}, in {quote(near)}"
    )
