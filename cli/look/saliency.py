"""`bottlebank look saliency`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...interpret.attribution.methods import (
    BASELINES,
    GRADCAM,
    GREY,
    INTEGRATED,
    LOG_ODDS,
    METHODS,
    OCCLUSION,
    SCORES,
)
from ...reports.output_paths import PICTURE, require_output
from ..command import argument, command, option
from ..output import Stopwatch, percent, print_json, tell
from ..parameters import options, pictures
from ..parameters.types import COUNT, FILE, Choice
from .opening import NAMED

_UNITS = {
    GRADCAM: " of the weighted maps",
    INTEGRATED: " in log-odds, smoothed",
    OCCLUSION: " in {score}",
}

if TYPE_CHECKING:
    from ...interpret.attribution import Saliency


@command(
    example="bottlebank look saliency photo.jpg --head head.h5 --method occlusion --output why.png"
)
@argument("image", type=FILE, metavar="IMAGE", help="an image file")
@options.head(required=True)
@option(
    "--class",
    "label",
    metavar="NAME",
    default_in_words="the most probable one",
    help="the class whose probability is explained",
)
@option(
    "--method",
    type=Choice(METHODS),
    default=GRADCAM,
    help="gradcam shows which places of a layer speak for the class, integrated-gradients which "
    "pixels, occlusion what the answer loses where a part is hidden; occlusion works with every "
    "engine, the others with TensorFlow",
)
@option(
    "--layer",
    metavar="NAME",
    default_in_words="the last one with maps",
    help=f"of gradcam: the layer; {NAMED}",
)
@option(
    "--baseline",
    type=Choice(BASELINES),
    default_in_words=GREY,
    help="of integrated-gradients and occlusion: what stands for nothing to be seen; grey, the "
    "mean colour of the image, black, or the image blurred",
)
@option(
    "--score",
    type=Choice(SCORES),
    default_in_words=LOG_ODDS,
    help="of occlusion: what falls where a part is hidden; the probability, mostly where the "
    "answer is about to change, or the log-odds, also where it is certain",
)
@option(
    "--patch",
    "patch_px",
    type=COUNT,
    metavar="PX",
    default_in_words="a seventh of the side",
    help="of occlusion: side of the part that is hidden, in pixels of the network's input",
)
@option(
    "--stride",
    "stride_px",
    type=COUNT,
    metavar="PX",
    default_in_words="half of the patch",
    help="of occlusion: how far the hidden part moves",
)
@option(
    "--segments",
    type=COUNT,
    metavar="N",
    default_in_words="patches",
    help="of occlusion: hide N connected parts of like colour, one by one, in place of patches; "
    "their edges are those of things",
)
@option(
    "--sanity/--no-sanity",
    default=True,
    default_in_words="--sanity",
    help="compare with maps of the network with random weights; of occlusion, only with "
    "--engine tensorflow",
)
@options.seed()
@options.loading(has_precision=False)
@options.max_pixels()
@options.output(required=True, metavar="FILE.png", help="where the picture is written, or .svg")
@pictures.theme()
@options.as_json()
def run(
    image: str,
    head: str,
    loading: dict[str, Any],
    output: str,
    json: bool,
    seed: int,
    **settings: Any,
) -> int:
    """Explain it, draw it, and print where the answer comes from."""
    seconds = Stopwatch()
    require_output(output, PICTURE, [image, head])
    from ...interpret.given_image import require_image

    require_image(image, settings["max_pixels"])
    from ...reports.looks.saliency import plot_saliency

    found = plot_saliency(image, head, output, random_state=seed, **settings, **loading)
    if json:
        print_json({"path": image, **found.as_dict(), "output": output, "seconds": seconds()})
    else:
        _tell(found, output, seconds())
    return 0


def _tell(found: Saliency, output: str, seconds: float) -> None:
    from ...reports.looks.saliency import sanity_in_words

    unknown = ", called unknown" if found.unknown else ""
    other = "" if found.label == found.predicted else f" (predicted is {found.predicted})"
    tell(f"{found.label}: {percent(found.probability)}{unknown}{other}")
    if found.maximum is None:
        tell("nothing in the photograph speaks for it")
    else:
        x, y = (percent(share) for share in found.maximum)
        greatest = f"{found.shown.max():+.2g}{_UNITS[found.method].format(**found.settings)}"
        tell(f"the greatest value, {greatest}, lies {x} from the left and {y} from the top")
    if "completeness_error" in found.settings:
        tell(
            f"contributions sum to the difference of the log-odds, "
            f"{found.settings['score_difference']:+.3g}, within "
            f"{found.settings['completeness_miss']:.2g}, in {found.settings['steps']} steps"
        )
    if found.sanity is None:
        tell(f"no check with random weights: {found.sanity_note}")
    else:
        tell(f"rank correlation with maps of random weights: {sanity_in_words(found)}")
    tell(f"wrote {output} ({found.method}, {found.engine}), {seconds:.1f} s in all")
