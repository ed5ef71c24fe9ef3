"""Picture files: PNG for looking, SVG for papers and pages."""

from __future__ import annotations

import logging
import threading
import unicodedata
from typing import TYPE_CHECKING, Any, Final

import matplotlib
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

from ..atomic_file import write_with
from .picture_path import require_picture_path
from .text import boxes_allowed, has_right_to_left, text_style, undrawable, wrapped
from .theme import DARK, LIGHT, Theme

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

logger = logging.getLogger(__name__)

INK: Final = LIGHT.ink
"""Colour of captions and frames in a light picture."""

_MOST_NAMED: Final = 3
_ORDERS_LETTERS: Final = (3, 11)
"""The version of matplotlib from which on it shapes text."""
DPI: Final = 150
"""Of PNG files."""
# matplotlib reads these from its global settings alone. Text stays text, so that names can be
# searched for and a browser finds its own fonts; the fixed salt makes element ids reproducible.
_SVG_SETTINGS: Final[dict[Any, Any]] = {"svg.fonttype": "none", "svg.hashsalt": "bottlebank"}
_SVG_SETTINGS_LOCK: Final = threading.Lock()


def new_figure(width_in: float, height_in: float, theme: Theme = LIGHT) -> Figure:
    """An empty picture; what stands outside it is included when it is written."""
    return Figure(figsize=(width_in, height_in), dpi=DPI, facecolor=theme.paper)


def in_theme(axes: Axes, theme: Theme, tick_pt: float = 9) -> Axes:
    """Give the frame, the ticks and the labels of a theme to axes; return them.

    Other words are given their colour by whoever adds them.
    """
    axes.set_facecolor(theme.paper)
    axes.tick_params(color=theme.line, labelcolor=theme.ink, labelsize=tick_pt)
    axes.spines[:].set_color(theme.line)
    axes.xaxis.label.set_color(theme.ink)
    axes.yaxis.label.set_color(theme.ink)
    return axes


def write_picture(figure: Figure, output: Path) -> None:
    """Write a picture, which appears whole or not at all; the same figure gives the same bytes.

    Where a PNG has characters that no installed font has, which become boxes, a line below it says
    so, and a warning is logged. An SVG holds its words as words, and whoever opens it brings the
    fonts.

    Raises
    ------
    UsageError
        When the name ends in neither ``.png`` nor ``.svg``.
    OSError
        When it cannot be written; `output` is then as it was.
    """
    require_picture_path(output)
    kind = output.suffix.lower()[1:]
    if kind == "png" and (note := _what_is_not_drawn(figure)):
        logger.warning("note: %s: %s", output.name, note, extra={"notice": note})
        _write_below(figure, note)

    def fill(temporary: Path) -> None:
        with boxes_allowed():
            figure.savefig(
                temporary,
                format=kind,
                dpi=DPI,
                bbox_inches="tight",
                pad_inches=0.2,
                metadata={"Date": None} if kind == "svg" else None,
            )

    if kind == "svg":
        # rc_context puts back what it found: two at once would leave these settings behind.
        with _SVG_SETTINGS_LOCK, matplotlib.rc_context(_SVG_SETTINGS):
            write_with(output, fill)
    else:
        write_with(output, fill)


def _what_is_not_drawn(figure: Figure) -> str:
    """Which words of a picture are boxes, or are in the wrong order; empty where none are."""
    words = {text.get_text() for text in figure.findobj(Text) if text.get_visible()}
    missing = undrawable("".join(words))
    notes = []
    if missing:
        named = [
            f"U+{ord(letter):04X} ({unicodedata.name(letter, 'no name').lower()})"
            for letter in missing[:_MOST_NAMED]
        ]
        more = f" and {len(missing) - len(named)} more" if len(missing) > len(named) else ""
        have = "the character" if len(missing) == 1 else "the characters"
        notes.append(
            f"no installed font has {have} {', '.join(named)}{more}, drawn as boxes: install a "
            f"font that has them, such as Noto Sans or Noto Emoji, or write an .svg"
        )
    if matplotlib.__version_info__ < _ORDERS_LETTERS and any(map(has_right_to_left, words)):
        notes.append(
            "letters that are read from the right are drawn from the left: matplotlib "
            f"{'.'.join(map(str, _ORDERS_LETTERS))} or an .svg shows them as they are read"
        )
    return "; ".join(notes)


def _write_below(figure: Figure, note: str) -> None:
    with boxes_allowed():
        bounds = figure.get_tightbbox()
    width_in, height_in = figure.get_size_inches()
    lines = wrapped(f"Note: {note}", max(30, int((bounds.x1 - max(bounds.x0, 0)) * 13.5)))
    ground = sum(to_rgb(figure.get_facecolor()))
    ink = (LIGHT if ground > 1.5 else DARK).ink
    figure.text(
        *(max(bounds.x0, 0) / width_in, (bounds.y0 - 0.12) / height_in, lines),
        va="top",
        color=ink,
        **text_style(8),
    )
