"""One command from images to a head, its report, and a comparison with the baseline."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..classifier.metrics.comparison import compare
from ..classifier.metrics.precision_recall import precision_recall
from ..classifier.tags import tags
from ..datasets import load_dataset
from ..datasets.splits import TEST, VALIDATION
from ..errors import DatasetError
from ..export import export_head
from ..extraction import extract
from ..features.images.decoder import MAX_PIXELS
from ..features.images.decoding_shares import require_allowed
from ..formatting import counted
from ..reports import write_report
from ..reports.steps import Steps
from ..reports.training_curves import CURVES as TRAINING_CURVES
from ..reports.training_curves import write_curves
from ..training import save_head, train_head
from ..training.finetuning import finetune
from ..training.split import split_table
from ..training.train import require_two_classes
from ..viz.precision_recall import draw_precision_recall
from .baseline import train_baseline
from .folder import (
    CURVES_FILE,
    EXPORTED,
    FINETUNED,
    HEAD_FILE,
    REPORT,
    require_recipe_folder,
    write_summary,
)
from .known import BASELINE, MAX_EPOCHS
from .outcome import Answers, Deployed, Example, Outcome
from .plan import plan_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from ..datasets import Dataset
    from ..datasets.splits import Split
    from ..extraction.feature_table import FeatureTable
    from ..training.finetuning import Finetuned
    from ..training.head_settings import HeadSettings
    from ..training.trained import Trained
    from .known import KnownSystem
    from .plan import Plan

_SHOWN = 3


@dataclass
class _Run:
    """A recipe while it runs: what it was given, and what each step adds for the next."""

    name: str
    system: KnownSystem
    plan: Plan
    dataset: Dataset
    folder: Path
    settings: HeadSettings
    step: Steps
    table: FeatureTable
    split: Split
    evaluated: str
    """The split."""
    rows: np.ndarray
    """int, (n,): of the table, in that split."""
    answers: dict[str, Answers] = field(default_factory=dict)

    def keep(
        self, called: str, probabilities: np.ndarray, classes: Sequence[str] | np.ndarray
    ) -> None:
        """Keep what was answered for the rows."""
        labels = self.table.labels[self.rows]
        self.answers[called] = Answers(
            self.evaluated, self.rows, labels, probabilities, np.asarray(classes)
        )


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
    unfreeze: int | None = None,
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
        How many blocks of the network are fine-tuned, from the trained head on; None: as many as
        the system says.
    export
        The format in which the head is exported too: on the fine-tuned network where the validation
        split shows a gain, else on the frozen one. ``none`` for none; None: the system's.
    with_baseline
        Whether the baseline is trained as well.
    baseline_epochs
        At most so many.

    Raises
    ------
    UsageError
        When a setting that was chosen means nothing to the extractor, or a file of others would be
        replaced.
    DatasetError
        When there are fewer than two classes, or no images to evaluate on.
    """
    plan = plan_for(system, chosen, unfreeze, export)
    require_recipe_folder(
        folder,
        data,
        has_head=system.head is not None,
        finetunes=plan.unfreeze > 0,
        exports=plan.export is not None,
    )
    dataset = load_dataset(data, **reading)
    require_two_classes(dataset.labels, data)
    settings.require_outputs(dataset)
    step = Steps(say)
    with step("Extracting") as done:
        table = extract(dataset, **plan.extraction)
        done(f"extract: {_in_words(table)}", *_said_of(plan.left_out, table.report.extractor))
    split = split_table(table)
    run = _Run(
        name, system, plan, dataset, folder, settings, step, table, split, *_evaluated(split)
    )
    folder.mkdir(parents=True, exist_ok=True)
    deployed = report = epoch = tuned = None
    if system.head is not None:
        deployed, report = _train_and_report(run)
        _train_beside(run)
    if with_baseline or deployed is None:
        epoch = _run_baseline(run, baseline_epochs)
    if deployed is not None and plan.unfreeze:
        tuned = _finetune(run, deployed.head)
        deployed = _better(deployed, tuned)
    first = run.answers[name]
    with step("Drawing") as done:
        curves = _draw(first, name, folder / CURVES_FILE)
        done(f"precision and recall of each class → {curves}")
    outcome = Outcome(
        name=name,
        extractor=table.report.extractor,
        left_out=plan.left_out,
        split=run.evaluated,
        chose_epochs=run.evaluated == VALIDATION,
        evaluation=first.evaluation(),
        comparison=compare({called: each.right for called, each in run.answers.items()}),
        baseline_epoch=epoch,
        example=_example(table, first, has_tags=system.has_tags),
        head=None if system.head is None else folder / HEAD_FILE,
        report=report,
        curves=curves,
        finetuned=None if tuned is None else tuned.as_json(),
        deployed=deployed,
        exported=None,
    )
    write_summary(folder, outcome.as_dict())
    if deployed is not None and plan.export is not None:  # last: all else is there if it fails
        outcome = replace(outcome, exported=_export(run, deployed, plan.export))
        write_summary(folder, outcome.as_dict())
    return outcome


