"""`bottlebank train`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .answers import Stopwatch, percent, print_json, report_rejections, require_output, say
from .parser import DATA_HELP, add_answers, add_command, add_extraction, add_seed, path

if TYPE_CHECKING:
    import argparse


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "train",
        run,
        summary="Train a head on a dataset, extracting first what is not in the cache.",
        example="bottlebank train photos/ --extractor mobilenet_v2 --output head.h5",
    )
    parser.add_argument("data", type=path, metavar="DATA", help=DATA_HELP)
    parser.add_argument("--output", required=True, metavar="HEAD.h5", help="the head file")
    parser.add_argument(
        "--head",
        dest="head_kind",
        choices=("logistic", "dense"),
        default="logistic",
        help="logistic regression, or a small neural network; in the environment "
        "BOTTLEBANK_HEAD_KIND (default: %(default)s)",
    )
    add_extraction(parser)
    add_seed(parser)
    add_answers(parser)


def run(arguments: argparse.Namespace) -> int:
    """Train, write the head and say how good it is."""
    seconds = Stopwatch()
    output = require_output(arguments.output, (".h5", ".hdf5"))
    from ..classifier import save_head
    from ..features import load_dataset
    from ..pipeline import train_head
    from ..pipeline.train import require_two_classes
    from .extract import extract_dataset

    dataset = load_dataset(arguments.data)
    require_two_classes(dataset.labels, arguments.data)
    table = extract_dataset(arguments, dataset)
    trained = train_head(table, arguments.head_kind, seed=arguments.seed)
    save_head(trained.head, output)

    for warning in trained.split.warnings:
        say(f"warning: {warning}")
    figures = {
        side: None if found is None else found.as_dict()
        for side, found in trained.evaluations.items()
    }
    if arguments.json:
        print_json(
            {
                "head": str(output),
                "classes": list(trained.head.classes),
                **{side: _summary(found) for side, found in figures.items()},
                "seconds": seconds(),
                "kind": trained.head.kind,
                "version": trained.head.version,
                "extractor": table.report.extractor,
                "precision": table.report.precision,
            }
        )
    else:
        how = "as declared" if trained.split.declared else "by content, 70:15:15"
        print(
            f"{trained.head.kind} head of {len(trained.head.classes)} classes on "
            f"{table.report.extractor} ({table.report.width} numbers an image); split {how}"
        )
        for side, found in figures.items():
            text = (
                "no images"
                if found is None
                else (
                    f"{found['images']:5d} images, accuracy {percent(found['accuracy'])}, "
                    f"F1 {percent(found['f1_macro'])}"
                )
            )
            print(f"  {side:<10} {text}")
        print(f"wrote {output} (version {trained.head.version}), {seconds():.1f} s in all")
        print(f"next: bottlebank predict IMAGE --head {output}")
    return report_rejections(table.rejected, arguments.strict) or int(
        arguments.strict and trained.split.has_contradictions
    )


def _summary(figures: dict[str, Any] | None) -> dict[str, Any] | None:
    if figures is None:
        return None
    names = ("images", "accuracy", "precision_macro", "recall_macro", "f1_macro")
    return {name: figures[name] for name in names}
