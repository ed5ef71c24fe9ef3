"""Sections of the report of an evaluation: figures of the classes, and pictures of the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..classifier.metrics.calibration import N_BINS, reliability_bins
from ..classifier.metrics.evaluation import LEAST_IMAGES
from ..classifier.metrics.intervals import wilson_interval
from ..classifier.temperature import MIN_ROWS
from ..errors import UsageError, in_brief
from ..formatting import counted
from ..training.learning_curve import KIND
from ..viz import ReliabilityBins, draw_confusion_matrix, draw_learning_curve, draw_reliability
from ..viz.curves import Forecast
from ..viz.report import Section, Table
from ..viz.text import shown_name
from ..viz.theme import DARK, LIGHT, Theme
from .training_curves import write_curves

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ..classifier import Head
    from ..classifier.metrics.evaluation import Evaluation
    from ..extraction import FeatureTable
    from ..training.evaluate import SplitEvaluation
    from ..training.learning_curve import LearningCurve

IN_THE_DARK = "dark"
"""The folder of pictures that only a dark page shows."""
_LEAST_OF_A_CLASS = 3
"""Images of a class, and others, from which its area under the curve is shown."""
_LEAST_OF_A_SHARE = 5
"""Images of a class from which its confusions are compared with those of others."""
_MOST_CONFUSIONS = 3


def class_section(found: Evaluation) -> Section:
    """Figures of each class."""
    return Section("Classes", _about_classes(found), table=_class_table(found))


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


def confusion_section(folder: Path, title: str, found: Evaluation) -> Section:
    """Which class is taken for which."""

    def draw(picture: Path, theme: Theme) -> None:
        draw_confusion_matrix(found.confusion_matrix, found.classes, picture, title, theme=theme)

    text = _about_confusions(found.confusion_matrix, found.classes)
    return _with_picture(Section("Confused classes", text), folder, "confusion-matrix", draw)


def _about_confusions(matrix: np.ndarray, classes: Sequence[str]) -> str:
    """The largest shares of a class that are taken for another one."""
    wrong = matrix * (1 - np.eye(len(classes), dtype=int))
    if not wrong.any():
        return "No class was confused with another."
    totals = matrix.sum(axis=1)
    # One image that is taken for another class is 100 % of a class that has no others.
    compared = np.where(totals[:, None] >= _LEAST_OF_A_SHARE, wrong, 0)
    found = compared if compared.any() else wrong
    shares = found / np.maximum(totals[:, None], 1)
    order = np.lexsort((-found.ravel(), -shares.ravel()))
    most = []
    for place in map(int, order[:_MOST_CONFUSIONS]):
        row, column = divmod(place, len(classes))
        if not found[row, column]:
            break
        pair = f"{_isolated(classes[row])} → {_isolated(classes[column])}"
        of = f"{found[row, column]:,} of {counted(int(totals[row]), 'image')}"
        most.append(f"{pair} {100 * shares[row, column]:.0f} % ({of})")
    return f"Most often confused, by share of the true class: {'; '.join(most)}."


def _isolated(name: str) -> str:
    """A name whose direction of reading turns nothing around it."""
    return f"\u2068{shown_name(name)}\u2069"


def reliability_section(
    folder: Path, title: str, head: Head, table: FeatureTable, evaluated: SplitEvaluation
) -> Section:
    """How often the head is right at each probability."""
    probabilities = evaluated.answer.probabilities
    right = np.array(head.classes)[probabilities.argmax(axis=1)] == table.labels[evaluated.rows]
    bins = reliability_bins(probabilities.max(axis=1), right)
    low, high = wilson_interval(bins.n_right, bins.n_images)
    found = evaluated.evaluation
    error = found.calibration_error if found.images >= LEAST_IMAGES else None

    def draw(picture: Path, theme: Theme) -> None:
        drawn = ReliabilityBins(*bins[:4], low, high)
        draw_reliability(drawn, N_BINS, error, picture, title, theme=theme)

    text = "How often the head is right at each predicted probability."
    if head.temperature != 1:
        text += (
            f" Its logits are divided by {head.temperature:.2f}, chosen on the validation split."
        )
    if evaluated.cross_validated is not None and head.temperature == 1:
        text += f" They are not calibrated: that takes {MIN_ROWS} validation images."
    if evaluated.name == "validation":
        text += " That is the split shown here, so that these figures are a little too good."
    section = Section("Are the probabilities right?", text)
    return _with_picture(section, folder, "reliability", draw)


def training_section(folder: Path, head: Head) -> Section:
    """Losses and accuracy by epoch."""
    history = head.training["history"]
    best = 0

    def draw(picture: Path, theme: Theme) -> None:
        nonlocal best
        best = write_curves(head, picture, "training", theme)

    try:
        section = _with_picture(Section("Training"), folder, "training-curves", draw)
    except UsageError as error:  # the summary in a head file is any JSON
        reason = in_brief(error)
        return Section("Training", f"The curves in the head file cannot be drawn: {reason}.")
    text = (
        f"The loss on held-out images was lowest in epoch {best} of {len(history)}, which is kept."
    )
    return section._replace(text=text)


def growth_section(
    folder: Path, head: Head, curve: LearningCurve, evaluated: SplitEvaluation
) -> Section:
    """What twice as many images would bring."""
    forecast = curve.forecast(float(curve.sizes[-1]))
    drawn = None
    if forecast.gain is not None and forecast.interval is not None:
        now, size = float(curve.accuracy[-1]), float(curve.sizes[-1])
        ends = [now + gain for gain in (forecast.gain, *forecast.interval)]
        drawn = Forecast([size, 2 * size], *([now, min(1.0, max(0.0, end))] for end in ends))

    def draw(picture: Path, theme: Theme) -> None:
        title = f"{KIND} heads, {evaluated.name}"
        accuracies = curve.right.mean(axis=2)
        draw_learning_curve(curve.sizes, accuracies, picture, title, drawn, theme=theme)

    text = f"{forecast.in_words('Doubling the images')}."
    if head.kind != KIND:
        text += f" The curve is of {KIND} heads: {head.kind} heads take too long to train so often."
    return _with_picture(Section("Would more images help?", text), folder, "learning-curve", draw)


def _with_picture(
    section: Section, folder: Path, name: str, draw: Callable[[Path, Theme], None]
) -> Section:
    """The section with a picture in the folder, and one for a dark page in a folder below."""
    picture, dark = folder / f"{name}.png", folder / IN_THE_DARK / f"{name}.png"
    draw(picture, LIGHT)
    dark.parent.mkdir(exist_ok=True)
    draw(dark, DARK)
    return section._replace(picture=picture, dark=dark)
