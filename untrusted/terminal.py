"""Text that others wrote, for a terminal."""

from __future__ import annotations


def shown(text: str) -> str:
    """A text as one line that moves no cursor: what is not printable is escaped."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )
