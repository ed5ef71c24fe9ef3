"""`bottlebank evaluate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..progress import Progress
from .answers import (
    percent,
    print_json,
    report_rejections,
    say,
    tell,
    tell_cross_validated,
    with_interval,
)
from .data import read_data
from .outputs import require_report_folder, writing
from .parser import add_answers, add_command, add_data, add_head_extractor, add_max_pixels

if TYPE_CHECKING:
    import argparse

    import numpy as np

    from ..classifier import Head
    from ..pipeline import FeatureTable
    from ..pipeline.evaluate import TrainedOn


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "evaluate",
        run,
        summary="Evaluate a head on one split of a dataset.",
        example="bottlebank evaluate photos/ --head head.h5 --report report/",
    )
    add_data(parser)
    add_head_extractor(parser)
    add_max_pixels(parser)
    parser.add_argument(
        "--split",
        choices=("test", "validation", "train", "all"),
        help="which split (default: test, or validation where test has no images)",
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
    from ..pipeline.evaluate import CANNOT_BE_TOLD
    from ..pipeline.problems import contradictions, describe, near_pairs
    from .problems import MOST_PRINTED, print_problems

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
    seen = judged.trained_on
    mistakes = _mistakes(head, table, judged.rows, judged.answer.probabilities)
    better = judged.cross_validated
    answer = {
        "split": side,
        **found.as_dict(),
        "unknown": n_unknown,
        "trained_on": None if seen is None else seen.as_dict(),
        "mistakes": mistakes,
        "near_duplicates": describe(near_pairs(judged.split), table, judged.split),
        "contradictions": describe(contradictions(table, judged.split), table, judged.split),
        "rejections": [{"path": path, "reason": reason} for path, reason in table.rejected],
    }
    if better is None:
        answer["cross_validated"] = None
    else:
        listed = _mistakes(head, table, better.rows, better.probabilities)
        answer = {"cross_validated": {**better.as_dict(), "mistakes": listed}, **answer}
        mistakes = listed
    warning = CANNOT_BE_TOLD if seen is None else seen.in_words(found.images)
    if warning:
        say(f"warning: {warning}")
    for remark in judged.split.warnings if judged.split.has_contradictions else []:
        say(f"warning: {remark}")
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

        with Progress("Writing the report"), writing(report):
            written = write_report(report, arguments.data, head, table, judged, answer)
    if arguments.json:
        print_json(answer)
    else:
        if better is not None:
            tell_cross_validated(better)
        accuracy = with_interval(found.accuracy, found.intervals["accuracy"])
        tell(
            f"{side}: {found.images_in_words}{':' if found.caution else ','} accuracy {accuracy}, "
            f"precision {percent(found.precision_macro)}, recall {percent(found.recall_macro)}, "
            f"F1 {percent(found.f1_macro)} ({found.means_over}); "
            f"{_about_unknown(head, n_unknown)}"
        )
        if seen is not None and warning:
            tell(f"  {_without(seen)}")
        if better is not None and mistakes:
            tell("mistakes of the cross-validation:")
        for mistake in mistakes[:MOST_PRINTED]:
            tell(
                f"  {mistake['path']} is {mistake['label']}, taken for "
                f"{mistake['predicted']} ({percent(mistake['probability'])})"
            )
        if len(mistakes) > MOST_PRINTED:
            tell(f"  and {len(mistakes) - MOST_PRINTED:,} more mistakes: --json lists them")
        print_problems(answer["near_duplicates"], answer["contradictions"])
        for path in written[:1]:
            tell(f"wrote {path} and the pictures in it")
    return report_rejections(table.rejected, arguments.strict)


def _without(seen: TrainedOn) -> str:
    """The figures without the images that the head has seen."""
    left = seen.without
    if left is None:
        return "without them no image is left: evaluate on images that it was not trained on"
    accuracy = with_interval(left.accuracy, left.intervals["accuracy"])
    others = f"the {left.images:,} {'other' if left.images == 1 else 'others'}"
    return f"on {', '.join(filter(None, (others, left.caution)))}: accuracy {accuracy}"


def _about_unknown(head: Head, n_unknown: int) -> str:
    if head.unknown is None:
        return "it had too few validation images to call any unknown"
    return f"{n_unknown} called unknown"


def _mistakes(
    head: Head, table: FeatureTable, rows: np.ndarray, probabilities: np.ndarray
) -> list[dict[str, Any]]:
    """Images that are taken for another class, the most confident first."""
    found = []
    for row, column, sure in zip(
        rows.tolist(),
        probabilities.argmax(axis=1).tolist(),
        probabilities.max(axis=1).tolist(),
        strict=True,
    ):
        label, predicted = str(table.labels[row]), head.classes[column]
        if label != predicted:
            place = {"path": table.paths[row], "label": label}
            found.append({**place, "predicted": predicted, "probability": sure})
    return sorted(found, key=lambda mistake: -mistake["probability"])
