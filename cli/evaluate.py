"""`bottlebank evaluate`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .answers import percent, print_json, report_rejections, require_folder, say
from .parser import DATA_HELP, add_answers, add_command, add_head_extractor, path

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
    parser.add_argument("data", type=path, metavar="DATA", help=DATA_HELP)
    add_head_extractor(parser)
    parser.add_argument(
        "--split",
        choices=("test", "validation", "train", "all"),
        help="which side (default: test, or validation where test has no images)",
    )
    parser.add_argument(
        "--report", metavar="DIR", help="write confusion-matrix.png and evaluation.json there"
    )
    add_answers(parser)


def run(arguments: argparse.Namespace) -> int:
    """Judge and say how good the head is."""
    report = None if arguments.report is None else require_folder(arguments.report)
    from ..atomic import write_bytes
    from ..features import load_dataset
    from ..pipeline import evaluate_head, extract_for_head

    table, head = extract_for_head(
        load_dataset(arguments.data),
        arguments.head,
        cache=arguments.cache,
        extractor=arguments.extractor,
        weights=arguments.weights,
        engine=arguments.engine,
        precision=arguments.precision,
    )
    side, found = evaluate_head(head, table, arguments.split)
    answer = {"split": side, **found.as_dict()}
    unknown = sorted(set(found.classes) - set(head.classes))
    if unknown:
        say(
            f"warning: the head does not know {', '.join(map(repr, unknown[:5]))}"
            f"{' and others' if len(unknown) > 5 else ''}; its images count as wrong. It knows "
            f"{', '.join(map(repr, head.classes[:10]))}"
        )
    if report is not None:
        from ..viz import draw_confusion_matrix

        picture = report / "confusion-matrix.png"
        title = f"{arguments.data}, {side}"
        draw_confusion_matrix(found.confusion_matrix, found.classes, picture, title)
        write_bytes(report / "evaluation.json", (json.dumps(answer) + "\n").encode())
    if arguments.json:
        print_json(answer)
    else:
        print(
            f"{side}: {found.images} images, accuracy {percent(found.accuracy)}, "
            f"precision {percent(found.precision_macro)}, recall {percent(found.recall_macro)}, "
            f"F1 {percent(found.f1_macro)} (means over {len(found.classes)} classes)"
        )
        if report is not None:
            print(f"wrote {report / 'confusion-matrix.png'} and {report / 'evaluation.json'}")
    return report_rejections(table.rejected, arguments.strict)
