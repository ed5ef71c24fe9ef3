"""Training a head on a table of transfer values, and judging one."""

from __future__ import annotations

import itertools
import logging
import os
from dataclasses import dataclass
from html import escape
from textwrap import indent
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from ..cache import CacheFolder
from ..classifier import Head
from ..classifier.calibration import fit_temperature
from ..classifier.evaluation import evaluate
from ..classifier.fitting import fit_head, import_head
from ..classifier.open_set import fit_unknown
from ..classifier.registry import heads_with, require_saved_head
from ..classifier.settings import require_seed, require_share
from ..datasets.splits import (
    SPLITS,
    TRAIN,
    VALIDATION,
    Split,
)
from ..errors import DatasetError, UsageError
from ..extraction.prefetch import threads
from ..formatting import (
    counted,
    html_table,
    percent,
    with_interval,
)
from ..prediction.neighbours import ROWS, remember_training_rows
from ..progress import Progress
from .cross_validation import CrossValidated, cross_validate
from .evaluate import accuracy_of
from .split import split_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..classifier.evaluation import Evaluation
    from ..extraction.feature_table import FeatureTable

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """A head, and how good it is on each split."""

    head: Head
    evaluations: dict[str, Evaluation | None]
    """For ``train``, ``validation`` and ``test``; None for a split without images."""
    split: Split
    near_duplicates: dict[str, NearDuplicates]
    """For the splits that have any."""
    cross_validated: CrossValidated | None = None
    """Where a class has few images and no split is declared: figures on all images."""

    def __repr__(self) -> str:
        figures = "\n".join(
            f"  {side:<10} no images"
            if found is None
            else f"  {side:<10} {found.images_in_words}, accuracy {found.in_words('accuracy')}, "
            f"F1 {percent(found.f1_macro)}"
            for side, found in self.evaluations.items()
        )
        near = "".join(
            f"\n  {counted(found.images, 'near-duplicate')} in {side}"
            for side, found in self.near_duplicates.items()
        )
        facts = self.head.facts(with_figures=False)  # the figures stand above
        head = "\n".join([f"  <Head {self.head.version}", *(f"    {k:<12} {v}" for k, v in facts)])
        better = ""
        if self.cross_validated is not None:
            better = f"\n{indent(repr(self.cross_validated), '  ')}"
        return f"<Trained, split {self._how()}{better}\n{figures}{near}\n{head}>>"

    def _repr_html_(self) -> str:
        """The figures and the head, for notebooks."""
        headings = ("", "images", "accuracy [95 %]", "F1, mean over classes")
        figures = html_table(f"Trained, split {self._how()}", headings, self._figures())
        better = ""
        if self.cross_validated is not None:
            better = f"<p>{escape(repr(self.cross_validated))}</p>"
        facts = self.head.facts(with_figures=False)  # the figures stand above
        return better + figures + html_table(f"Head {self.head.version}", [], facts)

    def _how(self) -> str:
        return "as declared" if self.split.declared else "by content"

    def _figures(self) -> list[tuple[str, str, str, str]]:
        """Split, images, accuracy and F1, as people write them."""
        return [
            (side, "", "", "")
            if found is None
            else (
                side,
                f"{found.images:,}",
                with_interval(found.accuracy, found.intervals["accuracy"]),
                percent(found.f1_macro),
            )
            for side, found in self.evaluations.items()
        ]


class NearDuplicates(NamedTuple):
    """What near-duplicates of images in another split do to the accuracy of a split."""

    images: int
    accuracy_with: float
    accuracy_without: float | None
    """None where nothing else is in the split."""


def require_two_classes(labels: Sequence[str] | np.ndarray, source: str) -> None:
    """Raise DatasetError unless there are at least two classes."""
    names = sorted({str(label) for label in labels})
    if len(names) < 2:
        raise DatasetError(
            f"{source} has one class only ({names[0]!r}); a head tells at least two apart: add a "
            f"folder of images that are something else"
            if names
            else f"{source} has no image"
        )


