"""Picture files: PNG for looking, SVG for papers and pages."""

from __future__ import annotations

import threading
import warnings
from typing import TYPE_CHECKING, Any, Final

import matplotlib
from matplotlib.figure import Figure

from ..atomic_file import write_with
from ..errors import UsageError
from .theme import LIGHT, Theme

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

INK: Final = LIGHT.ink
"""Colour of captions and frames in a light picture."""

_SUFFIXES: Final = (".png", ".svg")
DPI: Final = 150
"""Of PNG files."""
# matplotlib reads these from its global settings alone. Text stays text, so that names can be
# searched for and a browser finds its own fonts; the fixed salt makes element ids reproducible.
_SVG_SETTINGS: Final[dict[Any, Any]] = {"svg.fonttype": "none", "svg.hashsalt": "bottlebank"}
_SVG_SETTINGS_LOCK: Final = threading.Lock()


def require_picture_path(output: Path) -> None:
    """Refuse a file that no picture can be written to, before any work.

    Raises
    ------
    UsageError
        Unless the name ends in ``.png`` or ``.svg``.
    """
    if output.suffix.lower() not in _SUFFIXES:
        given = f"ends in {output.suffix!r}" if output.suffix else "has no ending"
        raise UsageError(f"a picture is a {' or '.join(_SUFFIXES)} file; {str(output)!r} {given}")


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

    Raises
    ------
    UsageError
        When the name ends in neither ``.png`` nor ``.svg``.
    OSError
        When it cannot be written; `output` is then as it was.
    """
    require_picture_path(output)
    kind = output.suffix.lower()[1:]

    def fill(temporary: Path) -> None:
        with warnings.catch_warnings():
            # A name in a script without a font shows boxes; an SVG still holds the name.
            warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font", UserWarning)
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