def _train_and_report(run: _Run) -> tuple[Deployed, Path]:
    """Train the head, and write its file and its report."""
    path = run.folder / HEAD_FILE
    with run.step("Training the head") as done:
        head = _train(run.table, run.settings).head
        save_head(head, path)
        run.keep(run.name, head.predict_proba(run.table.features[run.rows]), head.classes)
        done(f"train: a {head.kind} head, {head.layers.widths_in_words()} → {path}")
    with run.step("Writing the report") as done:
        report = write_report(run.folder / REPORT, head, run.table, run.evaluated)[0]
        done(f"report → {report}")
    return Deployed(path, head.version, None), report


def _train_beside(run: _Run) -> None:
    """Train the head on what is tried beside the recipe, if there is something."""
    if run.plan.beside is None:
        return
    called, extraction = run.plan.beside
    with run.step(f"Training beside it: {called}") as done:
        table = extract(run.dataset, **extraction)
        rival = _train(table, run.settings).head
        run.keep(called, rival.predict_proba(table.features[run.rows]), rival.classes)
        done(f"beside it: {called}")


def _run_baseline(run: _Run, most_epochs: int) -> int:
    """Train the baseline; its best epoch."""
    with run.step("Training the baseline") as done:
        found = train_baseline(
            run.table,
            run.split,
            run.rows,
            seed=run.settings.seed,
            max_epochs=most_epochs,
            max_pixels=run.plan.extraction.get("max_pixels") or MAX_PIXELS,
            allowed=require_allowed(
                run.plan.extraction.get("workers"), run.plan.extraction.get("memory")
            ),
            on_epoch=lambda number: run.step.note(f"epoch {number}"),
        )
        run.keep(BASELINE, found.probabilities, found.classes)
        done(f"baseline: three convolutions on pixels, best in epoch {found.best_epoch}")
    return found.best_epoch


def _finetune(run: _Run, head: Path) -> Finetuned:
    """Fine-tune the last blocks of the network, and draw how that went."""
    blocks, folder = run.plan.unfreeze, run.folder / FINETUNED
    with run.step(f"Fine-tuning {counted(blocks, 'block')}") as done:
        tuned = finetune(
            run.dataset,
            head,
            folder,
            unfreeze=blocks,
            seed=run.settings.seed,
            cache=run.plan.extraction.get("cache"),
        )
        title = f"fine-tuning {', '.join(tuned.blocks)}"
        write_curves(tuned.head, folder / TRAINING_CURVES, title)
        probabilities = tuned.head.predict_proba(tuned.table.features[run.rows])
        run.keep("fine-tuned", probabilities, tuned.head.classes)
        done(f"fine-tuned: {tuned.verdict()} → {folder}")
    return tuned


def _better(frozen: Deployed, tuned: Finetuned) -> Deployed:
    """The fine-tuned head where the validation split shows a gain, which test has no part in."""
    found = tuned.paired[VALIDATION]
    if found is not None and found.is_gain:
        return Deployed(tuned.head_file, tuned.head.version, tuned.extractor, found)
    return replace(frozen, validation=found)


def _export(run: _Run, deployed: Deployed, format: str) -> dict[str, Any]:
    """Export the head that is deployed."""
    with run.step(f"Exporting to {format}") as done:
        made = export_head(
            deployed.head,
            run.folder / EXPORTED,
            format,
            data=run.dataset,
            weights=deployed.weights,
            cache=run.plan.extraction.get("cache"),
        )
        which = "fine-tuned" if deployed.is_finetuned else "frozen"
        done(
            f"export: the head on the {which} network, version {deployed.version}, as {format} → "
            f"{run.folder / EXPORTED}",
            made.agreement.in_words(),
        )
    about = {"version": deployed.version, "fine_tuned": deployed.is_finetuned}
    return {**made.as_dict(), **about}


def _said_of(left_out: list[str], extractor: str) -> list[str]:
    if not left_out:
        return []
    one = len(left_out) == 1
    mean, are = ("means", "is") if one else ("mean", "are")
    names = " and ".join(f"--{name.replace('_', '-')}" for name in left_out)
    return [f"{names} {mean} nothing to {extractor}, and {are} left out"]


def _in_words(table: FeatureTable) -> str:
    report = table.report
    return (
        f"{counted(report.images, 'image')}, {report.cached} cached, {report.extracted} extracted "
        f"({report.extractor}, {table.recipe.input_size_px} px, {report.precision}, "
        f"{report.width} numbers per image)"
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
    for name in (TEST, VALIDATION):
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
