"""Views of decoded pictures, fitted to a network's input: the same pixels on every machine.

What a view shows is in `view_rules`.
"""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from .decoder import FORMATS, Kind, Limits, decode_picture
from .view_rules import View, view_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .fit import Preprocessing

# Of coordinates in the picture, and of the weights of its pixels: a 64th of a pixel.
_FRACTION_BITS = 24
_WEIGHT_BITS = 6
# Three colours of 8 bits, each with the weights of four pixels, which add up to 2¹², in 64 bits.
_LANE_BITS = 21
_HALF_IN_EACH_LANE = np.uint64(
    sum(1 << colour * _LANE_BITS + 2 * _WEIGHT_BITS - 1 for colour in range(3))
)
_MARGIN = 0.125
"""Of the window's longer side: no view, however it is turned, shows more around it."""
_ROWS_AT_ONCE = 32


def decode_views(
    data: bytes,
    preprocessing: Preprocessing,
    views: Sequence[int],
    formats: tuple[str, ...] = FORMATS,
    limits: Limits = Limits(),  # noqa: B008 (immutable)
) -> tuple[Iterator[np.ndarray], Kind]:
    """As `decode_and_resize`, for some views of an image, by number; it is decoded once.

    Returns
    -------
    pixels
        uint8, (height, width, 3), RGB, 0 to 255, of each view.
    kind
        What the file says of itself.

    Raises
    ------
    ImageRejectedError
        With the reason.
    """
    picture = decode_picture(data, preprocessing.at_least_px, formats, limits, preprocessing.grey16)
    content = hashlib.sha256(data).digest() if any(views) else b""
    return views_of(picture.pixels, preprocessing, content, views), picture.kind


def views_of(
    pixels: np.ndarray,
    preprocessing: Preprocessing,
    content: bytes,
    numbers: Sequence[int],
) -> Iterator[np.ndarray]:
    """Fit views of a decoded picture to a network's input.

    A view is resampled once, from the pixels that were decoded, between the four nearest of them as
    `fit.RESIZE_RULE` has it; under any other rule, larger pictures are averaged down before. What
    it shows beyond the edge of the picture is
    mirrored there or, where pictures are padded, of the padding's colour.

    Parameters
    ----------
    pixels
        uint8, (height, width, 3), RGB.
    preprocessing
        What decides the pixels of view 0.
    content
        SHA-256 of the file.
    numbers
        Of the views, 0 for the picture itself.

    Yields
    ------
    ndarray
        uint8, (height, width, 3) of the network's input.
    """
    itself: np.ndarray | None = None
    source: _Source | None = None
    for number in numbers:
        view = view_of(number, content) if number else View(is_flipped=False)
        if number and not view.only_flips:
            source = source or _Source(pixels, preprocessing)
            yield source.seen(view)
            continue
        if itself is None:
            itself = preprocessing.applied_to(pixels)
        yield itself[:, ::-1] if view.is_flipped else itself


