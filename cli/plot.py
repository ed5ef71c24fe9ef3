"""`bottlebank plot`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..formatting import counted
from . import choices, options
from .command import command, option
from .output import print_json, report_rejections, tell
from .output_paths import (
    PICTURE,
    require_output,
    require_outside,
    writing,
)
from .parameter_types import Choice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..datasets import Dataset
    from ..extraction import FeatureTable


@command(example="bottlebank plot photos/ --extractor mobilenet_v2 --method umap --output map.png")
@options.data("; or one image, whose transfer values are drawn")
@options.output(required=True, metavar="MAP.png", help="a name ending in .png or .svg")
@option(
    "--method",
    type=Choice(choices.METHODS),
    default=choices.METHODS[0],
    help=choices.METHODS_IN_WORDS,
)
@options.extraction()
@options.seed()
@options.as_json()
@options.strict()
def run(
    data: str,
    reading: dict[str, Any],
    extraction: dict[str, Any],
    output: str,
    method: str,
    seed: int,
    json: bool,
    strict: bool,
) -> int:
    """Draw and report where."""
    path = require_output(output, PICTURE, [data, extraction["weights"]])
    require_outside(path, data)
    from ..datasets import load_dataset
    from ..datasets.dataset import EXTENSIONS

    image = Path(data)
    if image.suffix.lower() in EXTENSIONS and image.is_file():
        n_images, caption = None, _draw_image(data, extraction, path)
        rejected: Sequence[tuple[str, str]] = []
    else:
        table, caption = _draw_map(load_dataset(data, **reading), extraction, path, method, seed)
        n_images, rejected = len(table), table.rejected
    if json:
        print_json({"output": str(path), "images": n_images or 1, "caption": caption})
    else:
        drawn = "" if n_images is None else f"{counted(n_images, 'image')}, "
        tell(f"wrote {path}: {drawn}{caption}")
    return report_rejections(rejected, strict)


def _draw_map(
    dataset: Dataset, extraction: dict[str, Any], output: Path, method: str, seed: int
) -> tuple[FeatureTable, str]:
    """The table that is drawn, and how."""
    from ..extraction import extract
    from ..reports.dataset_map import plot

    table = extract(dataset, **extraction)
    table.require_rows()
    title = f"{Path(dataset.source).name or dataset.source} ({table.report.extractor})"
    drawn = plot(table, output, method=method, random_state=seed, title=title)
    return table, drawn.embedding.caption


def _draw_image(image: str, extraction: dict[str, Any], output: Path) -> str:
    """Draw the transfer values of one image; what the drawing shows."""
    from ..datasets import Dataset
    from ..errors import ImageRejectedError
    from ..extraction import extract
    from ..features.images.decoder import Limits, read
    from ..features.images.fit import decode_and_resize
    from ..viz import draw_transfer_values

    table = extract(Dataset(image, [image], [""], [None]), **extraction)
    if table.rejected:
        raise ImageRejectedError(f"{image}: {table.rejected[0][1]}")
    recipe = table.recipe
    pixels = decode_and_resize(
        read(image)[0],
        (recipe.input_size_px, recipe.input_size_px),
        recipe.fit,
        limits=Limits(pixels=extraction["max_pixels"]),
        grey16=recipe.grey16,
    )
    title = f"{Path(image).name}: {table.report.width} transfer values of {table.report.extractor}"
    with writing(output):
        output.parent.mkdir(parents=True, exist_ok=True)
        draw_transfer_values(table.features[0], output, title, image=pixels)
    return title
