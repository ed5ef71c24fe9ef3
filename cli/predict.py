"""`bottlebank predict`."""

from __future__ import annotations

import io
import itertools
import sys
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..figures import counted
from .answers import print_json, say, tell
from .outputs import PREDICTIONS, require_output, writing
from .parser import OUTPUT, add_answers, add_command, add_head_extractor, add_max_pixels, count

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from ..pipeline import Prediction


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
        "images",
        nargs="+",
        metavar="IMAGE",
        help="image files, or folders of them; - reads one from standard input",
    )
    add_head_extractor(parser)
    add_max_pixels(parser)
    parser.add_argument(
        "--top", type=count, default=3, metavar="N", help="classes to show (default: %(default)s)"
    )
    parser.add_argument(
        *OUTPUT,
        metavar="FILE.csv|FILE.jsonl",
        help="write all predictions into a file, a line each, instead of printing them; in CSV, a "
        "name that a spreadsheet would take for a formula begins with an apostrophe",
    )
    add_answers(parser)


def run(arguments: argparse.Namespace) -> int:
    """Predict every image; exit 1 only when all fail, or one does with --strict."""
    output = None
    if arguments.output is not None:
        output = require_output(arguments.output, PREDICTIONS)
    from ..features.dataset import find_images
    from ..pipeline import Prediction, load_predictor
    from ..pipeline.prediction_file import write_predictions

    images: list[str | io.BytesIO] = []
    unreadable: list[tuple[str, str]] = []
    for name in arguments.images:
        found = [_standard_input()] if name == "-" else find_images(name, unreadable)
        images += found
        if not found and len(arguments.images) > 1:
            say(f"warning: no images in {name}")
    if not images and not unreadable:
        raise UsageError(f"no images in {', '.join(arguments.images)}")
    predictor = load_predictor(
        arguments.head,
        cache=arguments.cache,
        extractor=arguments.extractor,
        weights=arguments.weights,
        engine=arguments.engine,
        precision=arguments.precision,
        parity=arguments.parity,
        many=len(images) > 1,
    )
    # A bar between lines of answers on the same terminal would be torn by them.
    shows_bar = len(images) > 1 and (output is not None or not sys.stdout.isatty())
    predictions = itertools.chain(
        (Prediction(error=reason, path=folder) for folder, reason in unreadable),
        predictor.predict_files(
            images,
            arguments.top,
            None if shows_bar else False,
            max_pixels=arguments.max_pixels,
        ),
    )
    n_all = len(unreadable) + len(images)
    n_failed = n_unknown = n_dark = 0

    def watched() -> Iterator[Prediction]:
        nonlocal n_failed, n_unknown, n_dark
        for prediction in predictions:
            n_failed += prediction.error is not None
            n_unknown += prediction.unknown
            n_dark += prediction.note is not None
            yield prediction

    if output is not None:
        with writing(output):
            output.parent.mkdir(parents=True, exist_ok=True)
    if output is None:
        for prediction in watched():
            _print(prediction, arguments.json)
    else:
        write_predictions(watched(), output, min(arguments.top, len(predictor.classes)))
        summary = {"output": str(output), "images": n_all, "unknown": n_unknown}
        if arguments.json:
            print_json({**summary, "failed": n_failed})
        else:
            tell(
                f"wrote {output}: {counted(n_all, 'image')}, {n_unknown} unknown, {n_failed} failed"
            )
    if n_dark:
        say(
            f"warning: {counted(n_dark, 'image')} with 16 bits per channel came out nearly black; "
            f"heads that are trained with --grey16 stretch scale such images by the bits that they "
            f"use"
        )
    return 1 if n_failed == n_all or (arguments.strict and n_failed) else 0


def _standard_input() -> io.BytesIO:
    if sys.stdin.isatty():
        raise UsageError("expected an image on standard input, which is a terminal: pipe it in")
    from ..features.images import MAX_FILE_BYTES

    image = io.BytesIO(sys.stdin.buffer.read(MAX_FILE_BYTES + 1))
    image.name = "-"
    return image


def _print(prediction: Prediction, as_one_object: bool) -> None:
    from ..pipeline.prediction_file import as_json

    if as_one_object:
        print_json(as_json(prediction))
    elif prediction.error is not None:
        say(f"{prediction.path}: {prediction.error}")
    else:
        tell(f"{prediction.path}: {prediction.in_words()}")
