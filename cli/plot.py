"""`bottlebank plot`."""

from __future__ import annotations

from typing import Any

from ..errors import UsageError
from ..formatting import counted
from ..reports.dataset_views.kinds import MAP
from ..viz.map_settings import require_layout
from .command import command, option
from .output import print_json, report_rejections, tell
from .parameters import choices, options, pictures
from .parameters.labels import answered, labels_option, read
from .parameters.maps import layout as layout_options
from .parameters.sampling import images_option
from .parameters.seen_by_head import require_head_decides
from .parameters.types import MEGABYTES, Choice
from .plotting.fitting_options import require_fitting_options
from .plotting.image import draw_image, is_image
from .plotting.map import draw_map
from .plotting.output import require_fitting_looks, require_plot_output
from .plotting.view import draw_view


@command(example="bottlebank plot photos/ --method umap --output map.html")
@options.data(f"{options.UNLABELLED_HELP}; or one image, whose transfer values are drawn")
@images_option()
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
@pictures.saliency()
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
    saliency: str | None,
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
    inputs = [data, labels, head, beside, extraction["weights"]]
    path = require_plot_output(output, kind=kind, format=format, data=data, inputs=inputs)
    looks = {"color": color, "theme": theme, "thumbnails": thumbnails}
    require_fitting_looks(path, kind=kind, format=format, head=head, **looks)
    of_image = is_image(data)
    given = {"kind": kind, "format": format}
    require_fitting_options(path, is_image=of_image, labels=labels, **given)
    if saliency is not None and head is None:
        raise UsageError(f"--saliency {saliency} is of the mistakes of a head: add --head HEAD.h5")
    layout |= {"random_state": seed}
    require_layout(**{name: layout[name] for name in layout.keys() - {"fresh"}})
    require_head_decides(head, extraction)
    labels_file = read(labels)
    from ..datasets import load_dataset

    if of_image:
        given |= {"color": color, "head": head}
        drawn = draw_image(data, beside, path, **given, theme=theme, **extraction)
    elif beside is not None:
        raise UsageError("--beside is for an image as DATA: leave it out")
    elif kind != MAP:
        dataset = load_dataset(data, **reading)
        drawn = draw_view(dataset, extraction, labels_file, kind, path, theme=theme, seed=seed)
    else:
        dataset = load_dataset(data, **reading)
        settings = {**layout, **looks, "thumbnail_budget": thumbnail_budget, "format": format}
        settings["saliency"] = saliency
        drawn = draw_map(dataset, extraction, labels_file, head, path, **settings)
    measured = drawn.measured or {}
    if json:
        answer = {"output": str(path), "images": drawn.n_images, "caption": drawn.caption}
        print_json({**answer, **measured, **answered(drawn.changes)})
    else:
        images = f"{counted(drawn.n_images, 'image')}, " if measured else ""
        tell(f"wrote {path}: {images}{drawn.caption}")
    return report_rejections(drawn.rejected, strict)