class _Source:
    """A decoded picture of which views are taken."""

    def __init__(self, pixels: np.ndarray, preprocessing: Preprocessing) -> None:
        height, width = pixels.shape[:2]
        top, left, tall, wide = preprocessing.window(height, width)
        margin = _MARGIN * max(tall, wide)
        first_row, first_column = max(0, int(top - margin)), max(0, int(left - margin))
        self._pixels = pixels[
            first_row : math.ceil(top + tall + margin) + 1,
            first_column : math.ceil(left + wide + margin) + 1,
        ]
        self._window = (top - first_row, left - first_column, tall, wide)
        self._size_px, self._fill = preprocessing.size_px, preprocessing.fill
        self._is_reduced = preprocessing.at_least_px is not None
        self._packed: dict[tuple[int, int], tuple[np.ndarray, int, int]] = {}

    def seen(self, view: View) -> np.ndarray:
        """The view, uint8 (height, width, 3)."""
        places = _places(self._window, self._size_px, view)
        by_x, by_y = self._reduction(places)
        packed, height, width = self._packed_by(by_x, by_y)
        to_colour = _contrast(view)
        seen = np.empty((*self._size_px, 3), np.uint8)
        # A few rows at a time, whose memory stays in the processor's caches.
        for start in range(0, len(seen), _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            x, y = places.of_rows(rows)
            sampled = _sampled(packed, (height, width), _in_reduced(x, by_x), _in_reduced(y, by_y))
            seen[rows] = to_colour[_saturated(sampled, view.saturation)]
            if self._fill is not None:
                is_inside = _is_inside(x, self._pixels.shape[1])
                is_inside &= _is_inside(y, self._pixels.shape[0])
                seen[rows][~is_inside] = self._fill
        return seen

    def _reduction(self, places: _Places) -> tuple[int, int]:
        """By how much the picture can be averaged down, and keep a pixel for each of the view."""
        if self._is_reduced:
            return 1, 1
        (height, width), (tall, wide) = self._size_px, places.extent_px()
        most_y, most_x = self._pixels.shape[:2]
        return min(max(1, wide // width), most_x), min(max(1, tall // height), most_y)

    def _packed_by(self, by_x: int, by_y: int) -> tuple[np.ndarray, int, int]:
        """The reduced picture as `_packed` has it, its height and its width."""
        found = self._packed.get((by_x, by_y))
        if found is None:
            pixels = self._pixels
            if (by_x, by_y) != (1, 1):
                whole = Image.fromarray(np.ascontiguousarray(pixels))
                pixels = np.asarray(whole.reduce((by_x, by_y)))
            found = self._packed[by_x, by_y] = (_packed(pixels), *pixels.shape[:2])
        return found


class _Places(NamedTuple):
    """Where the pixels of a view lie in the picture, in numbers with `_FRACTION_BITS`."""

    x_by_column: int
    x_by_row: int
    y_by_column: int
    y_by_row: int
    x: int
    """Of the middle."""
    y: int
    size_px: tuple[int, int]

    def of_rows(self, rows: slice) -> tuple[np.ndarray, np.ndarray]:
        """Column and row of each pixel's centre, int64 (rows, width)."""
        height, width = self.size_px
        across = np.arange(
            1 - width, width, 2, dtype=np.int64
        )  # twice the distance from the middle
        down = np.arange(1 - height, height, 2, dtype=np.int64)[rows, None]
        return (
            across * self.x_by_column + (down * self.x_by_row + self.x),
            across * self.y_by_column + (down * self.y_by_row + self.y),
        )

    def extent_px(self) -> tuple[int, int]:
        """Height and width in the picture, of the view as it lies there."""
        height, width = self.size_px
        wide = abs(self.x_by_column) * width + abs(self.x_by_row) * height
        tall = abs(self.y_by_column) * width + abs(self.y_by_row) * height
        return 2 * tall >> _FRACTION_BITS, 2 * wide >> _FRACTION_BITS


def _places(
    window: tuple[float, float, float, float], size_px: tuple[int, int], view: View
) -> _Places:
    """Turn the window by the view's angle, and crop it."""
    top, left, tall, wide = window
    height, width = size_px
    # Each step is rounded as IEEE 754 says, so that the numbers are the same on every machine.
    cosine = math.sqrt(1 - view.sine * view.sine)
    across, down = view.side * wide / (2 * width), view.side * tall / (2 * height)
    if view.is_flipped:
        across = -across
    middle_x = left + wide / 2 + view.right * (1 - view.side) * wide / 2
    middle_y = top + tall / 2 + view.down * (1 - view.side) * tall / 2
    return _Places(
        x_by_column=_fixed(across * cosine),
        x_by_row=_fixed(-down * view.sine),
        y_by_column=_fixed(across * view.sine),
        y_by_row=_fixed(down * cosine),
        x=_fixed(middle_x - 0.5),
        y=_fixed(middle_y - 0.5),
        size_px=size_px,
    )


def _fixed(number: float) -> int:
    return round(number * (1 << _FRACTION_BITS))


def _in_reduced(places: np.ndarray, by: int) -> np.ndarray:
    """Places in a picture whose pixels are averages of so many."""
    if by == 1:
        return places
    half = 1 << _FRACTION_BITS - 1
    return (places + half) // by - half


def _is_inside(places: np.ndarray, n: int) -> np.ndarray:
    half = 1 << _FRACTION_BITS - 1
    return (places >= -half) & (places < (n << _FRACTION_BITS) - half)


def _packed(pixels: np.ndarray) -> np.ndarray:
    """The three colours of each pixel in one number: uint64, (height · width,)."""
    packed = pixels[..., 2].astype(np.uint64)
    for colour in (1, 0):
        packed <<= _LANE_BITS
        packed |= pixels[..., colour]
    return packed.ravel()


def _sampled(
    packed: np.ndarray, shape: tuple[int, int], columns: np.ndarray, rows: np.ndarray
) -> np.ndarray:
    """Between the four nearest pixels, mirrored at the edges: int32, (n, width, 3), 0 to 255."""
    one, shift = 1 << _WEIGHT_BITS, _FRACTION_BITS - _WEIGHT_BITS
    columns, rows = columns + (1 << shift - 1) >> shift, rows + (1 << shift - 1) >> shift
    x, y = columns >> _WEIGHT_BITS, rows >> _WEIGHT_BITS
    right, low = (columns & one - 1).astype(np.uint64), (rows & one - 1).astype(np.uint64)
    height, width = shape
    x0, x1 = _mirrored(x, width), _mirrored(x + 1, width)
    y0, y1 = _mirrored(y, height) * width, _mirrored(y + 1, height) * width
    # At most 255 · 2¹² in each lane, in which the rounding has place as well.
    upper = packed.take(y0 + x0) * (one - right) + packed.take(y0 + x1) * right
    lower = packed.take(y1 + x0) * (one - right) + packed.take(y1 + x1) * right
    total = upper * (one - low) + lower * low + _HALF_IN_EACH_LANE
    seen = np.empty((*columns.shape, 3), np.int32)
    for colour in range(3):
        seen[..., colour] = total >> colour * _LANE_BITS + 2 * _WEIGHT_BITS & 0xFF
    return seen


def _mirrored(places: np.ndarray, n: int) -> np.ndarray:
    """Numbers of pixels, those outside 0 to n - 1 mirrored at the edge."""
    if places.min() >= 0 and places.max() < n:
        return places
    places = places % (2 * n)
    return np.minimum(places, 2 * n - 1 - places)


def _saturated(colours: np.ndarray, saturation: int) -> np.ndarray:
    """Colours, int32, more or less unlike grey: 0 to 255."""
    grey = (77 * colours[..., :1] + 150 * colours[..., 1:2] + 29 * colours[..., 2:] + 128) >> 8
    return np.clip(grey + ((colours - grey) * saturation + 128 >> 8), 0, 255)


def _contrast(view: View) -> np.ndarray:
    """What each value of 0 to 255 becomes: contrast around the middle grey, then brightness."""
    values = np.arange(256) - 128
    values = ((values * view.contrast + 128) >> 8) + 128 + view.brighter
    return np.clip(values, 0, 255).astype(np.uint8)
