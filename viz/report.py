"""The report: tables and pictures on one page that needs nothing else."""

from __future__ import annotations

import base64
import math
import re
import struct
from collections import Counter
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from ..atomic_file import write_bytes
from ..errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

Cell = str | int | float | None
"""Text; a whole number; another number, shown with three decimals; or nothing."""

_NAME: Final = "report.html"
_PIECE: Final = re.compile(r"[^/\\_-]*[/\\_-]+|[^/\\_-]+")  # of a path, with its separator
_TEMPLATES: Final = Path(__file__).parent / "templates"
# The first chunk comes first in every PNG: its length, its name, the width and the height.
_PNG_START: Final = struct.Struct(">16sII")
_PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR"
_CSS_PIXELS: Final = 96 / 150  # of one pixel of our pictures, so that an inch is an inch
_LEAST_SCALE: Final = 0.7  # at which the words of a picture are still legible


class Table(NamedTuple):
    """Rows under headings: columns of words, then columns of figures."""

    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    """As many cells in each as there are headings."""
    n_word_columns: int = 1
    """The first so many columns hold words; the others are aligned to the right."""


class MapPicture(NamedTuple):
    """A photograph with a map over it: what speaks for a class."""

    label: str
    """The class."""
    picture: bytes
    """A WebP file."""
    in_words: str
    """What is to be seen, for who does not see it."""


class Mistake(NamedTuple):
    """An image that was taken for something else."""

    label: str
    """The true class."""
    predicted: str
    share: str
    """The probability of the predicted class, in words."""
    path: str
    """From the root of the dataset on: what is read."""
    root: str
    """What stands before it: the path is copied with it."""
    address: str
    """Where a link to the file leads: its URI."""
    picture: bytes | None
    """A WebP file; None where the image cannot be read any more."""
    maps: Sequence[MapPicture] = ()
    """Stand beside the picture."""
    note: str = ""
    """What else is to be known of it."""

    @property
    def is_explained(self) -> bool:
        """Whether it is shown larger, with its maps or why there are none."""
        return bool(self.maps or self.note)


class Section(NamedTuple):
    """A heading and what stands under it, in this order."""

    title: str
    text: str = ""
    """A blank line begins a new paragraph."""
    picture: Path | None = None
    """A PNG file."""
    table: Table | None = None
    dark: Path | None = None
    """The same picture, a PNG file of the same size, for where the page is dark."""
    mistakes: Sequence[Mistake] = ()
    """Thumbnails with links to their files; the reader may choose those of one class."""


class _Picture(NamedTuple):
    address: str
    dark: str  # empty without one
    width_px: int  # of CSS, as the others
    height_px: int
    least_px: int  # of width


class _Part(NamedTuple):
    number: str
    section: Section
    picture: _Picture | None
    labels: dict[str, int]  # of its mistakes


def write_report(
    folder: Path,
    title: str,
    facts: Sequence[tuple[str, Cell]],
    sections: Sequence[Section],
    lead: str = "",
) -> Path:
    """Write ``report.html``: one file with its pictures inside, which loads and runs nothing.

    All words are any Unicode and taken literally.

    Parameters
    ----------
    folder
        Where the report is written; it exists.
    title
        Stands above all.
    facts
        Names and values, which stand below the title.
    sections
        Follow in this order.
    lead
        What has to be known of the figures: stands between the title and the facts.

    Returns
    -------
    Path
        The report.

    Raises
    ------
    UsageError
        When a row has not one cell for each heading, or a picture is not a PNG file.
    OSError
        When a picture cannot be read, or the report cannot be written; it is then as it was.
    """
    for section in sections:
        if section.table is not None:
            _check_table(section.title, section.table)
    pictures = [
        None if section.picture is None else _embedded(section.picture, section.dark)
        for section in sections
    ]
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"breakable": _breakable, "folders": _folders, "webp": _webp}
    page = environment.get_template(_NAME).render(
        title=title,
        lead=lead,
        facts=facts,
        parts=[
            _Part(str(number), section, picture, _labels(section.mistakes))
            for number, (section, picture) in enumerate(zip(sections, pictures, strict=True))
        ],
        paragraphs=_paragraphs,
    )
    output = folder / _NAME
    write_bytes(output, page.encode("utf-8", "replace"))  # names of files may hold surrogates
    return output


def _shown(value: Cell) -> str:
    if isinstance(value, str):
        return value
    if value is None or math.isnan(value):
        return "–"
    # NumPy's whole numbers are not `int`.
    return f"{value:,}" if isinstance(value, Integral) else f"{value:,.3f}"


def _breakable(value: Cell) -> str:
    """HTML in which a path may be broken behind its separators."""
    from markupsafe import Markup

    return Markup("<wbr>").join(_PIECE.findall(_shown(value)))


def _folders(path: str) -> str:
    """HTML of a path whose folders stand in their order, in whatever direction each is read."""
    from markupsafe import Markup

    parts = [Markup("<bdi>{}</bdi>").format(_breakable(part)) for part in path.split("/")]
    return Markup("/<wbr>").join(parts)


def _paragraphs(text: str) -> list[str]:
    return [paragraph for paragraph in text.split("\n\n") if paragraph.strip()]


def _labels(mistakes: Sequence[Mistake]) -> dict[str, int]:
    """The true classes in the order of their names, with how many mistakes each has."""
    return dict(sorted(Counter(mistake.label for mistake in mistakes).items()))


def _embedded(path: Path, dark: Path | None) -> _Picture:
    data = _png(path)
    _, width_px, height_px = _PNG_START.unpack_from(data)
    width, height = (round(side * _CSS_PIXELS) for side in (width_px, height_px))
    in_the_dark = "" if dark is None else _address(_png(dark), "png")
    return _Picture(_address(data, "png"), in_the_dark, width, height, round(width * _LEAST_SCALE))


def _png(path: Path) -> bytes:
    data = path.read_bytes()
    if not data.startswith(_PNG_SIGNATURE) or len(data) < _PNG_START.size:
        raise UsageError(
            f"a picture in a report is a PNG file; {str(path)!r} begins with {data[:8]!r}"
        )
    return data


def _webp(data: bytes) -> str:
    return _address(data, "webp")


def _address(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _check_table(title: str, table: Table) -> None:
    for number, row in enumerate(table.rows):
        if len(row) != len(table.headings):
            raise UsageError(
                f"each row of the table {title!r} has {len(table.headings)} cells, as many as "
                f"there are headings; row {number} has {len(row)}"
            )
