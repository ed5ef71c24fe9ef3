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
from ..classifier.metrics.calibration import N_BINS, reliability_bins
from ..classifier.metrics.evaluation import LEAST_IMAGES
from ..classifier.metrics.intervals import wilson_interval
from ..classifier.temperature import MIN_ROWS
from ..errors import UsageError, in_brief
from ..extraction.feature_table import require_table
from ..formatting import counted, with_interval
from ..training import evaluate_split
from ..training.evaluate import TrainedOn
from ..training.learning_curve import KIND, train_learning_curve
from ..untrusted.terminal import shown
from ..viz import (
    ReliabilityBins,
    draw_confusion_matrix,
    draw_learning_curve,
    draw_mistakes,
    draw_reliability,
)
from ..viz.curves import Forecast
from ..viz.report import Section, Table
from ..viz.report import write_report as write_page
from .evaluation_answer import describe_evaluation
from .output_paths import require_report_folder, writing
from .problem_tables import problem_sections, table_of_mistakes
from .thumbnails import thumbnail
from .training_curves import write_curves

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..classifier import Head
    from ..classifier.given_head import HeadLike
    from ..classifier.metrics.evaluation import Evaluation
    from ..extraction import FeatureTable
    from ..training.cross_validation import CrossValidated
    from ..training.evaluate import SplitEvaluation
    from ..training.learning_curve import LearningCurve

_MOST_MISTAKES = 20
_THUMBNAIL_PX = 200
_MORE_PER_CLASS = 20
_LEAST_OF_A_CLASS = 3
"""Images of a class, and others, from which its area under the curve is shown."""
_GROWTH_OF_FEW = (
    "That cannot be estimated from so few images: a learning curve needs 20 different images of "
    "each class."
)


