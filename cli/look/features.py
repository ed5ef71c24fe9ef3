"""`bottlebank look features`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import UsageError
from ...interpret.limits import MOST_UNITS, N_IMAGES
from ...reports.output_paths import PICTURE, require_output
from ..command import argument, command, option
from ..output import Stopwatch, print_json, report_rejections, tell
from ..parameters import options, pictures
from ..parameters.seen_by_head import extract_seen_by, require_head_decides
from ..parameters.types import COUNT, FILE, Names, WholeNumber
from .opening import NAMED, open_network

if TYPE_CHECKING:
    from ...interpret.feature_maps import FeatureMaps


@command(
    example="bottlebank look features photo.jpg --head head.h5 --data photos/ --output maps.png"
)
@argument("image", type=FILE, metavar="IMAGE", help="an image file, of DATA or not")
@options.extractor(default_in_words="the head's own", help="the network, where there is no --head")
@options.head(help="a head file, which decides the network and how images are fitted")
@option(
    "--layers",
    type=Names(),
    metavar="NAME,…",
    default_in_words="up to five over the depth, and the transfer values",
    help=f"layers of the network; {NAMED}",
)
@option(
    "--data",
    type=FILE,
    metavar="DATA",
    help=f"{options.DATA_HELP}{options.UNLABELLED_HELP}. With it, units are compared with its "
    "photographs, and those that excite each most are shown; units of inner layers have none "
    "without",
)
@options.reading()
@option(
    "--units",
    type=WholeNumber(1, MOST_UNITS),
    default=4,
    metavar="N",
    help=f"units of each layer, at most {MOST_UNITS}",
)
@option(
    "--images",
    type=COUNT,
    metavar="N",
    default_in_words=str(N_IMAGES),
    help="photographs of DATA that are taken through the network for units of inner layers",
)
@options.output(
    required=True, metavar="MAPS.png", help="the picture: a name ending in .png or .svg"
)
@pictures.theme()
@options.extraction_with_any()
@options.seed()
@options.as_json()
@options.strict()
def run(
    image: str,
    extraction: dict[str, Any],
    head: str | None,
    layers: list[str] | None,
    data: str | None,
    reading: dict[str, Any],
    units: int,
    images: int | None,
    output: str,
    theme: str,
    seed: int,
    json: bool,
    strict: bool,
) -> int:
    """Find the units, draw them and report where."""
    seconds = Stopwatch()
    path = require_output(output, PICTURE, [image, data, head, extraction["weights"]])
    require_head_decides(head, extraction)
    if head is None and extraction["extractor"] is None:
        raise UsageError("which network? Give --extractor NAME or --head HEAD.h5")
    if data is None and images is not None:
        raise UsageError("--images is for --data: leave it out, or name the photographs")
    from ...interpret.given_image import require_image

    require_image(image, extraction["max_pixels"])
    dataset = table = None
    if data is not None:
        from ...datasets import load_dataset
        from ...reports.output_paths import require_no_image_of, require_outside

        require_outside(path, data)
        dataset = load_dataset(data, **reading)
        require_no_image_of(path, dataset)
    network = open_network(head, extraction)
    for name in layers or []:
        network.require_layer(name)
    if dataset is not None:
        table, _ = extract_seen_by(head, dataset, extraction)
    from ...interpret.feature_maps import features
    from ...reports.looks.features import draw_features

    seen = features(
        image,
        network,
        layers,
        table=table,
        units=units,
        images=images or N_IMAGES,
        random_state=seed,
        max_pixels=extraction["max_pixels"],
    )
    caption = draw_features(seen, path, table=table, theme=theme)
    if json:
        print_json({"output": str(path), **seen.as_dict(), "seconds": seconds()})
    else:
        _tell(seen)
        tell(caption, f"wrote {path}, {seconds():.1f} s in all")
    return 0 if table is None else report_rejections(table.rejected, strict)


def _tell(seen: FeatureMaps) -> None:
    for layer in seen.layers:
        tell(f"{layer.name}:")
        for unit in layer.units:
            above = "" if unit.deviations is None else f"  {unit.deviations:+6.1f} deviations"
            tell(f"  unit {unit.number:>5}  {unit.activation:8.3g}{above}")
