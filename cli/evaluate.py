"""`bottlebank evaluate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..formatting import counted
from ..interpret.attribution.methods import METHODS
from ..progress import Progress
from ..replaceable import writing
from ..reports.output_paths import require_report_folder
from .command import command, option
from .output import (
    percent,
    print_json,
    report_rejections,
    say,
    tell,
    tell_cross_validated,
    with_interval,
)
from .parameters import choices, options
from .parameters.labels import answered, labels_option, lay_over, read
from .parameters.types import FOLDER, Choice
from .parameters.views import views

if TYPE_CHECKING:
    from ..classifier import Head
    from ..training.evaluate import SplitEvaluation, TrainedOn


@command(example="bottlebank evaluate photos/ --head head.h5 --report report/")
@options.data()
@labels_option()
@options.weights_column()
@options.head(required=True)
@options.loading()
@options.max_pixels()
@options.resources(trains=True)
@views(
    "variations of each image over which its probabilities are averaged, with its own; the cache "
    "keeps them",
    part_of="seen",
    default=None,
    default_in_words="that of the head's training views, else mixed",
)
@option(
    "--split",
    type=Choice(choices.SPLITS),
    default_in_words="test, or validation where test has no images",
    help="which split",
)
@option(
    "--report",
    type=FOLDER,
    metavar="DIR",
    help="write an illustrated page, report.html, into this folder, and each of its pictures as a "
    "PNG file",
)
@option(
    "--saliency",
    type=Choice(METHODS),
    help="in the report, over the 20 most confident mistakes: what speaks for the class that they "
    "were taken for, as `bottlebank look saliency --method` shows it, and by gradcam for that of "
    "their label; occlusion works with every engine, the others with TensorFlow",
)
@options.as_json()
@options.strict()
def run(
    data: str,
    reading: dict[str, Any],
    labels: str | None,
    head: str,
    loading: dict[str, Any],
    max_pixels: int,
    workers: int | None,
    memory: int | None,
    seen: dict[str, Any],
    split: str | None,
    report: str | None,
    saliency: str | None,
    json: bool,
    strict: bool,
) -> int:
    """Evaluate the head and report the figures."""
    if saliency is not None and report is None:
        raise UsageError(
            f"--saliency {saliency} is of the report: add --report DIR, or leave it out"
        )
    folder = None if report is None else require_report_folder(report, data)
    from ..datasets import load_dataset
    from ..datasets.unlabelled import require_labels
    from ..reports.evaluation_answer import describe_evaluation
    from ..training import evaluate_split, extract_for_head
    from ..training.within_memory import within_memory

    labels_file = read(labels)
    dataset = load_dataset(data, **reading)
    if labels_file is None:
        require_labels(dataset.labels, data)
    explainer = None
    if saliency is not None:
        from ..reports.mistake_maps import open_for_mistakes

        # Before anything is extracted: a network without gradients would be seen too late.
        explainer = open_for_mistakes(head, saliency, **loading)
    extracted, loaded = extract_for_head(
        dataset, head, max_pixels=max_pixels, workers=workers, memory=memory, **loading, **seen
    )
    with within_memory(extracted, memory) as table:
        changes = lay_over(table, labels_file)
        if changes is not None:
            table = changes.table
        evaluated = evaluate_split(loaded, table, split, views=table.n_views > 0)
        answer = describe_evaluation(loaded, table, evaluated)
        _warn(loaded, evaluated)
        written = []
        if folder is not None:
            from ..reports.evaluation_report import write_evaluation

            with Progress("Writing the report"), writing(folder):
                written = write_evaluation(
                    folder, data, loaded, table, evaluated, answer, explainer
                )
    if json:
        print_json({**answer, **answered(changes)})
    else:
        _tell(loaded, evaluated, answer)
        for path in written[:1]:
            tell(f"wrote {path} and the pictures in it")
    return report_rejections(table.rejected, strict)


def _warning(evaluated: SplitEvaluation) -> str:
    from ..training.evaluate import SEEN_IS_UNKNOWN

    seen = evaluated.trained_on
    return SEEN_IS_UNKNOWN if seen is None else seen.in_words(evaluated.evaluation.images)


def _warn(head: Head, evaluated: SplitEvaluation) -> None:
    from .problems import warn_of_unknown

    remarks = evaluated.split.warnings if evaluated.split.has_contradictions else []
    for warning in filter(None, (_warning(evaluated), *remarks)):
        say(f"warning: {warning}")
    warn_of_unknown(evaluated.evaluation.classes, head.classes)


def _tell(head: Head, evaluated: SplitEvaluation, answer: dict[str, Any]) -> None:
    from ..training.without_views import in_words
    from .problems import MOST_PRINTED, print_problems

    found, seen, better = evaluated.evaluation, evaluated.trained_on, evaluated.cross_validated
    if better is not None:
        tell_cross_validated(better)
    accuracy = with_interval(found.accuracy, found.intervals["accuracy"])
    tell(
        f"{evaluated.name}: {found.images_in_words}{':' if found.caution else ','} accuracy "
        f"{accuracy}, precision {percent(found.precision_macro)}, recall "
        f"{percent(found.recall_macro)}, F1 {percent(found.f1_macro)} ({found.means_over}); "
        f"{_about_unknown(head, answer['unknown'])}"
    )
    if evaluated.without_views is not None:
        tell(f"  {in_words(evaluated.without_views)}")
    if seen is not None and _warning(evaluated):
        tell(f"  {_without(seen)}")
    mistakes = answer["mistakes"] if better is None else answer["cross_validated"]["mistakes"]
    if better is not None and mistakes:
        tell("mistakes of the cross-validation:")
    for mistake in mistakes[:MOST_PRINTED]:
        tell(
            f"  {mistake['path']} is {mistake['label']}, taken for "
            f"{mistake['predicted']} ({percent(mistake['probability'])})"
        )
    if len(mistakes) > MOST_PRINTED:
        tell(f"  and {counted(len(mistakes) - MOST_PRINTED, 'more mistake')}: --json lists them")
    print_problems(answer["near_duplicates"], answer["contradictions"])


def _without(seen: TrainedOn) -> str:
    """The figures without the images that the head has seen."""
    left = seen.without
    if left is None:
        return "no image is left without them: evaluate on images that it was not trained on"
    accuracy = with_interval(left.accuracy, left.intervals["accuracy"])
    others = f"the {left.images:,} {'other' if left.images == 1 else 'others'}"
    return f"on {', '.join(filter(None, (others, left.caution)))}: accuracy {accuracy}"


def _about_unknown(head: Head, n_unknown: int) -> str:
    if head.unknown is None:
        return "it had too few validation images to call any unknown"
    return f"{n_unknown} called unknown"
