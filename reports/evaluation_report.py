"""The report of an evaluation: pictures, and one page with all of them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import require_path
from ..atomic_file import write_bytes
from ..classifier.given_head import as_head
from ..classifier.head import HeadAnswer
from ..extraction.feature_table import require_table
from ..formatting import counted, with_interval
from ..replaceable import writing
from ..training import evaluate_split
from ..training.evaluate import TrainedOn
from ..training.learning_curve import train_learning_curve
from ..viz.report import Section
from ..viz.report import write_report as write_page
from .evaluation_answer import describe_evaluation
from .evaluation_sections import (
    class_section,
    confusion_section,
    growth_section,
    reliability_section,
    training_section,
)
from .mistake_section import mistake_section
from .output_paths import require_report_folder
from .problem_tables import problem_sections

if TYPE_CHECKING:
    from ..classifier import Head
    from ..classifier.given_head import HeadLike
    from ..extraction import FeatureTable
    from ..interpret.attribution import Explainer
    from ..training.cross_validation import CrossValidated
    from ..training.evaluate import SplitEvaluation

_GROWTH_OF_FEW = (
    "That cannot be estimated from so few images: a learning curve needs 20 different images of "
    "each class."
)


def write_report(
    folder: str | os.PathLike[str],
    head: HeadLike,
    table: FeatureTable,
    split: str | None = None,
    *,
    saliency: str | None = None,
) -> list[Path]:
    """Evaluate a head and write an illustrated HTML report.

    Parameters
    ----------
    folder
        Where `report.html`, its pictures and `evaluation.json` are written; created if missing.
        An earlier report there is replaced; files of these names that are none are not.
    head
        From `train_head` or `load_head`; or the path of a head file.
    table
        From `extract`, of the head's extractor.
    split
        ``train``, ``validation``, ``test`` or ``all``; None takes test, or validation where test
        has no images.
    saliency
        ``gradcam``, ``integrated-gradients`` or ``occlusion``, as in `interpret.saliency`: over the
        20 most confident mistakes, what speaks for the class that they were taken for. Grad-CAM
        takes seconds and shows that of their label too; the others take minutes. None: no maps.

    Returns
    -------
    list of Path
        What was written, the page first.

    Raises
    ------
    UsageError
        When the split is unknown, an argument is something else, the folder is a file, or one of
        the files would replace something that is not part of a report; or the network has no
        gradients, or no layers, for `saliency`.
    HeadFileError
        When the head cannot be loaded.
    HeadMismatchError
        When the table has another recipe than the head.
    DatasetError
        When the split has no images.
    BottlebankError
        When the report cannot be written.

    Examples
    --------
    >>> table = bb.extract("photos/")  # doctest: +SKIP
    >>> bb.write_report("report/", bb.train_head(table), table)  # doctest: +SKIP
    """
    path = require_path(folder, "the path of a folder", "bb.write_report('report/', head, table)")
    head = as_head(head)
    require_table(table, "bb.write_report('report/', head, {})")
    require_report_folder(path)
    explainer = None
    if saliency is not None:
        from .mistake_maps import open_for_mistakes

        explainer = open_for_mistakes(head, saliency, cache=table.report.cache)
    evaluated = evaluate_split(head, table, split)
    answer = describe_evaluation(head, table, evaluated)
    source = os.path.commonpath([os.path.dirname(path) for path in table.paths])  # noqa: PTH120
    with writing(path):
        return write_evaluation(path, source, head, table, evaluated, answer, explainer)


def write_evaluation(
    folder: Path,
    source: str,
    head: Head,
    table: FeatureTable,
    evaluated: SplitEvaluation,
    answer: dict[str, Any],
    explainer: Explainer | None = None,
) -> list[Path]:
    """Write the pictures, `evaluation.json` and `report.html` of an evaluation; return them.

    They appear in the folder, which is made, when all of them are written: a failure leaves it as
    it was. Paths are shown relative to `source`. With an explainer, the page shows what speaks for
    the most confident mistakes.
    """
    above = folder
    while not above.is_dir():
        above = above.parent
    with TemporaryDirectory(prefix=".bottlebank-report-", dir=above) as name:
        written = _write(Path(name), source, head, table, evaluated, answer, explainer)
        folder.mkdir(parents=True, exist_ok=True)
        return [path.replace(folder / path.name) for path in written]


def _write(
    folder: Path,
    source: str,
    head: Head,
    table: FeatureTable,
    evaluated: SplitEvaluation,
    answer: dict[str, Any],
    explainer: Explainer | None,
) -> list[Path]:
    of_split, better = evaluated, evaluated.cross_validated
    if better is not None:
        evaluated = _cross_validated(evaluated, better)
    found = evaluated.evaluation
    title = f"{Path(source).name or source}, {evaluated.name}"
    sections = [
        class_section(found),
        confusion_section(folder, title, found),
        mistake_section(folder, title, source, head, table, evaluated, explainer),
        *problem_sections(answer, source),
        reliability_section(folder, title, head, table, evaluated),
    ]
    if head.training.get("history"):
        sections.append(training_section(folder, head))
    if better is not None:
        sections.append(Section("Would more images help?", _GROWTH_OF_FEW))
    elif (curve := train_learning_curve(head, table, evaluated)) is not None:
        sections.append(growth_section(folder, head, curve, evaluated))
    figures = [
        (name, found.in_words(key))
        for name, key in (
            ("accuracy", "accuracy"),
            ("F1, mean over classes", "f1_macro"),
            ("ROC AUC, mean over classes", "roc_auc_macro"),
            ("calibration error", "calibration_error"),
        )
    ]
    facts = [
        *figures,
        ("images", f"{found.images} ({evaluated.name})"),
        ("trained on", _about_training(evaluated)),
        ("called unknown", _about_unknown(head, of_split)),
        (
            "head",
            ", ".join(filter(None, (head.kind, f"version {head.version}", head.created[:10]))),
        ),
        ("extractor", table.recipe.in_words()),
    ]
    lead = f"Figures of {found.images_in_words}." if found.caution else ""
    if better is not None:
        lead = f"{better.in_words()}. Figures {better.about_heads()}."
    heading = f"How good is the head? {title}"
    page = write_page(folder, heading, facts, sections, lead[:1].upper() + lead[1:])
    numbers = folder / "evaluation.json"
    write_bytes(numbers, (json.dumps(answer) + "\n").encode())
    return [page, numbers, *sorted(folder.glob("*.png"))]


def _cross_validated(evaluated: SplitEvaluation, better: CrossValidated) -> SplitEvaluation:
    """The figures of cross-validation in the place of those of one split."""
    n_images = len(better.rows)
    return evaluated._replace(
        name="cross-validated",
        rows=better.rows,
        answer=HeadAnswer(better.probabilities, np.zeros(n_images, bool)),
        evaluation=better.evaluation,
        trained_on=TrainedOn(0, 0, better.evaluation),
    )


def _about_unknown(head: Head, evaluated: SplitEvaluation) -> str:
    if head.unknown is None:
        return "never: there were too few validation images"
    return f"{evaluated.answer.unknown.sum()} of {evaluated.evaluation.images} ({evaluated.name})"


def _about_training(evaluated: SplitEvaluation) -> str:
    if evaluated.cross_validated is not None:
        return "none of the images that a head is evaluated on"
    seen, n_images = evaluated.trained_on, evaluated.evaluation.images
    if seen is None:
        return "unknown: this cache does not hold the list of its training images"
    if not seen.images + seen.near_duplicates:
        return f"none of {'these ' if n_images > 1 else ''}{counted(n_images, 'image')}"
    left = seen.without
    rest = "none is left without them"
    if left is not None:
        accuracy = with_interval(left.accuracy, left.intervals["accuracy"])
        rest = f"accuracy without them {accuracy}"
        if left.caution:
            rest += f", of {left.images_in_words}"
    near = f" and {counted(seen.near_duplicates, 'near-duplicate')}" if seen.near_duplicates else ""
    these = f"{'these ' if n_images > 1 else ''}{counted(n_images, 'image')}"
    return f"{seen.images} of {these}{near}: the figures are too good; {rest}"
