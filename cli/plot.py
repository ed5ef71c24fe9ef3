"""`bottlebank plot`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..formatting import counted
from ..reports.output_paths import (
    PICTURE,
    require_no_image_of,
    require_output,
    require_outside,
)
from .command import command, option
from .output import print_json, report_rejections, tell
from .parameters import choices, options
from .parameters.labels import labels_option, lay_over, read
from .parameters.types import Choice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..datasets import Dataset
    from ..datasets.labels_file import LabelsFile
    from ..extraction import FeatureTable


@command(example="bottlebank plot photos/ --method umap --output map.png")
@options.data(f"{options.UNLABELLED_HELP}; or one image, whose transfer values are drawn")
@labels_option()
@options.output(required=True, metavar="MAP.png", help="a name ending in .png or .svg")
@option(
    "--method",
    type=Choice(choices.METHODS),
    default=choices.METHODS[0],
    help=choices.METHODS_IN_WORDS,
)
@option(
    "--thumbnails",
    is_flag=True,
    help="draw the images themselves, small, over as many of the points as there is room for",
)
@options.extraction()
@options.seed()
@options.as_json()
@options.strict()
def run(
    data: str,
    reading: dict[str, Any],
    labels: str | None,
    extraction: dict[str, Any],
    output: str,
    method: str,
    thumbnails: bool,
    seed: int,
    json: bool,
    strict: bool,
) -> int:
    """Draw and report where."""
    path = require_output(output, PICTURE, [data, extraction["weights"]])
    require_outside(path, data)
    labels_file = read(labels)
    from ..datasets import load_dataset
    from ..datasets.dataset import EXTENSIONS

    image = Path(data)
    if image.suffix.lower() in EXTENSIONS and image.is_file():
        from ..reports.image_heatmap import plot_image

        n_images, caption = None, plot_image(data, path, **extraction)
        rejected: Sequence[tuple[str, str]] = []
    else:
        settings = {"method": method, "random_state": seed, "thumbnails": thumbnails}
        dataset = load_dataset(data, **reading)
        require_no_image_of(path, dataset)
        table, caption = _draw_map(dataset, extraction, labels_file, path, **settings)
        n_images, rejected = len(table), table.rejected
    if json:
        print_json({"output": str(path), "images": n_images or 1, "caption": caption})
    else:
        drawn = "" if n_images is None else f"{counted(n_images, 'image')}, "
        tell(f"wrote {path}: {drawn}{caption}")
    return report_rejections(rejected, strict)


def _draw_map(
    dataset: Dataset,
    extraction: dict[str, Any],
    labels: LabelsFile | None,
    output: Path,
    **settings: Any,
) -> tuple[FeatureTable, str]:
    """The table that is drawn, and how."""
    from ..extraction import extract
    from ..reports.dataset_map import plot

    table = extract(dataset, **extraction)
    table.require_rows()
    changes = lay_over(table, labels)
    table = table if changes is None else changes.table
    title = f"{Path(dataset.source).name or dataset.source} ({table.report.extractor})"
    drawn = plot(table, output, title=title, **settings)
    return table, drawn.embedding.caption
