"""Text that others wrote, for a terminal or a message."""

from __future__ import annotations

import unicodedata

# Persian and the scripts of India need them within words, emoji between their parts.
_JOINERS = "\u200c\u200d"
_LONGEST_QUOTE = 60


def shown(text: str) -> str:
    """A text as one line that moves no cursor: what is not printable, nor a space, is escaped."""
    return "".join(
        character if _is_harmless(character) else character.encode("unicode_escape").decode()
        for character in text
    )


def quote(text: str) -> str:
    """A text in quotes, cut where it is long, for a message."""
    return repr(text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}…")


def _is_harmless(character: str) -> bool:
    return (
        character.isprintable() or character in _JOINERS or unicodedata.category(character) == "Zs"
    )
