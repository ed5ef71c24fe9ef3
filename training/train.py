"""Training a head on a table of transfer values: one flow for every caller."""

from __future__ import annotations

import dataclasses
import itertools
import logging
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits

from ..cache import CacheFolder
from ..classifier import Head
from ..classifier.open_set import fit_unknown
from ..classifier.registry import require_saved_head
from ..classifier.temperature import fit_temperature
from ..classifier.training_rows import training_rows
from ..datasets.splits import SPLITS, TRAIN, VALIDATION
from ..datasets.unlabelled import require_labels
from ..errors import DatasetError
from ..extraction.feature_table import require_table
from ..formatting import counted
from ..prediction.loading import VIEW_RULE, VIEWS
from ..prediction.neighbours import ROWS, remember_training_rows
from ..progress import Progress
from ..rows_on_disk import Rows, some_rows
from .cross_validation import WEIGHTED, cross_validate
from .evaluate import accuracy_of, evaluate_splits
from .head_settings import HeadSettings
from .split import split_table
from .trained import NearDuplicates, Trained
from .within_memory import require_rows_in_memory, views_of, within_memory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..classifier.layers import Fitted
    from ..classifier.metrics.evaluation import Evaluation
    from ..datasets.splits import Split
    from ..extraction.feature_table import FeatureTable

logger = logging.getLogger(__name__)


def require_two_classes(labels: Sequence[str] | np.ndarray, source: str) -> None:
    """Raise DatasetError unless every image has a class, and there are at least two."""
    require_labels(labels, source)
    names = sorted({str(label) for label in labels})
    if len(names) < 2:
        raise DatasetError(
            f"{source} has one class only ({names[0]!r}); a head needs at least two: add a "
            f"folder of images that are something else"
            if names
            else f"{source} has no image"
        )


def train_head(
    table: FeatureTable,
    kind: str = "logistic",
    *,
    hidden: Sequence[int] | int | None = None,
    batch_norm: bool | None = None,
    dropout: float | None = None,
    output: str | None = None,
    learning_rate: float | None = None,
    batch_size: int | str | None = None,
    max_epochs: int | None = None,
    class_weight: str | Mapping[str, float] | None = None,
    coverage: float = 0.95,
    seed: int = 0,
    memory: int | str | None = None,
    progress: bool | None = None,
) -> Trained:
    """Train a head on the train split of a table and evaluate it on all three.

    Declared splits are respected; without any, each image's content, or the name of its group,
    decides its split, and near-duplicates of images in another split are left out. Where the table
    has views, those of training images are trained on beside them, each with a part of the image's
    weight; nothing else sees views. On the
    validation split probabilities are calibrated, and the threshold of "unknown" is chosen. The
    cache keeps which of its rows the head was trained on, so that the nearest can be shown.

    Parameters
    ----------
    table
        From `extract`. An image of weight 2 counts as the image twice, in training and calibration;
        figures count images.
    kind
        A head that can be saved, such as ``logistic`` or ``dense``, which stops when the
        loss on the validation split no longer falls.
    hidden
        Units of each hidden layer of a dense head; None for one of 256.
    batch_norm, dropout, output, learning_rate, batch_size, max_epochs
        Of a dense head, as in `DenseHead`, which has their defaults.
    class_weight
        None; ``balanced``: errors on rare classes count more, so that each class counts as much
        as any other; or a dict of class names and weights, in which a missing class weighs 1.
    coverage
        Share of validation images that are to be answered; the others are called unknown.
    seed
        Random seed of the cross-validation's folds, or of the network's start.
    memory
        What training may take, in bytes, or text such as ``"4G"`` or ``"50%"``: where the transfer
        values need more, they are read from a temporary file, and the head is the same. None: three
        quarters of what is available, in the container if there is one.
    progress
        Show on stderr how long it has run, and the epochs of a dense head: as in `extract`.

    Returns
    -------
    Trained
        The head, and how it does on each split; `print` shows both.

    Raises
    ------
    UsageError
        When the kind is unknown, a parameter is out of range, or `table` is something else.
    DatasetError
        When fewer than two classes have images to train on.
    TemporaryFileError
        When there is no room for the file.
    """
    require_saved_head(kind)
    network = {
        "hidden": hidden,
        "batch_norm": batch_norm,
        "dropout": dropout,
        "output": output,
        "learning_rate": learning_rate,
        "batch_size": batch_size,
        "max_epochs": max_epochs,
    }
    settings = HeadSettings(kind, class_weight, coverage, seed, network)
    require_table(table, "bb.train_head({})").require_rows()
    require_rows_in_memory([kind], table, memory)
    labels = table.labels[table.weighed]
    require_two_classes(labels, "the dataset, without its rejected images,")
    with (
        Progress(f"Training a {kind} head on {counted(len(table), 'image')}", show=progress) as bar,
        within_memory(table, memory) as within,
    ):
        return _train(within, settings, bar)


