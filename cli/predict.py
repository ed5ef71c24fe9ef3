"""`bottlebank predict`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .answers import percent, print_json, say, shown
from .parser import add_answers, add_command, add_head_extractor, add_max_pixels, count

if TYPE_CHECKING:
    import argparse


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "predict",
        run,
        summary="Predict the classes of images; one line of output each.",
        example="bottlebank predict holiday.jpg --head head.h5",
    )
    parser.add_argument(
        "images", nargs="+", metavar="IMAGE", help="image files, or folders of them"
    )
    add_head_extractor(parser)
    add_max_pixels(parser)
    parser.add_argument(
        "--top", type=count, default=3, metavar="N", help="classes to show (default: %(default)s)"
    )
    add_answers(parser)


def run(arguments: argparse.Namespace) -> int:
    """Predict every image; exit 1 only when all fail, or one does with --strict."""
    from ..features.dataset import find_images
    from ..pipeline import load_predictor

    paths = [path for name in arguments.images for path in find_images(name)]
    if not paths:
        raise UsageError(f"no images in {', '.join(arguments.images)}")
    predictor = load_predictor(
        arguments.head,
        cache=arguments.cache,
        extractor=arguments.extractor,
        weights=arguments.weights,
        engine=arguments.engine,
        precision=arguments.precision,
        parity=arguments.parity,
        many=len(paths) > 1,
    )
    n_failed = 0
    for answer in predictor.predict_files(paths, arguments.top, max_pixels=arguments.max_pixels):
        n_failed += answer.error is not None
        if arguments.json:
            print_json(
                {
                    "path": answer.path,
                    "predictions": [
                        {"label": label, "probability": probability}
                        for label, probability in answer.ranked
                    ],
                    "error": answer.error,
                    "unknown": answer.unknown,
                }
            )
        elif answer.error is not None:
            say(f"{shown(answer.path)}: {answer.error}")
        else:
            ranked = ", ".join(f"{label} {percent(share)}" for label, share in answer.ranked)
            unsure = "unknown, most like " if answer.unknown else ""
            print(f"{shown(answer.path)}: {unsure}{shown(ranked)}")
    return 1 if n_failed == len(paths) or (arguments.strict and n_failed) else 0
