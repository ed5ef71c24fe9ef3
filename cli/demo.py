"""`bottlebank demo`: the whole program once, on data that needs no download."""

from __future__ import annotations

import shlex
from functools import partial
from typing import TYPE_CHECKING, Any

from ..replaceable import writing
from ..reports.output_paths import PICTURE, require_folder, require_output
from .command import command
from .output import (
    Stopwatch,
    invocation,
    print_json,
    say,
    tell,
)
from .parameters import choices, options
from .parameters.types import FOLDER

if TYPE_CHECKING:
    from pathlib import Path

    from ..reports.demo import Demo


@command(example="bottlebank demo")
@options.output(
    type=FOLDER,
    default="bottlebank-demo",
    default_in_words="./bottlebank-demo",
    metavar="DIR",
    help="folder for everything the demo makes, its cache included",
)
@options.extractor(
    default=choices.DEMO_EXTRACTOR, help="the frozen network; the default needs no download"
)
@options.engine(part_of="extraction")
@options.precision(part_of="extraction")
# Not from BOTTLEBANK_CACHE: that is where a person's own photographs are.
@options.cache(
    shared=False,
    part_of="extraction",
    default_in_words="the folder cache in --output",
    help="where transfer values are kept",
)
@options.seed()
@options.as_json()
def run(output: str, extraction: dict[str, Any], seed: int, json: bool) -> int:
    """Run every step, report how long each took, and leave the results in a folder."""
    seconds = Stopwatch()
    folder = require_folder(output)
    maps = [f"map-{method}" for method in choices.METHODS]
    for name in ("confusion-matrix", "transfer-values", *maps):
        require_output(folder / f"{name}.png", PICTURE)
    say(f"Every step once, with {extraction['extractor']}; all that is made goes into {folder}/.")
    from ..progress import Progress

    with writing(folder):
        with Progress("Starting", every_s=2.0):
            from ..reports.demo import run_demo
        demo = run_demo(folder, say if json else partial(tell, flush=True), seed=seed, **extraction)
    serve = shlex.join(
        [*invocation(), "serve", "--head", str(demo.head), "--cache", demo.extraction.cache]
    )
    if json:
        print_json(_answer(demo, folder, serve, seconds()))
        return 0
    own = [*invocation(), "train", "photos/", "--output", "head.h5"]
    own += ["--extractor", demo.extraction.extractor]
    tell(
        "",
        f"All of it is in {folder}/ ({seconds():.1f} s): begin with {demo.report}.",
        "Serve the head, with a page to drop images on:",
        "",
        f"  {serve}",
        "",
        "Then your own photographs, in one folder per class:",
        "",
        f"  {shlex.join(own)}",
        "",
    )
    return 0


def _answer(demo: Demo, folder: Path, serve: str, seconds: float) -> dict[str, Any]:
    done, found = demo.extraction, demo.evaluation
    return {
        "output": str(folder),
        "head": str(demo.head),
        "maps": [str(path) for path in demo.maps],
        "confusion_matrix": str(demo.confusion_matrix),
        "report": str(demo.report),
        "transfer_values": str(demo.transfer_values),
        "extractor": done.extractor,
        "trained_weights": done.extractor != choices.UNTRAINED_EXTRACTOR,
        "images": done.images,
        "cached": done.cached,
        "extracted": done.extracted,
        "duplicates": done.duplicates,
        "rejected": done.rejected,
        demo.split: {"images": found.images, "accuracy": found.accuracy},
        "prediction": {
            "path": demo.prediction.path,
            "label": demo.prediction.label,
            "probability": demo.prediction.probability,
        },
        "strangers": [
            {
                "path": each.path,
                "unknown": each.unknown,
                "label": each.label,
                "probability": each.probability,
            }
            for each in demo.strangers
        ],
        "serve": serve,
        "seconds": seconds,
    }
