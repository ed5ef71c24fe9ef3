"""The report of `bottlebank evaluate --report`: pictures, and one page with all of them."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from ..atomic import write_bytes
from ..classifier.learning_curve import learning_curve
from ..classifier.splits import TRAIN
from ..errors import ImageRejectedError
from ..features.images import decode, read
from ..untrusted.terminal import shown
from ..viz import (
    draw_confusion_matrix,
    draw_learning_curve,
    draw_mistakes,
    draw_reliability,
    draw_training_curves,
)
from ..viz.curves import Forecast
from ..viz.report import Section, Table
from ..viz.report import write_report as write_page
from .answers import with_interval
from .problems import problem_sections, table_of_mistakes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..classifier import Head
    from ..classifier.evaluation import Evaluation
    from ..classifier.learning_curve import LearningCurve
    from ..pipeline import FeatureTable
    from ..pipeline.evaluate import Judged

_MOST_MISTAKES = 20
_THUMBNAIL_PX = 200
_MORE_PER_CLASS = 20
_STRENGTH = 1e-3
"""Of the logistic heads of a learning curve, where the head itself is none."""


def write_report(
    folder: Path,
    source: str,
    head: Head,
    table: FeatureTable,
    judged: Judged,
    answer: dict[str, Any],
) -> list[Path]:
    """Write the pictures, `evaluation.json` and `report.html` into a folder; return them.

    They appear in the folder, which is made, when all of them are written: a failure leaves it as
    it was.
    """
    above = folder
    while not above.is_dir():
        above = above.parent
    with TemporaryDirectory(prefix=".bottlebank-report-", dir=above) as name:
        written = _write(Path(name), source, head, table, judged, answer)
        folder.mkdir(parents=True, exist_ok=True)
        return [path.replace(folder / path.name) for path in written]


def _write(
    folder: Path,
    source: str,
    head: Head,
    table: FeatureTable,
    judged: Judged,
    answer: dict[str, Any],
) -> list[Path]:
    found = judged.evaluation
    title = f"{source}, {judged.side}"
    sections = [
        Section("Classes", _about_classes(found), table=_class_table(found)),
        _confusion(folder, title, found),
        _mistakes(
            folder, title, head, table, judged, table_of_mistakes(answer["mistakes"], source)
        ),
        *problem_sections(answer, source),
        _reliability(folder, title, head, table, judged),
    ]
    if head.training.get("history"):
        sections.append(_training(folder, head))
    curve = _learning(head, table, judged)
    if curve is not None:
        sections.append(_growth(folder, curve, judged))
    figures = [
        (name, with_interval(getattr(found, key), found.intervals.get(key)))
        for name, key in (
            ("accuracy", "accuracy"),
            ("F1, mean over classes", "f1_macro"),
            ("ROC AUC, mean over classes", "roc_auc_macro"),
            ("calibration error", "calibration_error"),
        )
    ]
    facts = [
        *figures,
        ("images", f"{found.images} ({judged.side})"),
        ("trained on", _about_training(judged)),
        ("called unknown", f"{judged.answer.unknown.sum()} of {found.images}"),
        ("head", f"{head.kind}, version {head.version}, {head.created[:10]}"),
        ("extractor", table.recipe.in_words()),
    ]
    page = write_page(folder, f"How good is the head? {title}", facts, sections)
    numbers = folder / "evaluation.json"
    write_bytes(numbers, (json.dumps(answer) + "\n").encode())
    return [page, numbers, *(part.picture for part in sections if part.picture is not None)]


def _about_training(judged: Judged) -> str:
    seen, n_images = judged.trained_on, judged.evaluation.images
    if seen is None:
        return "unknown: this cache does not hold the list of its training images"
    if not seen.images + seen.near_duplicates:
        return f"none of these {n_images} images"
    left = seen.without
    rest = "none is left without them"
    if left is not None:
        accuracy = with_interval(left.accuracy, left.intervals["accuracy"])
        rest = f"accuracy without them {accuracy}"
    near = f" and {seen.near_duplicates} near-duplicates" if seen.near_duplicates else ""
    return f"{seen.images} of these {n_images} images{near}: the figures are too good; {rest}"


def _about_classes(found: Evaluation) -> str:
    return (
        f"Of {found.images} images. Brackets hold 95 % intervals: with few images they are wide, "
        f"and two classes whose intervals overlap may be equally good."
    )


def _class_table(found: Evaluation) -> Table:
    rows = []
    for figures in found.per_class:
        cells = [
            _cell(getattr(figures, name), figures.intervals.get(name))
            for name in ("precision", "recall", "f1", "roc_auc")
        ]
        rows.append([figures.label, figures.images, *cells])
    return Table(["class", "images", "precision", "recall", "F1", "ROC AUC"], rows)


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
    text = "Nothing was taken for anything else."
    if matrix.any():
        row, column = np.unravel_index(matrix.argmax(), matrix.shape)
        text = (
            f"Most often {found.classes[row]} is taken for {found.classes[column]}: "
            f"{matrix[row, column]} of {found.confusion_matrix[row].sum()} images."
        )
    return Section("What is taken for what", text, picture)


def _mistakes(
    folder: Path,
    title: str,
    head: Head,
    table: FeatureTable,
    judged: Judged,
    listed: Table | None,
) -> Section:
    probabilities = judged.answer.probabilities
    predicted = np.array(head.classes)[probabilities.argmax(axis=1)]
    wrong = np.flatnonzero(predicted != table.labels[judged.rows])
    surest = wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")]
    thumbnails, captions = [], []
    for number in surest.tolist():
        row = int(judged.rows[number])
        path = table.paths[row]
        try:
            pixels = decode(read(path)[0], (_THUMBNAIL_PX, _THUMBNAIL_PX))
        except ImageRejectedError:
            continue  # gone since it was extracted
        thumbnails.append(pixels)
        share = float(probabilities[number].max())
        label, taken_for = str(table.labels[row]), str(predicted[number])
        captions.append((label, taken_for, share, shown(Path(path).name)))
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
    folder: Path, title: str, head: Head, table: FeatureTable, judged: Judged
) -> Section:
    probabilities = judged.answer.probabilities
    right = np.array(head.classes)[probabilities.argmax(axis=1)] == table.labels[judged.rows]
    picture = folder / "reliability.png"
    draw_reliability(probabilities.max(axis=1), right, picture, title)
    text = "How often the head is right where it says so many per cent."
    if head.temperature != 1:
        text += (
            f" Its logits are divided by {head.temperature:.2f}, chosen on the validation split."
        )
    if judged.side == "validation":
        text += " That is the split shown here, so that these figures are a little too good."
    return Section("Are the probabilities right?", text, picture)


def _training(folder: Path, head: Head) -> Section:
    picture = folder / "training-curves.png"
    best = head.training["best_epoch"]
    draw_training_curves(head.training["history"], picture, "training", best)
    text = f"It stopped when the loss on held-out images no longer fell; epoch {best} is kept."
    return Section("Training", text, picture)


def _learning(head: Head, table: FeatureTable, judged: Judged) -> LearningCurve | None:
    """With logistic heads, which train in a moment; None where there is nothing to train on."""
    train = judged.split.rows(TRAIN)
    if judged.side in (TRAIN, "all") or len(set(table.labels[train].tolist())) < 2:
        return None
    from ..classifier import LogisticHead

    strength = head.training.get("strength", _STRENGTH)
    return learning_curve(
        lambda rows, labels: LogisticHead(strengths=(strength,)).fit(rows, labels),
        table.features[train],
        table.labels[train],
        table.features[judged.rows],
        table.labels[judged.rows],
        n_repeats=3,
    )


def _growth(folder: Path, curve: LearningCurve, judged: Judged) -> Section:
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
        curve.sizes, curve.right.mean(axis=2), picture, f"logistic heads, {judged.side}", drawn
    )
    return Section("Would more images help?", f"{forecast.in_words()}.", picture)
