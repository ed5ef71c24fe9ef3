"""`bottlebank look adversarial`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import UsageError
from ...formatting import counted
from ...interpret.attacks.budget import LARGEST, OF_CURVE, all_levels_of, in_words
from ...interpret.opening import require_gradients
from ..command import argument, command, option
from ..output import Stopwatch, percent, print_json, report_rejections, tell
from ..parameters import choices, options, pictures
from ..parameters.types import COUNT, FILE, Checked, Choice

if TYPE_CHECKING:
    from ...prediction import Prediction
    from ...reports.looks.adversarial import Curve, Looked


@command(example="bottlebank look adversarial photo.jpg --head head.h5 --output changed-answer.png")
@argument("image", required=False, type=FILE, metavar="IMAGE", help="an image file")
@options.head(required=True)
@option(
    "--all",
    "data",
    type=FILE,
    metavar="DATA",
    help="instead of IMAGE, images of a dataset: how accurate the head is when each of them may be "
    "changed, by how much",
)
@option(
    "--target",
    metavar="CLASS",
    default_in_words="any other than that of IMAGE",
    help="the answer that is wanted",
)
@option(
    "--method",
    type=Choice(choices.ATTACKS),
    default=choices.ATTACKS[0],
    help="fgsm: one step along the signs of the gradient; pgd: many small ones from a random "
    "start, which finds smaller changes",
)
@option(
    "--budget",
    type=Checked(all_levels_of),
    metavar="N/255,…",
    default_in_words=f"{LARGEST}; with --all, {','.join(OF_CURVE)}",
    help="the largest change of a value of a pixel; smaller ones are tried first. With --all, "
    "several",
)
@option("--steps", type=COUNT, default=20, metavar="N", help="of pgd, at most")
@option(
    "--images",
    type=COUNT,
    metavar="N",
    default_in_words="100",
    help="with --all: most images, drawn at random",
)
@option(
    "--split",
    type=Choice(choices.SPLITS),
    default_in_words="test, or validation where test has no images",
    help="with --all: which split of DATA",
)
@options.reading()
@options.output(
    required=True, metavar="FILE.png", help="the picture, a name that ends in .png or .svg"
)
@option(
    "--save",
    type=FILE,
    metavar="CHANGED.png",
    default_in_words="FILE.changed.png",
    help="where the changed image is written, at the size of the network's input; only one that "
    "`bottlebank predict` answers otherwise is",
)
@pictures.theme()
@options.loading()
@options.max_pixels()
@options.seed()
@options.as_json()
def run(
    image: str | None,
    head: str,
    data: str | None,
    target: str | None,
    method: str,
    budget: str | None,
    steps: int,
    images: int | None,
    split: str | None,
    reading: dict[str, Any],
    output: str,
    save: str | None,
    theme: str,
    loading: dict[str, Any],
    max_pixels: int,
    seed: int,
    json: bool,
) -> int:
    """Attack one image, or those of a dataset, and report what flips."""
    seconds = Stopwatch()
    require_gradients(loading["engine"])
    if (image is None) == (data is None):
        raise UsageError("expected either an IMAGE or --all DATA")
    of_other = {"--images": images, "--split": split}
    if data is not None:
        of_other = {"--target": target, "--save": save}
    for name, value in of_other.items():
        if value is not None:
            place = "an IMAGE" if data is not None else "--all DATA"
            raise UsageError(f"{name} is for {place}: leave it out")
    if data is None and budget is not None and len(all_levels_of(budget)) > 1:
        raise UsageError(
            f"expected one budget for one image, the largest, received {budget}: smaller ones are "
            f"tried first"
        )
    from ...reports.looks.adversarial import N_IMAGES, look_adversarial, look_robustness

    settings = {"method": method, "steps": steps, "theme": theme, "random_state": seed}
    settings |= {**loading, "max_pixels": max_pixels}
    if data is not None:
        curve = look_robustness(
            *(data, head, output),
            budgets=budget or OF_CURVE,
            n_images=images or N_IMAGES,
            split=split,
            reading=reading,
            **settings,
        )
        from ..problems import warn_of_unknown

        warn_of_unknown(curve.classes, curve.known)
        if json:
            print_json({**curve.as_dict(), "seconds": seconds()})
        else:
            _tell_curve(curve)
            tell(f"wrote {curve.output}, {seconds():.1f} s in all")
        return report_rejections(curve.found.rejected, strict=False)
    assert image is not None
    from ...interpret.given_image import require_image

    require_image(image, max_pixels)
    looked = look_adversarial(
        image, head, output, target=target, budget=budget or LARGEST, save=save, **settings
    )
    if json:
        print_json({**looked.as_dict(), "seconds": seconds()})
    else:
        _tell(looked)
        tell(f"wrote {looked.output}, {seconds():.1f} s in all")
    return 0


def _tell(looked: Looked) -> None:
    from ...reports.looks.adversarial import title_of

    found = looked.found
    tell(
        f"{title_of(found)}:",
        f"  before  {_first(found.before)}",
        f"  after   {_first(found.after)}",
    )
    if found.saved is not None:
        tell(f"wrote {found.saved}, which `bottlebank predict` answers so")


def _first(prediction: Prediction) -> str:
    unknown = ", called unknown" if prediction.unknown else ""
    return f"{prediction.label} {percent(prediction.probability or 0.0)}{unknown}"


def _tell_curve(curve: Curve) -> None:
    found = curve.found
    tell(
        f"{counted(found.images, 'image')} of the {curve.n_split:,} of the split {curve.split}, "
        f"{found.method.upper()}, each flipped one verified from an image file ({found.engine})",
        "budget   right            flipped",
    )
    for each in found.at:
        flipped = f"{each.flipped:>7,}" if each.levels else ""
        if each.levels and each.flipped_unknown is not None:
            flipped += f", {each.flipped_unknown:,} of them called unknown"
        budget = in_words(each.levels) if each.levels else "none"
        tell(f"{budget:<7} {each.right:>6,}  {percent(each.accuracy):>7} {flipped}".rstrip())
