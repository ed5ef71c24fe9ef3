"""`bottlebank predict`."""

from __future__ import annotations

import io
import itertools
import sys
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..formatting import counted
from ..replaceable import writing
from ..reports.output_paths import PREDICTIONS, require_output
from .command import argument, command, option
from .output import print_json, say, tell
from .parameters import options
from .parameters.types import COUNT, FILE
from .parameters.views import views

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..prediction import Prediction


@command(example="bottlebank predict holiday.jpg --head head.h5")
@argument(
    "images",
    nargs=-1,
    required=True,
    type=FILE,
    metavar="IMAGE",
    help="image files, folders of them, or text files with one path a line; - reads one image from "
    "standard input",
)
@options.head(required=True)
@options.loading()
@options.max_pixels()
@options.resources()
@views(
    "variations of each image over which its probabilities are averaged, with its own; each takes "
    "as long as another image",
    part_of="seen",
    default=None,
    default_in_words="that of the head's training views, else mixed",
)
@option("--top", type=COUNT, default=3, metavar="N", help="classes to show")
@options.output(
    metavar="FILE.csv|FILE.jsonl",
    help="write all predictions to a file, one per line, instead of printing them; in CSV, a name "
    "that a spreadsheet would take for a formula begins with an apostrophe",
)
@options.as_json()
@options.strict()
def run(
    images: tuple[str, ...],
    head: str,
    loading: dict[str, Any],
    max_pixels: int,
    workers: int | None,
    memory: int | None,
    seen: dict[str, Any],
    top: int,
    output: str | None,
    json: bool,
    strict: bool,
) -> int:
    """Predict every image; exit 1 only when all fail, or one does with --strict."""
    path = None if output is None else require_output(output, PREDICTIONS)
    from ..prediction import Prediction, load_predictor
    from ..prediction.prediction_file import write_predictions

    found, unreadable = _find(images)
    predictor = load_predictor(head, many=len(found) > 1, **loading, **seen)
    # A bar between lines of answers on the same terminal would be torn by them.
    shows_bar = len(found) > 1 and (path is not None or not sys.stdout.isatty())
    predictions = itertools.chain(
        (Prediction(error=reason, path=folder) for folder, reason in unreadable),
        predictor.predict_files(
            found,
            top,
            None if shows_bar else False,
            max_pixels=max_pixels,
            workers=workers,
            memory=memory,
        ),
    )
    n_all = len(unreadable) + len(found)
    n_failed = n_unknown = n_dark = 0

    def watched() -> Iterator[Prediction]:
        nonlocal n_failed, n_unknown, n_dark
        for prediction in predictions:
            n_failed += prediction.error is not None
            n_unknown += prediction.unknown
            n_dark += prediction.note is not None
            yield prediction

    if path is None:
        for prediction in watched():
            _print(prediction, json)
    else:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        write_predictions(watched(), path, min(top, len(predictor.classes)))
        if json:
            summary = {"output": str(path), "images": n_all, "unknown": n_unknown}
            print_json({**summary, "failed": n_failed})
        else:
            tell(f"wrote {path}: {counted(n_all, 'image')}, {n_unknown} unknown, {n_failed} failed")
    if n_dark:
        say(
            f"warning: {counted(n_dark, 'image')} with 16 bits per channel came out nearly black; "
            f"heads that are trained with --grey16 stretch scale such images by the bits that they "
            f"use"
        )
    return 1 if n_failed == n_all or (strict and n_failed) else 0


def _find(names: Sequence[str]) -> tuple[list[str | io.BytesIO], list[tuple[str, str]]]:
    """Images, and folders that cannot be listed, with the reason."""
    from ..datasets.dataset import find_listed_images

    images: list[str | io.BytesIO] = []
    unreadable: list[tuple[str, str]] = []
    for name in names:
        found = [_standard_input()] if name == "-" else find_listed_images(name, unreadable)
        images += found
        if not found and len(names) > 1:
            say(f"warning: no images in {name}")
    if not images and not unreadable:
        raise UsageError(f"no images in {', '.join(names)}")
    return images, unreadable


def _standard_input() -> io.BytesIO:
    if sys.stdin.isatty():
        raise UsageError("expected an image on standard input, which is a terminal: pipe it in")
    from ..features.images.decoder import MAX_FILE_BYTES

    image = io.BytesIO(sys.stdin.buffer.read(MAX_FILE_BYTES + 1))
    image.name = "-"
    return image


def _print(prediction: Prediction, as_one_object: bool) -> None:
    from ..prediction.prediction_file import as_json

    if as_one_object:
        print_json(as_json(prediction))
    elif prediction.error is not None:
        say(f"{prediction.path}: {prediction.error}")
    else:
        tell(f"{prediction.path}: {prediction.in_words()}")