def train_head(
    table: FeatureTable,
    kind: str = "logistic",
    *,
    hidden: Sequence[int] | int | None = None,
    class_weight: str | Mapping[str, float] | None = None,
    coverage: float = 0.95,
    seed: int = 0,
    progress: bool | None = None,
) -> Trained:
    """Train a head on the train split of a table and judge it on the others.

    Declared splits are respected; without any, each image's content, or the name of its group,
    decides its split, and near-duplicates of images in another split are left out. On the
    validation split probabilities are calibrated, and the threshold of "unknown" is chosen. The
    cache keeps which of its rows the head was trained on, so that the nearest can be shown.

    Parameters
    ----------
    table
        From `extract`.
    kind
        A head that can be saved, such as ``logistic`` or ``dense``, which stops by the validation
        split.
    hidden
        Units of each hidden layer of a dense head; None for one of 256.
    class_weight
        None; ``balanced``: errors on rare classes count more, so that each class counts as much
        as any other; or a dict of class names and weights, in which a missing class weighs 1.
    coverage
        Share of validation images that are to be answered; the others are called unknown.
    seed
        Random seed of the cross-validation's folds, or of the network's start.
    progress
        Show on stderr how long it has run, and the epochs of a dense head: as in `extract`.

    Raises
    ------
    UsageError
        When the kind is unknown or a parameter is out of range.
    DatasetError
        When fewer than two classes have images to train on.
    """
    own = require_saved_head(kind).settings
    if hidden is not None and "hidden" not in own:
        some = " or ".join(heads_with("hidden"))
        raise UsageError(f"hidden is {hidden!r}, but only a {some} head has hidden layers")
    if class_weight is not None and "class_weight" not in own:
        some = " or ".join(heads_with("class_weight"))
        raise UsageError(
            f"class_weight is {class_weight!r}, which a {kind} head does not take: train a {some} "
            f"head"
        )
    require_share("coverage", coverage)
    require_seed("seed", seed)
    if not hasattr(table, "require_rows"):
        given = repr(os.fspath(table)) if isinstance(table, (str, os.PathLike)) else "…"
        raise UsageError(
            f"expected a table from bb.extract, received a {type(table).__name__}: "
            f"bb.train_head(bb.extract({given}, extractor=…))"
        )
    table.require_rows()
    require_two_classes(table.labels, "the dataset, without its rejected images,")
    with Progress(
        f"Training a {kind} head on {counted(len(table), 'image')}", show=progress
    ) as bar:
        return _train(table, kind, hidden, class_weight, coverage, seed, bar)


def _train(
    table: FeatureTable,
    kind: str,
    hidden: Sequence[int] | int | None,
    class_weight: str | Mapping[str, float] | None,
    coverage: float,
    seed: int,
    bar: Progress,
) -> Trained:
    with threads(1) as pool:  # the import takes as long as looking for near-duplicates
        imported = pool.submit(import_head, kind)
        decided = split_table(table)
        imported.result()
    train = decided.rows(TRAIN)
    learned = sorted(set(table.labels[train].tolist()))
    if len(learned) < 2:
        raise DatasetError(
            f"only {len(learned)} of {len(set(table.labels.tolist()))} classes has an image on the "
            f"train split: add images of the others, or declare the split with train "
            f"and validation folders or a CSV file"
        )
    held_out = decided.rows(VALIDATION)
    held_out = held_out[np.isin(table.labels[held_out], learned)]
    rows, labels = table.features[train], table.labels[train]
    held_out_rows, held_out_labels = table.features[held_out], table.labels[held_out]
    classes, codes = np.unique(labels, return_inverse=True)
    epochs = (f"epoch {number}" for number in itertools.count(1))
    layers, settings = fit_head(
        kind,
        rows,
        labels,
        validation=(held_out_rows, held_out_labels) if len(held_out) else None,
        on_epoch=lambda epoch: bar.note(next(epochs)),
        class_weight=class_weight,
        random_state=seed,
        **({} if hidden is None else {"hidden": hidden}),
    )
    temperature, unknown = 1.0, None
    if len(held_out):
        held_out_codes = np.searchsorted(classes, held_out_labels)
        temperature = fit_temperature(layers.logits(held_out_rows), held_out_codes)
        with threadpool_limits(1, "blas"):  # many small products: threads only wait there
            unknown = fit_unknown(layers, rows, codes, held_out_rows, coverage, temperature)
    if table.golden is None:
        logger.warning(
            "warning: the head holds no golden images, by which its extractor could be recognised: "
            "no engine here computes in %s",
            table.report.precision,
        )
    head = Head(
        kind=kind,
        classes=tuple(classes.tolist()),
        layers=layers,
        recipe=table.recipe.as_dict(),
        precision=table.report.precision,
        temperature=temperature,
        unknown=unknown,
        golden=table.golden,
    )
    evaluations = {side: _evaluate(head, table, decided.rows(side)) for side in SPLITS}
    figures = {
        side: None if found is None else {"images": found.images, "accuracy": found.accuracy}
        for side, found in evaluations.items()
    }
    settings.update(seed=seed, class_weight=_plain(class_weight))
    head.training.update({**settings, "declared_split": decided.declared, **figures})
    with CacheFolder(table.report.cache) as folder:
        head.training[ROWS] = remember_training_rows(table, train, folder)
    near = _near_duplicates(head, table, decided)
    return Trained(head, evaluations, decided, near, cross_validate(head, table, decided))


def _plain(class_weight: str | Mapping[str, float] | None) -> str | dict[str, float] | None:
    """As JSON has it."""
    if class_weight is None or isinstance(class_weight, str):
        return class_weight
    return {str(name): float(weight) for name, weight in class_weight.items()}


def _evaluate(head: Head, table: FeatureTable, rows: np.ndarray) -> Evaluation | None:
    if len(rows) == 0:
        return None
    probabilities = head.predict_proba(table.features[rows])
    return evaluate(table.labels[rows].tolist(), probabilities, head.classes)


def _near_duplicates(head: Head, table: FeatureTable, decided: Split) -> dict[str, NearDuplicates]:
    found = {}
    for side in SPLITS:
        every, without = decided.with_near(side), decided.without_near(side)
        if len(every) > len(without):
            found[side] = NearDuplicates(
                len(every) - len(without),
                accuracy_of(head, table, every),
                accuracy_of(head, table, without) if len(without) else None,
            )
    return found
