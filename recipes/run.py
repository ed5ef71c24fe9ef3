"""One command from images to a head, its report, and a comparison with the baseline."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..atomic_file import write_bytes
from ..classifier.metrics.comparison import compare
from ..classifier.metrics.precision_recall import precision_recall
from ..classifier.tags import tags
from ..datasets import load_dataset
from ..errors import DatasetError
from ..export import export_head
from ..export.registry import find_exporter
from ..extraction import extract
from ..extraction.several_extractors import meaningless_setting
from ..formatting import counted
from ..reports import write_report
from ..reports.steps import Steps
from ..reports.training_curves import CURVES as TRAINING_CURVES
from ..reports.training_curves import write_curves
from ..training import save_head, train_head
from ..training.finetuning import finetune
from ..training.head_settings import HeadSettings
from ..training.split import split_table
from ..training.train import require_two_classes
from ..viz.precision_recall import draw_precision_recall
from .baseline import MAX_EPOCHS, train_baseline
from .known import BASELINE, KnownSystem
from .outcome import Answers, Example, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from ..datasets import Dataset
    from ..datasets.splits import Split
    from ..extraction.feature_table import FeatureTable
    from ..training.finetuning import Finetuned
    from ..training.trained import Trained

HEAD, REPORT, CURVES, SUMMARY = "head.h5", "report", "precision-recall.png", "summary.json"
FINETUNED, EXPORTED = "finetuned", "exported"
_SHOWN = 3


def run_system(
    name: str,
    system: KnownSystem,
    data: str,
    folder: Path,
    say: Callable[[str], None],
    *,
    reading: Mapping[str, Any],
    chosen: Mapping[str, Any],
    settings: HeadSettings,
    unfreeze: int = 0,
    export: str | None = None,
    with_baseline: bool = True,
    baseline_epochs: int = MAX_EPOCHS,
) -> Outcome:
    """Extract, train, report, and compare with the baseline, all in one folder.

    Parameters
    ----------
    name, system
        A line of the table of known systems.
    data, reading
        As in `load_dataset`.
    folder
        Where everything is written.
    say
        Called with what was done, after each step.
    chosen
        Keywords of `extract` that go before those of the system.
    settings
        Of the head.
    unfreeze
        How many blocks of the network are fine-tuned, from the trained head on.
    export
        The format in which the head, fine-tuned where that has not made it worse, is exported too;
        None for none.
    with_baseline
        Whether the baseline is trained as well.
    baseline_epochs
        At most so many.

    Raises
    ------
    UsageError
        When a setting that was chosen means nothing to the extractor.
    DatasetError
        When there are fewer than two classes, or no images to evaluate on.
    """
    step = Steps(say)
    if export is not None:
        find_exporter(export).require_installed(quantize=False)
    dataset = load_dataset(data, **reading)
    require_two_classes(dataset.labels, data)
    extraction = {**system.extraction, **chosen}
    left_out = _leave_out(extraction, chosen)
    with step("Extracting") as done:
        table = extract(dataset, **extraction)
        done(f"extract: {_in_words(table)}", *_said_of(left_out, table.report.extractor))

    split = split_table(table)
    rows = _evaluated(split)
    answers: dict[str, Answers] = {}

    def keep(called: str, probabilities: np.ndarray, classes: Sequence[str] | np.ndarray) -> None:
        labels = table.labels[rows[1]]
        answers[called] = Answers(*rows, labels, probabilities, np.asarray(classes))

    head = report = None
    if system.head is not None:
        with step("Training the head") as done:
            trained = _train(table, settings).head
            head = folder / HEAD
            head.parent.mkdir(parents=True, exist_ok=True)
            save_head(trained, head)
            keep(name, trained.predict_proba(table.features[rows[1]]), trained.classes)
            done(f"train: a {trained.kind} head, {trained.layers!r:.80} → {head}")
        with step("Writing the report") as done:
            report = write_report(folder / REPORT, trained, table, rows[0])[0]
            done(f"report → {report}")
    if system.head is not None and system.beside is not None:
        called, others = system.beside
        other = {**extraction, **others}
        if other != extraction and not set(others) & {*left_out, *chosen}:
            with step(f"Training beside it: {called}") as done:
                beside = extract(dataset, **other)
                rival = _train(beside, settings).head
                keep(called, rival.predict_proba(beside.features[rows[1]]), rival.classes)
                done(f"beside it: {called}")
    epoch = None
    if with_baseline or system.head is None:
        with step("Training the baseline") as done:
            base = train_baseline(
                table,
                split,
                rows[1],
                seed=settings.seed,
                max_epochs=baseline_epochs,
                on_epoch=lambda number: step.note(f"epoch {number}"),
            )
            keep(BASELINE, base.probabilities, base.classes)
            epoch = base.best_epoch
            done(f"baseline: three convolutions on pixels, best in epoch {epoch}")

    deployed, tuned = (head, None), None
    if head is not None and unfreeze:
        with step(f"Fine-tuning {counted(unfreeze, 'block')}") as done:
            tuned = _finetune(dataset, head, folder / FINETUNED, unfreeze, settings, extraction)
            features = tuned.table.features[rows[1]]
            keep("fine-tuned", tuned.head.predict_proba(features), tuned.head.classes)
            paired = tuned.paired[rows[0]]
            if paired is None or not paired.is_loss:
                deployed = tuned.head_file, tuned.extractor
            done(f"fine-tuned: {tuned.verdict()} → {folder / FINETUNED}")
    first = answers[name]
    with step("Drawing") as done:
        curves = _draw(first, name, folder / CURVES)
        done(f"precision and recall of each class → {curves}")
    outcome = Outcome(
        name=name,
        extractor=table.report.extractor,
        left_out=left_out,
        split=rows[0],
        evaluation=first.evaluation(),
        comparison=compare({called: each.right for called, each in answers.items()}),
        baseline_epoch=epoch,
        example=_example(table, first, has_tags=system.has_tags),
        head=head,
        report=report,
        curves=curves,
        finetuned=None if tuned is None else tuned.as_json(),
        exported=None,
    )
    _write_summary(outcome, folder)
    if deployed[0] is not None and export is not None:  # last: all else is there if it fails
        with step(f"Exporting to {export}") as done:
            made = export_head(
                deployed[0],
                folder / EXPORTED,
                export,
                data=dataset,
                weights=deployed[1],
                cache=extraction.get("cache"),
            )
            done(f"export: {export} → {folder / EXPORTED}", made.agreement.in_words())
        outcome = replace(outcome, exported=made.as_dict())
        _write_summary(outcome, folder)
    return outcome


def _write_summary(outcome: Outcome, folder: Path) -> None:
    text = json.dumps(outcome.as_dict(), indent=2, ensure_ascii=False) + "\n"
    write_bytes(folder / SUMMARY, text.encode("utf-8", "surrogateescape"))


def _finetune(
    dataset: Dataset,
    head: Path,
    folder: Path,
    unfreeze: int,
    settings: HeadSettings,
    extraction: Mapping[str, Any],
) -> Finetuned:
    tuned = finetune(
        dataset,
        head,
        folder,
        unfreeze=unfreeze,
        seed=settings.seed,
        cache=extraction.get("cache"),
    )
    title = f"fine-tuning {', '.join(tuned.blocks)}"
    write_curves(tuned.head, folder / TRAINING_CURVES, title)
    return tuned


def _leave_out(extraction: dict[str, Any], chosen: Mapping[str, Any]) -> list[str]:
    """Take out what means nothing to the extractor; raises for what was chosen."""
    left_out = []
    given = {key: value for key, value in extraction.items() if key != "extractor"}
    while (error := meaningless_setting(extraction["extractor"], given)) is not None:
        if error.setting in chosen:
            raise error
        del given[error.setting], extraction[error.setting]
        left_out.append(error.setting)
    return left_out


def _said_of(left_out: list[str], extractor: str) -> list[str]:
    if not left_out:
        return []
    mean = "means" if len(left_out) == 1 else "mean"
    return [f"{' and '.join(left_out)} {mean} nothing to {extractor}, and is left out"]


def _in_words(table: FeatureTable) -> str:
    report = table.report
    return (
        f"{counted(report.images, 'image')}, {report.cached} cached, {report.extracted} extracted "
        f"({report.extractor}, {table.recipe.input_size_px} px, {report.width} numbers per image)"
    )


def _train(table: FeatureTable, settings: HeadSettings) -> Trained:
    return train_head(
        table,
        settings.kind,
        class_weight=settings.class_weight,
        coverage=settings.coverage,
        seed=settings.seed,
        **settings.network,
    )


def _evaluated(split: Split) -> tuple[str, np.ndarray]:
    """The test split, or validation where that is empty."""
    for name in ("test", "validation"):
        rows = split.rows(name)
        if len(rows):
            return name, rows
    raise DatasetError("there are no test and no validation images to compare on: add images")


def _draw(answers: Answers, name: str, output: Path) -> Path:
    curves = []
    for column, label in enumerate(answers.classes.tolist()):
        found = precision_recall(label, answers.probabilities[:, column], answers.labels == label)
        if found is not None:
            curves.append((found.label, found.recall, found.precision))
    output.parent.mkdir(parents=True, exist_ok=True)
    draw_precision_recall(curves, output, f"{name}, {answers.split}")
    return output


def _example(table: FeatureTable, answers: Answers, *, has_tags: bool) -> Example:
    order = answers.probabilities[0].argsort()[::-1]
    ranked = [(str(answers.classes[at]), float(answers.probabilities[0][at])) for at in order]
    return Example(
        str(table.paths[int(answers.rows[0])]),
        str(answers.labels[0]),
        ranked[:_SHOWN],
        tags(ranked) if has_tags else [],
    )
