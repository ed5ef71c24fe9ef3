"""`bottlebank compare`."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from ..formatting import counted
from .command import command, option
from .output import (
    Stopwatch,
    percent,
    print_json,
    report_rejections,
    say,
    tell,
)
from .parameters import choices, options
from .parameters.labels import answered, labels_option, lay_over, read
from .parameters.types import Extractors, Names, WholeNumber
from .parameters.views import views, views_in_words
from .usage.environment import shared_variable

if TYPE_CHECKING:
    from ..training.compare import Trials


@command(
    example="bottlebank compare photos/ --heads logistic,dense,knn "
    "--extractors efficientnet_lite0,inception_v3"
)
@options.data()
@labels_option()
@options.weights_column()
@option(
    "--heads",
    type=Names(choices.COMPARED_HEADS, only_known=True),
    default=choices.COMPARED_HEADS,
    metavar="NAME,…",
    default_in_words="all",
    help=f"some of {', '.join(choices.COMPARED_HEADS)}, separated by commas"
    f"{choices.BASELINES_IN_WORDS}",
)
@option(
    "--extractors",
    type=Extractors(choices.EXTRACTORS),
    multiple=True,
    callback=lambda ctx, param, given: list(dict.fromkeys(chain.from_iterable(given))),
    metavar="NAME,…",
    default_in_words=choices.EXTRACTOR_IN_WORDS,
    envvar=["BOTTLEBANK_COMPARE_EXTRACTORS", shared_variable("extractor")],
    allow_from_autoenv=False,
    help="frozen networks, separated by commas or with the option repeated: "
    f"{choices.EXTRACTORS_IN_WORDS}",
)
@options.extraction_with_any(trains=True)
@views("variations of each training image to train on beside it; the cache keeps them")
@option(
    "--folds",
    type=WholeNumber(2, 100),
    default=5,
    metavar="N",
    help="folds of the cross-validation",
)
@options.seed()
@options.as_json()
@options.strict()
def run(
    data: str,
    reading: dict[str, Any],
    labels: str | None,
    heads: list[str],
    extractors: list[str],
    extraction: dict[str, Any],
    folds: int,
    seed: int,
    json: bool,
    strict: bool,
) -> int:
    """Compare and print a table, the best first."""
    seconds = Stopwatch()
    from ..datasets import load_dataset
    from ..extraction import extract, extract_each, names_of
    from ..training.compare import compare
    from ..training.train import require_two_classes

    labels_file = read(labels)
    dataset = load_dataset(data, **reading)
    if labels_file is None:
        require_two_classes(dataset.labels, data)
    if extractors:
        tables = extract_each(dataset, extractors, **extraction)
        names = names_of(tables, extractors)
    else:
        tables, names = [extract(dataset, None, **extraction)], None
    # The images are the same in every table, and so is what the file changes.
    laid = [lay_over(table, labels_file, quiet=place > 0) for place, table in enumerate(tables)]
    tables = [
        table if changes is None else changes.table
        for table, changes in zip(tables, laid, strict=True)
    ]
    memory = extraction["memory"]
    found = compare(tables, heads, names=names, n_folds=folds, seed=seed, memory=memory)
    for warning in found.warnings:
        say(f"warning: {warning}")
    if json:
        left_out = {
            "rejected": found.rejected,
            "test": found.in_test,
            "fine-tuned": found.tuned_on,
        }
        seen = {"views": tables[0].n_views, "view_rule": tables[0].views.rule}
        answer = {**_answer(found), **seen, **answered(laid[0])}
        print_json({**answer, "seconds": seconds(), "left_out": left_out})
    else:
        _tell(found)
        if tables[0].n_views:
            tell(views_in_words(tables[0]))
        tell(f"{seconds():.1f} s in all")
    return report_rejections(tables[0].rejected, strict)


def _answer(found: Trials) -> dict[str, Any]:
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
    return {"images": found.images, "folds": found.folds, "candidates": candidates}


def _tell(found: Trials) -> None:
    tell(
        f"{_left_out(found)}{counted(found.images, 'image')} in {counted(found.folds, 'fold')}, "
        f"the same for all, best first"
    )
    width = max(9, *(len(trial.extractor) for trial in found.trials))
    tell(
        f"  {'extractor':<{width}}  {'head':<8}  accuracy  {'95 % interval':<18}  "
        f"{'against the best':<27}  per fit"
    )
    for trial in found.trials:
        standing = trial.standing
        low, high = standing.interval
        against = "the best"
        if standing.p_value is not None:
            against = "p < 0.001" if standing.p_value < 0.001 else f"p = {standing.p_value:.3f}"
            against += " (worse)" if standing.p_value < 0.05 else " (may be as good)"
        tell(
            f"  {trial.extractor:<{width}}  {trial.head:<8}  "
            f"{percent(standing.accuracy):>8}  {percent(low):>7} to {percent(high):>7}  "
            f"{against:<27}  {trial.fit_seconds:5.1f} s"
        )
    tell("p: McNemar's exact test on the same images, corrected for all pairs (Holm)")


def _left_out(found: Trials) -> str:
    """Of how many images, and why the others take no part."""
    reasons = [
        *([f"{found.in_test} in the test split"] if found.in_test else []),
        *([f"{found.tuned_on} that a network was fine-tuned on"] if found.tuned_on else []),
        *([f"{found.rejected} rejected"] if found.rejected else []),
    ]
    if not reasons:
        return ""
    n_out = found.in_test + found.tuned_on + found.rejected
    are = "is" if n_out == 1 else "are"
    return f"of {counted(found.images + n_out, 'image')}, {' and '.join(reasons)} {are} left out; "
