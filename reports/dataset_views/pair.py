"""The transfer values of two images, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...arguments import require_path
from ...datasets import Dataset
from ...errors import ImageRejectedError
from ...extraction import extract
from ...features import DEFAULT_EXTRACTOR
from ...features.images.decoder import MAX_PIXELS, Limits, read
from ...features.images.fit import decode_and_resize
from ...replaceable import writing_file
from ...viz import require_picture_path
from ...viz.dataset_views.pair import Seen, draw_pair
from ...viz.theme import require_theme
from ..output_paths import PICTURE, require_output

if TYPE_CHECKING:
    import os


def plot_pair(
    one: str,
    other: str,
    output: str | os.PathLike[str],
    *,
    extractor: str | os.PathLike[str] | None = DEFAULT_EXTRACTOR,
    max_pixels: int = MAX_PIXELS,
    theme: str = "light",
    **extraction: Any,
) -> str:
    """Draw the transfer values of two images on one scale; return the caption.

    Parameters are those of `plot_image`.

    Raises
    ------
    ImageRejectedError
        When one of the images is rejected.
    """
    path = require_path(output, "the path of a .png or .svg file")
    require_picture_path(path)
    require_output(path, PICTURE, [one, other])
    chosen = require_theme(theme)
    dataset = Dataset(f"{one} and {other}", [one, other], ["", ""], [None, None])
    table = extract(dataset, extractor, max_pixels=max_pixels, **extraction)
    if table.rejected:
        raise ImageRejectedError(f"{table.rejected[0][0]}: {table.rejected[0][1]}")
    limits = Limits(pixels=max_pixels)
    preprocessing = table.recipe.preprocessing
    first, second = (
        Seen(
            Path(image).name,
            decode_and_resize(read(image)[0], preprocessing, limits=limits).pixels,
            values,
        )
        for image, values in zip((one, other), table.features, strict=True)
    )
    title = f"{first.name} and {second.name}: transfer values of {table.report.extractor}"
    with writing_file(path):
        return draw_pair(first, second, path, title, chosen)
