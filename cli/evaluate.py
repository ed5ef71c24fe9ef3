"""`bottlebank evaluate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .answers import (
    percent,
    print_json,
    report_rejections,
    say,
    with_interval,
)
from .data import read_data
from .outputs import require_report_folder
from .parser import add_answers, add_command, add_data, add_head_extractor, add_max_pixels

if TYPE_CHECKING:
    import argparse


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "evaluate",
        run,
        summary="Judge a head on one side of a dataset's split.",
        example="bottlebank evaluate photos/ --head head.h5 --report report/",
    )
    add_data(parser)
    add_head_extractor(parser)
    add_max_pixels(parser)
    parser.add_argument(
        "--split",
        choices=("test", "validation", "train", "all"),
        help="which side (default: test, or validation where test has no images)",
    )
    parser.add_argument(
        "--report",
        metavar="DIR",
        help="write report.html there, which holds all pictures, and each of them as a PNG",
    )
    add_answers(parser)


def run(arguments: argparse.Namespace) -> int:
    """Judge and say how good the head is."""
    report = None
    if arguments.report is not None:
        report = require_report_folder(arguments.report, arguments.data)
    from ..pipeline import extract_for_head, judge

    table, head = extract_for_head(
        read_data(arguments),
        arguments.head,
        cache=arguments.cache,
        extractor=arguments.extractor,
        weights=arguments.weights,
        engine=arguments.engine,
        precision=arguments.precision,
        parity=arguments.parity,
        max_pixels=arguments.max_pixels,
    )
    judged = judge(head, table, arguments.split)
    side, found = judged.side, judged.evaluation
    n_unknown = int(judged.answer.unknown.sum())
    answer = {"split": side, **found.as_dict(), "unknown": n_unknown}
    unknown = sorted(set(found.classes) - set(head.classes))
    if unknown:
        say(
            f"warning: the head does not know {', '.join(map(repr, unknown[:5]))}"
            f"{' and others' if len(unknown) > 5 else ''}; its images count as wrong. It knows "
            f"{', '.join(map(repr, head.classes[:10]))}"
        )
    written = []
    if report is not None:
        from .report import write_report

        report.mkdir(parents=True, exist_ok=True)
        written = write_report(report, arguments.data, head, table, judged, answer)
    if arguments.json:
        print_json(answer)
    else:
        accuracy = with_interval(found.accuracy, found.intervals["accuracy"])
        print(
            f"{side}: {found.images} images, accuracy {accuracy}, "
            f"precision {percent(found.precision_macro)}, recall {percent(found.recall_macro)}, "
            f"F1 {percent(found.f1_macro)} (means over {len(found.classes)} classes); "
            f"{n_unknown} called unknown"
        )
        for path in written[:1]:
            print(f"wrote {path} and the pictures in it")
    return report_rejections(table.rejected, arguments.strict)
