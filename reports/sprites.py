"""Thumbnails of many images, in sheets: few files, each of many pictures side by side.

A sheet is WebP, of at most 1024 × 1024 px. Sheets are kept in the cache folder by the images that
are on them, so that the next page of the same images decodes none.
"""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..cache.sheets import Sheet, Sheets
from ..hardware import available_cores
from ..progress import Progress
from .thumbnails import quick_thumbnail

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..extraction import FeatureTable

SIDES_PX = (128, 96, 64, 48, 32, 24, 16)
"""Of a thumbnail, the largest that fits the budget first."""
DEFAULT_BUDGET_MB = 50.0
_SHEET_PX = 1024
_QUALITY = 75
_METHOD = 1  # of 0 to 6: the next ones take twice the time for some 5 % fewer bytes
_QUALITY_OF_KEPT = b"1"
"""By which a kept sheet is found again: one of another format or quality is another."""
_BYTES_A_PIXEL = 0.12  # of photographs; where sheets turn out larger, thumbnails become smaller
_SHEETS_THAT_TELL = 4
_OVER = 1.25  # times the budget that these foretell, at which the others are not made


class Sprites(NamedTuple):
    """Thumbnails of images, row by row on their sheets."""

    side_px: int
    """Of the square that each thumbnail has room in."""
    columns: int
    """And rows of a sheet."""
    sheets: Sequence[bytes]
    """WebP files."""
    sizes: np.ndarray
    """uint8, (n, 2): width and height of each thumbnail in pixels; 0 where an image has none."""

    @property
    def n_bytes(self) -> int:
        """Of all sheets."""
        return sum(map(len, self.sheets))


def make_sprites(
    table: FeatureTable,
    budget_bytes: float,
    *,
    kept_in: Path | None = None,
    progress: bool | None = None,
) -> Sprites | None:
    """Make thumbnails of a table's images, as large as fits into a number of bytes.

    Parameters
    ----------
    table
        Its images are read from their files; one that has gone has no thumbnail.
    budget_bytes
        What all sheets may have together.
    kept_in
        A cache folder in which sheets are kept for the next time; None keeps none.
    progress
        Show progress on stderr; None as `Progress` has it.

    Returns
    -------
    Sprites or None
        None where even the smallest thumbnails do not fit.
    """
    sides = [side for side in SIDES_PX if len(table) * side**2 * _BYTES_A_PIXEL <= budget_bytes]
    for side_px in sides or SIDES_PX[-1:]:
        sprites = _of_side(table, side_px, budget_bytes, kept_in, progress)
        if sprites is not None:
            return sprites
    return None


def _of_side(
    table: FeatureTable,
    side_px: int,
    budget_bytes: float,
    kept_in: Path | None,
    progress: bool | None,
) -> Sprites | None:
    """None as soon as the sheets are more than the budget."""
    columns = _SHEET_PX // side_px
    parts = np.array_split(np.arange(len(table)), range(columns**2, len(table), columns**2))
    sheets: list[bytes] = []
    sizes: list[np.ndarray] = []
    kept = None if kept_in is None else Sheets(kept_in)
    make = partial(_sheet, table, side_px, columns, kept)
    n_bytes = n_done = 0
    with (
        Progress("thumbnails", len(table), show=progress) as shown,
        ThreadPoolExecutor(available_cores(), "thumbnails") as pool,
    ):
        try:
            for part, sheet in zip(parts, pool.map(make, parts), strict=True):
                sheets.append(sheet.picture)
                sizes.append(sheet.sizes)
                n_bytes += len(sheet.picture)
                n_done += len(part)
                shown.update(len(part))
                foretold = n_bytes / n_done * len(table)
                tells = len(sheets) >= _SHEETS_THAT_TELL and foretold > _OVER * budget_bytes
                if n_bytes > budget_bytes or tells:
                    return None
        finally:
            pool.shutdown(cancel_futures=True)
    if kept is not None:
        kept.make_room()
    return Sprites(side_px, columns, sheets, np.concatenate(sizes))


def _sheet(
    table: FeatureTable, side_px: int, columns: int, kept: Sheets | None, rows: np.ndarray
) -> Sheet:
    """One sheet, from the cache if it is there."""
    if kept is None:
        return _made(table, side_px, columns, rows)
    contents = [table.keys[row].content for row in rows.tolist()]
    about = b"%s %d %s" % (_QUALITY_OF_KEPT, side_px, table.recipe.grey16.encode())
    sheet = kept.find(about, contents)
    if sheet is None or not _fits(sheet, side_px, columns):
        sheet = _made(table, side_px, columns, rows)
        if sheet.sizes.all():  # with a picture missing, the next time may have it
            kept.keep(about, contents, sheet)
    return sheet


def _fits(sheet: Sheet, side_px: int, columns: int) -> bool:
    """Whether a sheet that was found is what `_made` makes; a shared cache may hold anything."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(sheet.picture), formats=["WEBP"]) as picture:
            size = picture.size
    except (OSError, ValueError, Image.DecompressionBombError):
        return False
    return (
        size == _size_px(len(sheet.sizes), side_px, columns)
        and sheet.sizes.min() >= 1
        and sheet.sizes.max() <= side_px
    )


def _size_px(n_images: int, side_px: int, columns: int) -> tuple[int, int]:
    """(width, height) of a sheet."""
    return min(columns, n_images) * side_px, -(-n_images // columns) * side_px


def _made(table: FeatureTable, side_px: int, columns: int, rows: np.ndarray) -> Sheet:
    from PIL import Image

    sheet = Image.new("RGB", _size_px(len(rows), side_px, columns), (128, 128, 128))
    sizes = np.zeros((len(rows), 2), np.uint8)
    for place, row in enumerate(rows.tolist()):
        pixels = quick_thumbnail(table, row, side_px)
        if pixels is None:
            continue
        line, column = divmod(place, columns)
        sheet.paste(Image.fromarray(pixels), (column * side_px, line * side_px))
        sizes[place] = pixels.shape[1::-1]
    file = io.BytesIO()
    sheet.save(file, "WEBP", quality=_QUALITY, method=_METHOD)
    return Sheet(file.getvalue(), sizes)
