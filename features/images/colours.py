"""Colour modes and depths of decoded pictures, to RGB of 8 bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image, ImageCms

from ...errors import ImageRejectedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeGuard

GREY16 = ("scale", "stretch")
"""How grey and colour of 16 bits become 8: from the full range of 16 bits; or, for pictures that
use fewer, from the smallest power of two that holds their greatest value (at least 2⁸). A power of
two, so that pictures of one camera are scaled alike and one bright pixel decides nothing."""

WHITE_16 = 0xFFFF
_STRIP_PIXELS = 4_000_000
_SMALL_STRIP_PIXELS = 250_000
"""So few that their memory is used again: pages that are new to a process cost more than sums."""


def require_known_grey16(grey16: str) -> None:
    """Raise UsageError unless `grey16` is one of `GREY16`."""
    if grey16 not in GREY16:
        raise UsageError(f"unknown grey16 {grey16!r}: expected {' or '.join(GREY16)}")


DARK_BELOW = 1 << 14
"""A quarter of the range of 16 bits, which photographs reach."""


def darkness(brightest: int | None, grey16: str) -> str | None:
    """Why a picture came out nearly black; None where it did not.

    Parameters
    ----------
    brightest
        The greatest value of a picture of 16 bits a channel; None for others.
    grey16
        One of `GREY16`.
    """
    if not is_dark(brightest, grey16):
        return None
    return (
        f"nearly black: of 16 bits per channel it uses at most the lowest "
        f"1/{unused_share(brightest):,} of the range; heads that are trained with --grey16 stretch "
        f"scale such images by the bits that they use"
    )


def is_dark(brightest: int | None, grey16: str) -> TypeGuard[int]:
    """Whether a picture with this greatest value came out nearly black, since it was scaled."""
    return grey16 == "scale" and brightest is not None and 0 < brightest < DARK_BELOW


def unused_share(brightest: int) -> int:
    """How many times the range that a greatest value needs is in that of 16 bits."""
    return 1 << (16 - brightest.bit_length())


def white_of(brightest: int, grey16: str) -> int:
    """The value that becomes white, of a picture with this greatest value, 0 to 65535."""
    n_bits = max(8, brightest.bit_length()) if grey16 == "stretch" else 16
    return (1 << n_bits) - 1


def to_rgb(image: Image.Image) -> Image.Image:
    """RGB of a picture in any mode but wide grey; what is transparent is laid on white.

    Raises
    ------
    ImageRejectedError
        When its pixels are floating-point numbers.
    """
    if image.mode == "LAB":
        profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image, *profiles, outputMode="RGB")
        if converted is not None:
            return converted
    if image.mode == "F":
        raise ImageRejectedError(
            "floating-point pixels have no defined brightness; save it with 8 or 16 bits"
        )
    if image.has_transparency_data:
        coloured = image.convert("RGBA")
        white = Image.new("RGBA", coloured.size, "white")
        return Image.alpha_composite(white, coloured).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


class GreyKind(NamedTuple):
    """What the file says of its grey, and Pillow forgets."""

    n_bits: int = 16
    white_is_0: bool = False


class Grey:
    """Grey of more than 8 bits, and how it becomes 8."""

    def __init__(self, image: Image.Image, grey16: str, kind: GreyKind = GreyKind()) -> None:  # noqa: B008 (immutable)
        wide = image if image.mode == "I;16" else image.convert("I")
        lowest, highest = (int(value) for value in np.ravel(wide.getextrema()))
        most = (1 << kind.n_bits) - 1
        if lowest < 0 or highest > most:
            raise ImageRejectedError(
                f"grey values from {lowest} to {highest}; {kind.n_bits} bits (0 to {most}) are "
                f"read: save it with 16 or 8 bits"
            )
        self._most = most if kind.white_is_0 else None
        if kind.white_is_0:
            highest = most - lowest
        self.brightest = highest << (16 - kind.n_bits)
        self._white = white_of(highest, grey16) if grey16 == "stretch" else most
        clear = image.info.get("transparency")
        self._clear = clear if isinstance(clear, int) else None

    def to_rgb(self, image: Image.Image) -> Image.Image:
        """RGB of the picture, or of a part of it."""
        wide = np.asarray(image.convert("I"))  # int32, (height, width); times 255 it would overflow
        bright = wide if self._most is None else self._most - wide
        grey = (bright.astype(np.int64) * 255 + self._white // 2) // self._white
        if self._clear is not None:
            grey[wide == self._clear] = 255
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")


def in_strips(
    image: Image.Image, reduction: int, to_rgb: Callable[[Image.Image], Image.Image]
) -> np.ndarray:
    """Convert and reduce a few rows at a time, so that large pictures are in memory once."""
    width, height = image.size
    if reduction == 1:
        return np.asarray(to_rgb(image))
    step = reduction * max(1, _STRIP_PIXELS // (width * reduction))
    return np.concatenate(
        [
            np.asarray(
                to_rgb(image.crop((0, top, width, min(top + step, height)))).reduce(reduction)
            )
            for top in range(0, height, step)
        ]
    )


def reduced(pixels: np.ndarray, reduction: int) -> np.ndarray:
    """Average squares of so many pixels a side; at the right and lower edge, what is there.

    Parameters
    ----------
    pixels
        uint8, (height, width, 3).
    reduction
        1 for the picture as it is.
    """
    if reduction == 1:
        return pixels
    step = reduction * max(1, _SMALL_STRIP_PIXELS // (pixels.shape[1] * reduction))
    strips = (pixels[top : top + step] for top in range(0, len(pixels), step))
    return np.concatenate([np.asarray(Image.fromarray(rows).reduce(reduction)) for rows in strips])
