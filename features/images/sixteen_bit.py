"""Colour of 16 bits a channel, of which Pillow keeps the upper 8.

Those are enough to show such a picture, and to see that it uses few of its bits. To stretch it, its
lower bits are needed too: OpenCV reads them, and counts only where both libraries agree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image

from ...errors import ImageRejectedError
from .colours import WHITE_16, white_of

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

_HAS_ALPHA = 4


def is_deep(image: Picture) -> bool:
    """Whether a picture that Pillow has opened and not yet loaded is colour of 16 bits."""
    if image.mode not in ("RGB", "RGBA", "LA"):
        return False
    # The last of a tile's four parts begins with the layout of its pixels, such as RGB;16B.
    return any(";16" in str(tile[3]) for tile in getattr(image, "tile", ())[:1])


def to_8_bits(image: Picture, data: bytes | None, grey16: str) -> tuple[Picture, int]:
    """Colour of 16 bits as 8, and its greatest value, 0 to 65535.

    Parameters
    ----------
    image
        What Pillow has loaded: the upper 8 bits of each value.
    data
        The file.
    grey16
        One of `colours.GREY16`.

    Raises
    ------
    ImageRejectedError
        When it is to be stretched, and its lower bits cannot be read.
    """
    n_colours = len(image.getbands()) - image.mode.endswith("A")
    brightest = int(np.max(image.getextrema()[:n_colours])) << 8 | 0xFF
    # Pillow compares 8 bits of each pixel with 16 of the colour that is to be transparent.
    has_clear_colour = "transparency" in image.info
    if white_of(brightest, grey16) == WHITE_16 and not has_clear_colour:
        return image, brightest
    if data is None:
        raise ImageRejectedError(
            "of a picture of 16 bits a channel Pillow keeps 8: give its path or the bytes of its "
            "file instead"
        )
    wide = _read(data, image)
    if wide is None:
        raise ImageRejectedError(
            f"{image.format} of 16 bits a channel whose lower bits cannot be read, which "
            f"{'its transparent colour' if has_clear_colour else '--grey16 stretch'} needs: save "
            f"it as PNG, or as TIFF without compression"
        )
    return scaled(wide, grey16)


def scaled(wide: np.ndarray, grey16: str) -> tuple[Picture, int]:
    """Colour uint16, (height, width, 3 or 4), as a picture of 8 bits; and its greatest value."""
    brightest = int(wide[..., :3].max())
    white = white_of(brightest, grey16)
    pixels = _table(white)[wide]
    if wide.shape[2] == _HAS_ALPHA and wide[..., 3].max() > white:  # only the colours use few bits
        pixels[..., 3] = _table(WHITE_16)[wide[..., 3]]
    return Image.fromarray(pixels), brightest


def _table(white: int) -> np.ndarray:
    """What each of 65,536 values becomes: uint8."""
    values = np.arange(WHITE_16 + 1)
    return np.minimum((values * 255 + white // 2) // white, 255).astype(np.uint8)


def _read(data: bytes, image: Picture) -> np.ndarray | None:
    """All 16 bits of a picture of which `image` is the upper 8; None where they cannot be read."""
    try:
        wide = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    if wide is None or wide.dtype != np.uint16 or wide.ndim != 3 or wide.shape[2] not in (3, 4):
        return None
    order = cv2.COLOR_BGR2RGB if wide.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
    wide = np.asarray(cv2.cvtColor(wide, order), np.uint16)
    mode = "RGB" if image.mode == "RGB" else "RGBA"
    upper = np.asarray(image if image.mode == mode else image.convert(mode))
    if upper.shape[:2] != wide.shape[:2]:
        return None
    if mode == "RGB" and "transparency" not in image.info:
        wide = wide[..., :3]  # a fourth channel means nothing
    n_channels = min(upper.shape[2], wide.shape[2])
    agrees = np.array_equal(wide[..., :n_channels] >> 8, upper[..., :n_channels])
    return wide if agrees else None
