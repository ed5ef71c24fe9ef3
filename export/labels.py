"""The names of the classes, one a line, in the order of the probabilities."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

FILE = "labels.txt"

_SPLIT_LINES = ("Cc", "Zl", "Zp")
_NOT_UTF_8 = "Cs"


def text_of(labels: Iterable[str]) -> str:
    """The file: UTF-8 text with one line for each label.

    What would end a line, what UTF-8 cannot hold and the backslash are written as in Python's
    strings: ``\\n``, ``\\x85``, ``\\udcff``, ``\\\\``.
    """
    return "".join(f"{_line(label)}\n" for label in labels)


def _line(label: str) -> str:
    return "".join(
        character.encode("unicode_escape").decode()
        if character == "\\" or unicodedata.category(character) in (*_SPLIT_LINES, _NOT_UTF_8)
        else character
        for character in label
    )
