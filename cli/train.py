"""`bottlebank train`."""

from __future__ import annotations

import shlex
from functools import partial
from typing import TYPE_CHECKING, Any

from ..formatting import counted
from ..replaceable import writing_file
from ..reports.output_paths import HEAD, require_output
from .command import command
from .output import (
    Stopwatch,
    invocation,
    percent,
    print_json,
    report_rejections,
    say,
    tell,
    tell_cross_validated,
    with_interval,
)
from .parameters import options
from .parameters.labels import labels_option, lay_over, read
from .parameters.views import views, views_in_words

if TYPE_CHECKING:
    from pathlib import Path

    from ..classifier import Head
    from ..classifier.metrics.evaluation import Evaluation
    from ..extraction import FeatureTable
    from ..training.cross_validation import CrossValidated
    from ..training.trained import NearDuplicates, Trained

_LEFT_TO_EVALUATE = ("classes", "confusion_matrix", "per_class")


@command(example="bottlebank train photos/ --extractor efficientnet_lite0 --output head.h5")
@options.data()
@labels_option()
@options.weights_column()
@options.output(required=True, metavar="HEAD.h5", help="the head file")
@options.head_to_train()
@options.extraction(trains=True)
@views("variations of each training image to train on beside it; the cache keeps them")
@options.seed()
@options.as_json()
@options.strict()
def run(
    data: str,
    reading: dict[str, Any],
    labels: str | None,
    extraction: dict[str, Any],
    output: str,
    head: str,
    network: dict[str, Any],
    class_weight: str,
    coverage: float,
    seed: int,
    json: bool,
    strict: bool,
) -> int:
    """Train, write the head and report how good it is."""
    seconds = Stopwatch()
    path = require_output(output, HEAD, [data, extraction["weights"]])
    from ..datasets import load_dataset
    from ..extraction import extract
    from ..training import save_head, train_head
    from ..training.dataset_problems import contradictions, describe, near_pairs
    from ..training.head_settings import HeadSettings
    from ..training.label_changes import effect_of, in_words
    from ..training.train import require_two_classes
    from ..training.within_memory import within_memory
    from .problems import print_problems

    weight = None if class_weight == "none" else class_weight
    network = options.network_of(network)
    settings = HeadSettings(head, weight, coverage, seed, network)
    labels_file = read(labels)
    dataset = load_dataset(data, **reading)
    if labels_file is None:
        settings.require_outputs(dataset)  # before anything is extracted
        require_two_classes(dataset.labels, data)
    with within_memory(extract(dataset, **extraction), extraction["memory"]) as table:
        changes = lay_over(table, labels_file)
        if changes is not None:
            table = changes.table
            require_two_classes(table.labels, f"{data} with {labels}")
        train = partial(
            train_head, kind=head, **network, class_weight=weight, coverage=coverage, seed=seed
        )
        trained = train(table)
        effect = None if changes is None else effect_of(changes, trained, train)
        near = describe(near_pairs(trained.split), table, trained.split)
        contradicting = describe(contradictions(table, trained.split), table, trained.split)
    with writing_file(path):
        save_head(trained, path)

    for warning in trained.split.warnings:
        say(f"warning: {warning}")
    if json:
        answer = _answer(
            trained, table, path, near=near, contradictions=contradicting, seconds=seconds()
        )
        if changes is not None:
            compared = None if effect is None else effect.as_dict()
            answer["labels"] = {**changes.as_dict(), "validation": compared}
        print_json(answer)
    else:
        _tell(trained, table)
        if effect is not None:
            tell(f"  {in_words(effect)}")
        print_problems(near, contradicting)
        tell(f"  {_about_confidence(trained.head)}")
        tell(f"wrote {path} (version {trained.head.version}), {seconds():.1f} s in all")
        next_command = [*invocation(), "predict", "IMAGE", "--head", str(path)]
        tell(f"next: {shlex.join(next_command)}")
    return report_rejections(table.rejected, strict) or int(
        strict and trained.split.has_contradictions
    )


def _answer(
    trained: Trained,
    table: FeatureTable,
    path: Path,
    *,
    near: list[dict[str, Any]],
    contradictions: list[dict[str, Any]],
    seconds: float,
) -> dict[str, Any]:
    better = trained.cross_validated
    cross_validated = None if better is None else _summary(better)
    return {
        **({} if better is None else {"cross_validated": cross_validated}),
        "head": str(path),
        "classes": list(trained.head.classes),
        **{
            split: None if found is None else _summary(found)
            for split, found in trained.evaluations.items()
        },
        "seconds": seconds,
        "kind": trained.head.kind,
        "version": trained.head.version,
        "extractor": table.report.extractor,
        "precision": table.report.precision,
        "views": table.n_views,
        "view_rule": table.views.rule,
        "temperature": trained.head.temperature,
        "near_duplicates": {
            split: {**found._asdict(), "pairs": [pair for pair in near if pair["split"] == split]}
            for split, found in trained.near_duplicates.items()
        },
        "contradictions": contradictions,
        "rejections": [{"path": name, "reason": reason} for name, reason in table.rejected],
        "cross_validated": cross_validated,
    }


def _tell(trained: Trained, table: FeatureTable) -> None:
    if trained.cross_validated is not None:
        tell_cross_validated(trained.cross_validated)
    how = "as declared" if trained.split.declared else "by content, 70:15:15"
    tell(
        f"{trained.head.kind} head of {counted(len(trained.head.classes), 'class', 'classes')} on "
        f"{table.report.extractor} ({table.report.width} numbers per image); split {how}"
    )
    if table.n_views:
        tell(f"  {views_in_words(table)}")
    for split, found in trained.evaluations.items():
        tell(f"  {split:<10} {_figures(found)}")
    for split, found in trained.near_duplicates.items():
        tell(f"  {_in_words(split, found, trained.split.declared)}")


def _figures(found: Evaluation | None) -> str:
    if found is None:
        return "no images"
    noun = "image" if found.images == 1 else "images"
    start = f"{noun}, {found.caution}:" if found.caution else f"{noun},".ljust(7)
    accuracy = with_interval(found.accuracy, found.intervals["accuracy"])
    return f"{found.images:5d} {start} accuracy {accuracy}, F1 {percent(found.f1_macro)}"


def _about_confidence(head: Head) -> str:
    if head.unknown is None:
        return "too few validation images to set a threshold for unknown: every image is answered"
    return (
        f"images that resemble none of the classes, or several, are called unknown; the threshold "
        f"is set so that about {percent(head.unknown.coverage)} of images of the known classes are "
        f"answered"
    )


def _in_words(split: str, found: NearDuplicates, declared: bool) -> str:
    with_them = f"{percent(found.accuracy_with)} with them"
    without = "no image is left without them"
    if found.accuracy_without is not None:
        without = f"{percent(found.accuracy_without)} without"
    fate = "evaluated, since the split is declared" if declared else "left out"
    show = "show" if found.images > 1 else "shows"
    are = "are" if found.images > 1 else "is"
    return (
        f"{counted(found.images, 'image')} of {split} {show} nearly the same as one of another "
        f"split and {are} {fate}: accuracy {with_them}, {without}"
    )


def _summary(found: Evaluation | CrossValidated) -> dict[str, Any]:
    figures = found.as_dict()
    return {name: value for name, value in figures.items() if name not in _LEFT_TO_EVALUATE}