def _train(table: FeatureTable, settings: HeadSettings, bar: Progress) -> Trained:
    split = split_table(table)
    train, held_out = rows_to_fit(table, split)
    epochs = (f"epoch {number}" for number in itertools.count(1))
    weights = held_out_weights = None
    if table.weights is not None:
        weights, held_out_weights = table.weights[train], table.weights[held_out]
    features: Rows = table.features
    validation = some_rows(features, held_out), table.labels[held_out], held_out_weights
    views = views_of(table, train)
    rows = training_rows(some_rows(features, train), table.labels[train], weights, views)
    fitted = settings.fit(
        rows.features,
        rows.labels,
        sample_weight=rows.weights,
        groups=rows.groups,
        validation=validation if len(held_out) else None,
        on_epoch=lambda epoch: bar.note(next(epochs)),
    )
    return complete(table, split, settings, fitted)


def complete(table: FeatureTable, split: Split, settings: HeadSettings, fitted: Fitted) -> Trained:
    """Calibrate fitted layers, choose the threshold of the open set, package, evaluate.

    Parameters
    ----------
    table, split
        With whose train split they were fitted.
    settings, fitted
        How, and what that gave.
    """
    train, held_out = rows_to_fit(table, split)
    features, labels = some_rows(table.features, train), table.labels[train]
    classes, codes = np.unique(labels, return_inverse=True)
    held_out_features = some_rows(table.features, held_out)
    held_out_labels = table.labels[held_out]
    held_out_codes = np.searchsorted(classes, held_out_labels)
    weights = held_out_weights = None
    if table.weights is not None:
        weights, held_out_weights = table.weights[train], table.weights[held_out]
    layers = fitted.layers
    held_out_logits = layers.logits(held_out_features)
    temperature = fit_temperature(held_out_logits, held_out_codes, held_out_weights)
    with threadpool_limits(1, "blas"):  # many small products: threads only wait there
        rule = fit_unknown(
            layers,
            features,
            codes,
            held_out_features,
            settings.coverage,
            temperature,
            weights=weights,
            held_out_weights=held_out_weights,
        )
    if table.golden is None:
        logger.warning(
            "warning: the head holds no golden images to check its extractor with: no engine here "
            "computes in %s",
            table.report.precision,
        )
    head = Head(
        kind=settings.kind,
        classes=tuple(classes.tolist()),
        layers=layers,
        recipe=table.recipe.as_dict(),
        precision=table.report.precision,
        temperature=temperature,
        unknown=rule,
        golden=table.golden,
    )
    evaluations = evaluate_splits(head, table, split)
    with CacheFolder(table.report.cache) as folder:
        name = remember_training_rows(table, train, folder)
    summary = {**fitted.facts, **settings.as_dict(), "declared_split": split.declared}
    summary[WEIGHTED] = table.weights is not None
    summary |= {VIEWS: table.n_views, VIEW_RULE: table.views.rule} if table.n_views else {}
    summary |= {
        name: None if found is None else _in_brief(found, head.classes)
        for name, found in evaluations.items()
    }
    head = dataclasses.replace(head, training={**summary, ROWS: name})
    near = _near_duplicates(head, table, split)
    return Trained(head, evaluations, split, near, cross_validate(head, table, split))


def _in_brief(found: Evaluation, classes: Sequence[str]) -> dict[str, Any]:
    """What the head file keeps of an evaluation: images in the order of its classes."""
    images = {figures.label: figures.images for figures in found.per_class}
    per_class = [images.get(label, 0) for label in classes]
    return {"images": found.images, "accuracy": found.accuracy, "per_class": per_class}


def rows_to_fit(table: FeatureTable, split: Split) -> tuple[np.ndarray, np.ndarray]:
    """The rows (n,) to fit, and those (m,) of the same classes to calibrate on."""
    train, held_out = split.rows(TRAIN), split.rows(VALIDATION)
    learned = set(table.labels[train].tolist())
    if len(learned) < 2:
        raise DatasetError(
            f"only {len(learned)} of {len(set(table.labels.tolist()))} classes has an image on the "
            f"train split: add images of the others, or declare the split with train "
            f"and validation folders or a CSV file"
        )
    return train, held_out[np.isin(table.labels[held_out], [*learned])]


def _near_duplicates(head: Head, table: FeatureTable, split: Split) -> dict[str, NearDuplicates]:
    found = {}
    for name in SPLITS:
        every, without = split.with_near(name), split.without_near(name)
        if len(every) > len(without):
            found[name] = NearDuplicates(
                len(every) - len(without),
                accuracy_of(head, table, every),
                accuracy_of(head, table, without) if len(without) else None,
            )
    return found
