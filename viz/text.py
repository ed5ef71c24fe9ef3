"""Words in a picture: any Unicode, taken literally, in fonts that are installed."""

from __future__ import annotations

import contextlib
import textwrap
import unicodedata
import warnings
from typing import TYPE_CHECKING, Any, Final

from matplotlib import font_manager

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME_LENGTH: Final = 40
"""Characters of a class name that are shown."""

# DejaVu Sans comes with matplotlib. Colour emoji fonts are left out: they hold bitmaps, and
# matplotlib draws outlines.
_FAMILIES: Final = (
    "DejaVu Sans",
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Noto Sans JP", "Noto Sans KR"),
    *("Source Han Sans SC", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Droid Sans Fallback"),
    *("PingFang SC", "Hiragino Sans", "Apple SD Gothic Neo", "Arial Unicode MS"),
    *("Microsoft YaHei", "Yu Gothic", "Malgun Gothic", "IPAGothic", "NanumGothic"),
    *("Noto Sans Arabic", "Noto Sans Hebrew", "Noto Sans Devanagari", "Noto Sans Bengali"),
    *("Noto Sans Tamil", "Noto Sans Thai", "Nirmala UI", "Leelawadee UI", "Geeza Pro"),
    *("Noto Emoji", "Symbola", "Noto Sans Symbols", "Noto Sans Symbols 2", "Segoe UI Symbol"),
)
_BIDI_CONTROLS: Final = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)
_LAST_OF_LATIN: Final = 0x24F  # DejaVu Sans has all of these
_LEFT_TO_RIGHT: Final = "\u200e"
_PT_PER_IN: Final = 72
_EM_OF_A_LETTER: Final = 0.6  # in DejaVu Sans, bold
_JOINER: Final = "\u200d"
_REPLACEMENT: Final = "\ufffd"


def shown_name(name: object, length: int = NAME_LENGTH) -> str:
    """A class name as it appears in a picture: on one line, drawable and not too long.

    Line breaks become spaces; control characters and lone surrogates, which no font has and no
    SVG may hold, the replacement character; marks that turn the direction of what follows are
    dropped. A long name loses its middle, because names often differ at the end.
    """
    return _shortened(_drawable(str(name)) or "(no name)", length)


def name_that_fits(name: object, width_in: float, size_pt: float) -> str:
    """A shown name, shortened until it takes about that width in that size."""
    most = width_in * _PT_PER_IN / (size_pt * _EM_OF_A_LETTER)
    text = shown_name(name, max(1, int(most)))
    while len(text) > 1 and _letters(text) > most:
        text = shown_name(name, len(text) - 1)
    return text


def before_words(name: str) -> str:
    """A shown name that other words follow: one that is read from the right stays before them."""
    if not has_right_to_left(name):
        return name
    return f"{_LEFT_TO_RIGHT}{name}{_LEFT_TO_RIGHT}"


def wrapped(text: str, width: int) -> str:
    """Words of ours and of the user, on lines of at most `width` characters.

    Each line begins at the left, also one whose first letters are read from the right.
    """
    shown = _drawable(text, kept=_LEFT_TO_RIGHT)  # that of `before_words`
    lines = textwrap.wrap(_shortened(shown, 10 * width), width)
    return "\n".join(before_words(line) for line in lines)


def text_style(size_pt: float) -> dict[str, Any]:
    """Keyword arguments of a matplotlib Text that shows any string, and `$` as `$`."""
    return {"fontsize": size_pt, "fontfamily": font_families(), "parse_math": False}


def font_families() -> list[str]:
    """The fonts to look for a glyph in, first to last; only installed ones, which never warn."""
    installed = {font.name for font in font_manager.fontManager.ttflist}
    return [*(family for family in _FAMILIES if family in installed), "sans-serif"]


def undrawable(text: str) -> list[str]:
    """The characters of a text that no installed font has: they are drawn as boxes.

    Marks that are never drawn, such as joiners, are none of them.
    """
    others = sorted({character for character in text if ord(character) > _LAST_OF_LATIN})
    if not others:
        return []
    fonts = [
        font_manager.get_font(font_manager.findfont(font_manager.FontProperties(family=[family])))
        for family in font_families()
    ]
    return [
        character
        for character in others
        if unicodedata.category(character) not in ("Cf", "Mn", "Zs", "Cn")
        and not any(font.get_char_index(ord(character)) for font in fonts)
    ]


@contextlib.contextmanager
def boxes_allowed() -> Iterator[None]:
    """Let matplotlib draw and measure boxes in silence: `write_picture` says what they are."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font", UserWarning)
        yield


def has_right_to_left(text: str) -> bool:
    """Whether letters in it are read from the right, as in Arabic and Hebrew."""
    return any(unicodedata.bidirectional(character) in ("R", "AL") for character in text)


def _shown_character(character: str) -> str:
    if character.isspace():
        return " "
    if character in _BIDI_CONTROLS:
        return ""
    if unicodedata.category(character) in ("Cc", "Cs") or character in "\ufffe\uffff":
        return _REPLACEMENT
    return character


def _letters(text: str) -> float:
    """How wide a text is, in small letters of Latin: those of Chinese and emoji take two."""
    wide = sum(unicodedata.east_asian_width(each) in ("W", "F") for each in text)
    return len(text) + wide + 0.4 * sum(each.isupper() for each in text)


def _drawable(text: str, kept: str = "") -> str:
    shown = (each if each in kept else _shown_character(each) for each in text)
    return " ".join("".join(shown).split())


def _shortened(text: str, length: int) -> str:
    if len(text) <= length:
        return text
    tail_length = (length - 1) // 3
    head_end, tail_start = length - 1 - tail_length, len(text) - tail_length
    while head_end > 0 and _is_inside_a_letter(text, head_end):
        head_end -= 1
    while tail_start < len(text) and _is_inside_a_letter(text, tail_start):
        tail_start += 1
    return f"{text[:head_end]}…{text[tail_start:]}"


def _is_inside_a_letter(text: str, index: int) -> bool:
    """Whether a mark or a joiner ties the characters on both sides of a cut together."""
    return _JOINER in text[index - 1 : index + 1] or unicodedata.category(text[index]) in (
        "Mn",
        "Mc",
        "Me",
    )
