"""`bottlebank compare`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..figures import counted
from .answers import Stopwatch, percent, print_json, say, tell
from .data import read_data
from .parser import (
    HEADS,
    add_answers,
    add_command,
    add_data,
    add_extraction,
    add_seed,
    folds,
    heads,
)

if TYPE_CHECKING:
    import argparse

    from ..features import Dataset
    from ..pipeline import FeatureTable
    from ..pipeline.compare import Trials


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "compare",
        run,
        summary="Cross-validate heads and extractors on the same folds, and say what differs.",
        example="bottlebank compare photos/ --heads logistic,dense,knn "
        "--extractors mobilenet_v2,inception_v3",
    )
    add_data(parser)
    parser.add_argument(
        "--heads",
        type=heads,
        default=list(HEADS),
        metavar="NAME,…",
        help=f"some of {', '.join(HEADS)}, with commas between; knn, the nearest neighbours, is a "
        "check that needs no tuning (default: all)",
    )
    add_extraction(parser, several=True)
    parser.add_argument(
        "--folds", type=folds, default=5, metavar="N", help="of the cross-validation (default: 5)"
    )
    add_seed(parser)
    add_answers(parser)


def run(arguments: argparse.Namespace) -> int:
    """Compare and print a table, the best first."""
    seconds = Stopwatch()
    from ..pipeline.compare import compare
    from ..pipeline.train import require_two_classes
    from .answers import report_rejections
    from .extract import extract_dataset

    dataset = read_data(arguments)
    require_two_classes(dataset.labels, arguments.data)
    tables: list[FeatureTable] = []

    def extract_with(dataset: Dataset, extractor: str) -> FeatureTable:
        arguments.extractor = extractor
        tables.append(extract_dataset(arguments, dataset))
        return tables[-1]

    found = compare(
        dataset,
        arguments.heads,
        arguments.extractors,
        n_folds=arguments.folds,
        seed=arguments.seed,
        extract_with=extract_with,
    )
    for warning in found.warnings:
        say(f"warning: {warning}")
    if arguments.json:
        candidates = [
            {
                "extractor": trial.extractor,
                "head": trial.head,
                "accuracy": trial.standing.accuracy,
                "interval": list(trial.standing.interval),
                "wins": trial.standing.wins,
                "losses": trial.standing.losses,
                "p_value": trial.standing.p_value,
                "fit_seconds": trial.fit_seconds,
            }
            for trial in found.trials
        ]
        figures = {"images": found.images, "folds": found.folds, "candidates": candidates}
        left_out = {"rejected": found.rejected, "test": found.in_test}
        print_json({**figures, "seconds": seconds(), "left_out": left_out})
    else:
        tell(
            f"{_left_out(found)}{counted(found.images, 'image')} in "
            f"{counted(found.folds, 'fold')}, the same for all; "
            f"the best first"
        )
        width = max(len(trial.extractor) for trial in found.trials)
        heading = f"  {'extractor':<{max(width, 9)}}  head      accuracy  95 % interval     "
        tell(f"{heading} against the best      per fit")
        for trial in found.trials:
            standing = trial.standing
            low, high = standing.interval
            against = "the best"
            if standing.p_value is not None:
                against = "p < 0.001" if standing.p_value < 0.001 else f"p = {standing.p_value:.3f}"
                against += " (worse)" if standing.p_value < 0.05 else " (may be as good)"
            tell(
                f"  {trial.extractor:<{max(width, 9)}}  {trial.head:<8}  "
                f"{percent(standing.accuracy):>8}  {percent(low):>7} to {percent(high):>7}  "
                f"{against:<24} {trial.fit_seconds:4.1f} s"
            )
        tell("p: McNemar's exact test on the same images, corrected for all pairs (Holm)")
        tell(f"{seconds():.1f} s in all")
    return report_rejections(tables[0].rejected, arguments.strict)


def _left_out(found: Trials) -> str:
    """Of how many images, and why the others take no part."""
    reasons = [
        *([f"{found.in_test} in the test split"] if found.in_test else []),
        *([f"{found.rejected} rejected"] if found.rejected else []),
    ]
    if not reasons:
        return ""
    are = "is" if found.in_test + found.rejected == 1 else "are"
    every = found.images + found.in_test + found.rejected
    return f"of {counted(every, 'image')}, {' and '.join(reasons)} {are} left out; "
