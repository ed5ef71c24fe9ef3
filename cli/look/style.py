"""`bottlebank look style`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import UsageError
from ...formatting import counted
from ...interpret.limits import (
    LEAST_PX,
    MOST_PX,
    MOST_STEPS,
    MOST_STRENGTH,
    PREFERRED,
    STEPS_BETWEEN_PREVIEWS,
)
from ...reports.output_paths import MADE_IMAGE, require_output
from ..command import argument, command, option
from ..output import Stopwatch, percent, print_json, tell
from ..parameters import options
from ..parameters.types import FILE, Names, Number, WholeNumber

if TYPE_CHECKING:
    import numpy as np


@command(example="bottlebank look style photo.jpg painting.jpg --output painted.png")
@argument("content", type=FILE, metavar="CONTENT", help="the photograph, an image file")
@argument("style", type=FILE, metavar="STYLE", help="an image file whose style it gets")
@options.output(required=True, metavar="PAINTED.png", help="the painted picture")
@options.extractor(
    part_of="",
    default_in_words=f"{PREFERRED[0]} where its weights are on this machine, else "
    "efficientnet_lite0",
    help="the network by which style and content are compared",
)
@option(
    "--weights",
    type=FILE,
    default="imagenet",
    metavar="imagenet|FILE",
    help="as in `bottlebank extract`",
)
@option(
    "--size",
    type=WholeNumber(LEAST_PX, MOST_PX),
    default=384,
    metavar="PX",
    help="longer side of the result; the strokes are the larger, the smaller it is",
)
@option(
    "--strength",
    type=Number(f"a number above 0 and below {MOST_STRENGTH:,}", 0, MOST_STRENGTH),
    default=1.0,
    default_in_words="1",
    metavar="X",
    help="how much the style counts beside the content: 0.1 keeps more of that, 10 less",
)
@option(
    "--steps",
    type=WholeNumber(1, MOST_STEPS),
    default=150,
    metavar="N",
    help="steps of the optimiser",
)
@option(
    "--keep-colours",
    is_flag=True,
    help="keep the colours of CONTENT, and take the strokes of STYLE alone",
)
@option(
    "--preview",
    type=FILE,
    metavar="PREVIEW.png",
    help="the picture so far, written anew after every 25 steps",
)
@option(
    "--content-layers",
    type=Names(),
    default=(),
    metavar="NAME,…",
    default_in_words="the last at 1/8 of the resolution",
    help="layers that are to say the same as of CONTENT",
)
@option(
    "--style-layers",
    type=Names(),
    default=(),
    metavar="NAME,…",
    default_in_words="the last at each resolution",
    help="layers whose channels are to go together as in STYLE",
)
@options.max_pixels()
@options.engine()
@options.cache()
@options.as_json()
def run(
    content: str,
    style: str,
    output: str,
    preview: str | None,
    extractor: str | None,
    weights: str,
    engine: str,
    cache: str | None,
    json: bool,
    **settings: Any,
) -> int:
    """Paint, write and report."""
    seconds = Stopwatch()
    inputs = [content, style, weights]
    path = require_output(output, MADE_IMAGE, inputs)
    previewed = None
    if preview is not None and settings["steps"] <= STEPS_BETWEEN_PREVIEWS:
        raise UsageError(
            f"--preview is written after every {STEPS_BETWEEN_PREVIEWS} steps, and --steps is "
            f"{settings['steps']}: leave it out, or take more steps"
        )
    if preview is not None:
        previewed = require_output(preview, MADE_IMAGE, inputs)
        if previewed.resolve() == path.resolve():
            raise UsageError(
                f"{path} cannot hold the preview and the result: choose another name for --preview"
            )
    from ...interpret import open_for_extractor
    from ...interpret.given_image import require_image
    from ...interpret.opening import require_gradients, require_layers_of
    from ...interpret.painting import default_extractor
    from ...interpret.painting import style as paint
    from ...reports.looks.made_image import write_image

    def show(pixels: np.ndarray, step: int) -> None:
        if previewed is not None:
            write_image(pixels, previewed)

    require_gradients(engine)
    chosen = extractor or default_extractor()
    require_layers_of(chosen)
    for image in (content, style):
        require_image(image, settings["max_pixels"])
    network = open_for_extractor(chosen, weights=weights, engine=engine, cache=cache)
    painted = paint(content, style, network, on_preview=show, **settings)
    write_image(painted.pixels, path)
    if json:
        print_json({"output": str(path), **painted.as_dict(), "seconds": seconds()})
    else:
        farther = ", more than before" if painted.style_loss > 1 else ""
        tell(
            f"wrote {path}: {Path(content).name} in the style of {Path(style).name}, by "
            f"{painted.extractor}, {counted(painted.steps, 'step')}; of the distance to the style "
            f"{percent(painted.style_loss)} is left{farther}, {seconds():.1f} s"
        )
    return 0
