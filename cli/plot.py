"""`bottlebank plot`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..formatting import counted
from ..reports.dataset_views.kinds import MAP
from ..reports.map_formats.output import require_map_output, require_no_looks
from ..reports.output_paths import (
    EXPLORER,
    PICTURE,
    map_kind,
    require_no_image_of,
    require_output,
    require_outside,
)
from ..viz.colourings import require_looks
from ..viz.map_settings import require_layout
from .command import command, option
from .output import print_json, report_rejections, tell
from .parameters import choices, options, pictures
from .parameters.labels import labels_option, lay_over, read
from .parameters.maps import layout as layout_options
from .parameters.types import MEGABYTES, Choice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..datasets import Dataset
    from ..datasets.labels_file import LabelsFile
    from ..extraction import FeatureTable
    from ..reports.output_paths import Kind
    from ..viz import Embedding


@command(example="bottlebank plot photos/ --method umap --output map.html")
@options.data(f"{options.UNLABELLED_HELP}; or one image, whose transfer values are drawn")
@labels_option()
@options.output(
    required=True,
    metavar="MAP.html",
    help="a name ending in .png or .svg for a picture, in .html for the explorer: a page to look "
    "through the images, label them and download the labels",
)
@pictures.kind()
@layout_options
@pictures.color()
@pictures.head()
@pictures.theme()
@option(
    "--thumbnails",
    is_flag=True,
    help="draw the images themselves, small, over as many of the points as there is room for",
)
@option(
    "--thumbnail-budget",
    type=MEGABYTES,
    default=choices.THUMBNAIL_BUDGET_MB,
    default_in_words="50",
    metavar="MB",
    help="in the explorer: megabytes that all thumbnails may take; 0 for none",
)
@pictures.beside()
@option(
    "--format",
    type=Choice(choices.MAP_FORMATS),
    default_in_words="a picture or the explorer, by the name of the output",
    help=f"that of another program: {choices.MAP_FORMATS_IN_WORDS}",
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
    kind: str,
    layout: dict[str, Any],
    color: str,
    head: str | None,
    theme: str,
    thumbnails: bool,
    thumbnail_budget: float,
    beside: str | None,
    format: str | None,
    seed: int,
    json: bool,
    strict: bool,
) -> int:
    """Draw and report where."""
    kind_of_picture = PICTURE if kind != MAP else None
    inputs = [data, head, beside, extraction["weights"]]
    if format is not None and kind != MAP:
        raise UsageError(f"--format {format} is of a map: leave --kind {kind} out")
    path = _require_output(output, format, data, inputs, kind_of_picture)
    is_page = format is None and path.suffix.lower() in EXPLORER.suffixes
    require_looks(color, theme, head, is_page=is_page)
    if format is not None:
        require_no_looks(format, color, theme, thumbnails=thumbnails)
    layout |= {"random_state": seed}
    require_layout(**{name: layout[name] for name in layout.keys() - {"fresh"}})
    labels_file = read(labels)
    from ..datasets import load_dataset
    from ..datasets.dataset import EXTENSIONS

    rejected: Sequence[tuple[str, str]] = []
    measured: dict[str, float | None] = {}
    if Path(data).suffix.lower() in EXTENSIONS and Path(data).is_file():
        if format is not None:
            raise UsageError(f"--format {format} is for a dataset, and {data} is an image")
        n_images, caption = _draw_image(data, beside, path, theme=theme, kind=kind, **extraction)
    elif beside is not None:
        raise UsageError("--beside is for an image as DATA: leave it out")
    elif kind != MAP:
        dataset = load_dataset(data, **reading)
        require_no_image_of(path, dataset)
        looks = {"theme": theme, "seed": seed}
        n_images, caption, rejected = _draw_view(
            dataset, extraction, labels_file, kind, path, **looks
        )
    else:
        settings = {**layout, "thumbnails": thumbnails, "thumbnail_budget": thumbnail_budget}
        settings |= {"color": color, "theme": theme, "format": format}
        settings["scores"] = None if labels_file is None else labels_file.scores
        dataset = load_dataset(data, **reading)
        if format is None:
            require_no_image_of(path, dataset)
        table, embedding = _draw_map(dataset, extraction, labels_file, head, path, **settings)
        n_images, rejected, caption = len(table), table.rejected, embedding.caption
        measured = embedding.trust_as_json()
    if json:
        answer = {"output": str(path), "images": n_images, "caption": caption}
        print_json({**answer, **measured})
    else:
        drawn = f"{counted(n_images, 'image')}, " if measured else ""
        tell(f"wrote {path}: {drawn}{caption}")
    return report_rejections(rejected, strict)


def _draw_image(
    image: str, beside: str | None, output: Path, *, kind: str, **settings: Any
) -> tuple[int, str]:
    """How many images are drawn, and the caption."""
    if kind != MAP:
        raise UsageError(f"--kind {kind} is for a dataset; {image} is an image: leave it out")
    if beside is None:
        from ..reports.image_heatmap import plot_image

        return 1, plot_image(image, output, **settings)
    from ..reports.dataset_views.pair import plot_pair

    return 2, plot_pair(image, beside, output, **settings)


def _draw_view(
    dataset: Dataset,
    extraction: dict[str, Any],
    labels: LabelsFile | None,
    kind: str,
    output: Path,
    *,
    theme: str,
    seed: int,
) -> tuple[int, str, Sequence[tuple[str, str]]]:
    """How many images a picture of a dataset is of, its caption, and what was rejected."""
    from ..reports.dataset_views.view import plot_view

    drawn: Dataset | FeatureTable = dataset
    rejected: Sequence[tuple[str, str]] = []
    if kind == "units" or labels is not None:  # labels belong to contents, which a table knows
        from ..extraction import extract

        table = extract(dataset, **extraction)
        table.require_rows()
        changes = lay_over(table, labels)
        drawn, rejected = table if changes is None else changes.table, table.rejected
    title = Path(dataset.source).name or dataset.source
    view = plot_view(drawn, output, kind, title=title, theme=theme, random_state=seed)
    return view.n_images, view.caption, rejected


def _require_output(
    output: str,
    format: str | None,
    data: str,
    inputs: Sequence[str | None],
    kind: Kind | None,
) -> Path:
    if format is not None:
        return require_map_output(format, output, inputs, data)
    path = require_output(output, kind or map_kind(output), inputs)
    require_outside(path, data)
    return path


def _draw_map(
    dataset: Dataset,
    extraction: dict[str, Any],
    labels: LabelsFile | None,
    head: str | None,
    output: Path,
    **settings: Any,
) -> tuple[FeatureTable, Embedding]:
    """The table that is drawn, and where its images lie."""
    from ..reports.dataset_map import plot

    table, loaded = pictures.extract_seen_by(head, dataset, extraction)
    table.require_rows()
    changes = lay_over(table, labels)
    table = table if changes is None else changes.table
    title = f"{Path(dataset.source).name or dataset.source} ({table.report.extractor})"
    drawn = plot(table, output, title=title, head=loaded, **settings)
    return table, drawn.embedding  # pyright: ignore (a map is a Plot)
