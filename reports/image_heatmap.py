"""Drawing the transfer values of one image, beside what the network sees of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..arguments import require_path
from ..datasets import Dataset
from ..errors import ImageRejectedError
from ..extraction import extract
from ..features import DEFAULT_EXTRACTOR
from ..features.images.decoder import MAX_PIXELS, Limits, read
from ..features.images.fit import decode_and_resize
from ..replaceable import writing_file
from ..viz import draw_transfer_values, require_picture_path
from ..viz.theme import require_theme
from .output_paths import PICTURE, require_output

if TYPE_CHECKING:
    import os


def plot_image(
    image: str,
    output: str | os.PathLike[str],
    *,
    extractor: str | os.PathLike[str] | None = DEFAULT_EXTRACTOR,
    max_pixels: int = MAX_PIXELS,
    theme: str = "light",
    **extraction: Any,
) -> str:
    """Draw the transfer values of one image, which come from the cache or into it.

    Parameters
    ----------
    image
        The path of an image file.
    output
        A ``.png`` or ``.svg`` file. Its folder is made where there is none, and a picture that
        bottlebank has drawn is replaced.
    theme
        ``light`` or ``dark``.
    extractor, max_pixels, **extraction
        As in `extract`.

    Returns
    -------
    str
        The title of the picture.

    Raises
    ------
    BottlebankError
        When the picture cannot be written.
    UsageError
        For another file extension, or where another file would be replaced.
    ImageRejectedError
        When the image is rejected.
    """
    path = require_path(output, "the path of a .png or .svg file")
    require_picture_path(path)
    require_output(path, PICTURE)
    chosen_theme = require_theme(theme)
    dataset = Dataset(image, [image], [""], [None])
    table = extract(dataset, extractor, max_pixels=max_pixels, **extraction)
    if table.rejected:
        raise ImageRejectedError(f"{image}: {table.rejected[0][1]}")
    limits = Limits(pixels=max_pixels)
    pixels = decode_and_resize(read(image)[0], table.recipe.preprocessing, limits=limits).pixels
    title = f"{Path(image).name}: {table.report.width} transfer values of {table.report.extractor}"
    with writing_file(path):
        draw_transfer_values(table.features[0], path, title, pixels, chosen_theme)
    return title
