"""`bottlebank extract`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import ImageRejectedError
from ..figures import counted
from .answers import Stopwatch, print_json, report_rejections, tell
from .data import read_data
from .parser import add_answers, add_command, add_data, add_extraction, count

if TYPE_CHECKING:
    import argparse

    from ..features import Dataset
    from ..pipeline import FeatureTable

_STAGES = {"disk": "the disk", "decode": "decoding", "network": "the network"}


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "extract",
        run,
        summary="Bring the transfer values of every image into the cache.",
        example="bottlebank extract photos/ --extractor mobilenet_v2",
    )
    add_data(parser)
    add_extraction(parser)
    parser.add_argument(
        "--commit-every",
        type=count,
        default=2048,
        metavar="ROWS",
        help="most rows that a kill can lose (default: %(default)s)",
    )
    add_answers(parser)


def run(arguments: argparse.Namespace) -> int:
    """Extract and say what was done."""
    from ..features.folders import kinds_in_words

    seconds = Stopwatch()
    table = extract_for(arguments, commit_every=arguments.commit_every)
    if arguments.json:
        answer = table.as_json()
        startup = answer.pop("startup_seconds")
        counts = ("images", "cached", "extracted", "duplicates", "rejected", "ignored")
        print_json(
            {
                **{name: answer.pop(name) for name in counts},
                "seconds": seconds(),
                "startup_seconds": startup,
                **answer,
            }
        )
    else:
        report = table.report
        kinds = kinds_in_words(report.ignored_kinds)
        kinds = f": {kinds}" if kinds else ""
        tell(
            f"{counted(report.images, 'image')}: {report.extracted} extracted, {report.cached} "
            f"cached, "
            f"{counted(report.duplicates, 'duplicate')}, {report.rejected} rejected; "
            f"{counted(report.ignored, 'other file')} ignored{kinds}"
        )
        speed = ""
        if report.bottleneck is not None:
            held_up_by = _STAGES[report.bottleneck]
            speed = f", {report.images_per_second} images/s, held up most by {held_up_by}"
        tell(
            f"{report.width} numbers per image from {report.extractor} ({report.engine}, "
            f"{report.precision}{speed}), {seconds():.1f} s in all"
        )
        tell(f"cache: {report.cache}, recipe {report.fingerprint[:12]}")
    code = report_rejections(table.rejected, arguments.strict)
    if not len(table):  # the reasons have been given
        raise ImageRejectedError(f"{counted(table.report.rejected, 'image')}, all rejected")
    return code


def extract_for(arguments: argparse.Namespace, **settings: Any) -> FeatureTable:
    """Extract DATA with the options of `add_extraction`."""

    return extract_dataset(arguments, read_data(arguments), **settings)


def extract_dataset(
    arguments: argparse.Namespace, dataset: Dataset, **settings: Any
) -> FeatureTable:
    """Extract a dataset with the options of `add_extraction`."""
    from ..pipeline import extract

    return extract(
        dataset,
        arguments.extractor,
        weights=arguments.weights,
        fit=arguments.fit,
        grey16=arguments.grey16,
        max_pixels=arguments.max_pixels,
        cache=arguments.cache,
        engine=arguments.engine,
        precision=arguments.precision,
        store=arguments.store,
        **settings,
    )
