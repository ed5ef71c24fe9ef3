"""The images of a table, small."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ImageRejectedError
from ..features.images.decoder import NO_LIMITS, decode, read

if TYPE_CHECKING:
    import numpy as np

    from ..extraction import FeatureTable


def thumbnail(table: FeatureTable, row: int, side_px: int) -> np.ndarray | None:
    """One image: uint8, (height, width, 3), RGB, 0-255, of about `side_px`.

    None where it has gone, or changed for the worse, since it was extracted.
    """
    try:
        data = read(table.paths[row])[0]
        size_px = (side_px, side_px)
        return decode(data, size_px, limits=NO_LIMITS, grey16=table.recipe.grey16)
    except ImageRejectedError:
        return None