def write_report(
    folder: str | os.PathLike[str], head: HeadLike, table: FeatureTable, split: str | None = None
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

    Returns
    -------
    list of Path
        What was written, the page first.

    Raises
    ------
    UsageError
        When the split is unknown, an argument is something else, the folder is a file, or one of
        the files would replace something that is not part of a report.
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
    evaluated = evaluate_split(head, table, split)
    answer = describe_evaluation(head, table, evaluated)
    source = os.path.commonpath([os.path.dirname(path) for path in table.paths])  # noqa: PTH120
    with writing(path):
        return write_evaluation(path, source, head, table, evaluated, answer)


def write_evaluation(
    folder: Path,
    source: str,
    head: Head,
    table: FeatureTable,
    evaluated: SplitEvaluation,
    answer: dict[str, Any],
) -> list[Path]:
    """Write the pictures, `evaluation.json` and `report.html` of an evaluation; return them.

    They appear in the folder, which is made, when all of them are written: a failure leaves it as
    it was. Paths are shown relative to `source`.
    """
    above = folder
    while not above.is_dir():
        above = above.parent
    with TemporaryDirectory(prefix=".bottlebank-report-", dir=above) as name:
        written = _write(Path(name), source, head, table, evaluated, answer)
        folder.mkdir(parents=True, exist_ok=True)
        return [path.replace(folder / path.name) for path in written]


def _write(
    folder: Path,
    source: str,
    head: Head,
    table: FeatureTable,
    evaluated: SplitEvaluation,
    answer: dict[str, Any],
) -> list[Path]:
    of_split, better = evaluated, evaluated.cross_validated
    mistakes = answer["mistakes"]
    if better is not None:
        evaluated = _cross_validated(evaluated, better)
        mistakes = answer["cross_validated"]["mistakes"]
    found = evaluated.evaluation
    title = f"{source}, {evaluated.name}"
    sections = [
        Section("Classes", _about_classes(found), table=_class_table(found)),
        _confusion(folder, title, found),
        _mistakes(folder, title, head, table, evaluated, table_of_mistakes(mistakes, source)),
        *problem_sections(answer, source),
        _reliability(folder, title, head, table, evaluated),
    ]
    if head.training.get("history"):
        sections.append(_training(folder, head))
    if better is not None:
        sections.append(Section("Would more images help?", _GROWTH_OF_FEW))
    elif (curve := train_learning_curve(head, table, evaluated)) is not None:
        sections.append(_growth(folder, head, curve, evaluated))
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
    return [page, numbers, *(part.picture for part in sections if part.picture is not None)]


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


def _about_classes(found: Evaluation) -> str:
    text = (
        f"Of {counted(found.images, 'image')}. Brackets hold 95 % intervals: with few images they "
        f"are wide, "
        f"and two classes whose intervals overlap may be equally good."
    )
    absent = [figures.label for figures in found.per_class if not figures.images]
    if absent:
        more = f" and {len(absent) - 5} more" if len(absent) > 5 else ""
        text += (
            f" There are no figures for {', '.join(map(repr, absent[:5]))}{more}, of which there "
            f"are no images here. Precision, recall and F1 above are {found.means_over}."
        )
    return text


def _class_table(found: Evaluation) -> Table:
    rows = []
    predicted = found.confusion_matrix.sum(axis=0)
    for figures, n_predicted in zip(found.per_class, predicted.tolist(), strict=True):
        missing = _missing(figures.images, n_predicted, found.images)
        cells = [
            missing.get(name) or _cell(getattr(figures, name), figures.intervals.get(name))
            for name in ("precision", "recall", "f1", "roc_auc")
        ]
        rows.append([figures.label, figures.images, *cells])
    return Table(["class", "images", "precision", "recall", "F1", "ROC AUC"], rows)


def _missing(n_images: int, n_predicted: int, n_all: int) -> dict[str, str]:
    """Why figures of a class are missing that there are too few images or predictions for."""
    found = {}
    if not n_predicted:
        found["precision"] = "never answered"
    if min(n_images, n_all - n_images) < _LEAST_OF_A_CLASS:
        found["roc_auc"] = "too few images"
    if not n_images:
        found.update(dict.fromkeys(("precision", "recall", "f1", "roc_auc"), "no images"))
    return found


def _cell(value: float | None, interval: Sequence[float] | None) -> str | None:
    """Short enough for four columns of a table."""
    if value is None or interval is None:
        return None
    low, high = interval
    return f"{100 * value:.0f} % [{100 * low:.0f}, {100 * high:.0f}]"


def _confusion(folder: Path, title: str, found: Evaluation) -> Section:
    picture = folder / "confusion-matrix.png"
    draw_confusion_matrix(found.confusion_matrix, found.classes, picture, title)
    matrix = found.confusion_matrix * (1 - np.eye(len(found.classes), dtype=int))
    text = "No class was confused with another."
    if matrix.any():
        row, column = np.unravel_index(matrix.argmax(), matrix.shape)
        text = (
            f"Most common confusion: {found.classes[row]} → {found.classes[column]}, "
            f"{matrix[row, column]} of {counted(int(found.confusion_matrix[row].sum()), 'image')}."
        )
    return Section("Confused classes", text, picture)


def _mistakes(
    folder: Path,
    title: str,
    head: Head,
    table: FeatureTable,
    evaluated: SplitEvaluation,
    listed: Table | None,
) -> Section:
    probabilities = evaluated.answer.probabilities
    predicted = np.array(head.classes)[probabilities.argmax(axis=1)]
    wrong = np.flatnonzero(predicted != table.labels[evaluated.rows])
    surest = wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")]
    thumbnails, captions = [], []
    for number in surest.tolist():
        row = int(evaluated.rows[number])
        pixels = thumbnail(table, row, _THUMBNAIL_PX)
        if pixels is None:
            continue
        thumbnails.append(pixels)
        share = float(probabilities[number].max())
        label, taken_for = str(table.labels[row]), str(predicted[number])
        captions.append((label, taken_for, share, shown(Path(table.paths[row]).name)))
        if len(thumbnails) == _MOST_MISTAKES:
            break
    picture = folder / "mistakes.png"
    draw_mistakes(thumbnails, captions, picture, f"{title}: the most confident mistakes")
    text = (
        "Look here first: an image with a wrong label, or one that shows two things, stands out "
        "as a confident mistake."
    )
    title = f"The most confident of {len(wrong)} mistakes" if len(wrong) > 1 else "Mistakes"
    return Section(title, text, picture, listed)


def _reliability(
    folder: Path, title: str, head: Head, table: FeatureTable, evaluated: SplitEvaluation
) -> Section:
    probabilities = evaluated.answer.probabilities
    right = np.array(head.classes)[probabilities.argmax(axis=1)] == table.labels[evaluated.rows]
    picture = folder / "reliability.png"
    bins = reliability_bins(probabilities.max(axis=1), right)
    low, high = wilson_interval(bins.n_right, bins.n_images)
    found = evaluated.evaluation
    error = found.calibration_error if found.images >= LEAST_IMAGES else None
    draw_reliability(ReliabilityBins(*bins[:4], low, high), N_BINS, error, picture, title)
    text = "How often the head is right at each predicted probability."
    if head.temperature != 1:
        text += (
            f" Its logits are divided by {head.temperature:.2f}, chosen on the validation split."
        )
    if evaluated.cross_validated is not None and head.temperature == 1:
        text += f" They are not calibrated: that takes {MIN_ROWS} validation images."
    if evaluated.name == "validation":
        text += " That is the split shown here, so that these figures are a little too good."
    return Section("Are the probabilities right?", text, picture)


def _training(folder: Path, head: Head) -> Section:
    picture = folder / "training-curves.png"
    history = head.training["history"]
    try:
        best = write_curves(head, picture, "training")
    except UsageError as error:  # the summary in a head file is any JSON
        reason = in_brief(error)
        return Section("Training", f"The curves in the head file cannot be drawn: {reason}.")
    text = (
        f"The loss on held-out images was lowest in epoch {best} of {len(history)}, which is kept."
    )
    return Section("Training", text, picture)


def _growth(folder: Path, head: Head, curve: LearningCurve, evaluated: SplitEvaluation) -> Section:
    picture = folder / "learning-curve.png"
    forecast = curve.forecast(_MORE_PER_CLASS)
    drawn = None
    if forecast.gain is not None and forecast.interval is not None:
        now, size = float(curve.accuracy[-1]), float(curve.sizes[-1])
        ends = [now + gain for gain in (forecast.gain, *forecast.interval)]
        drawn = Forecast(
            [size, size + _MORE_PER_CLASS], *([now, min(1.0, max(0.0, end))] for end in ends)
        )
    draw_learning_curve(
        curve.sizes, curve.right.mean(axis=2), picture, f"{KIND} heads, {evaluated.name}", drawn
    )
    text = f"{forecast.in_words()}."
    if head.kind != KIND:
        text += f" The curve is of {KIND} heads: {head.kind} heads take too long to train so often."
    return Section("Would more images help?", text, picture)
