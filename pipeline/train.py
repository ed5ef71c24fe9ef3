"""Training a head on a table of transfer values, and judging one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..cache import CacheFolder
from ..classifier import Head
from ..classifier import save_head as write_head
from ..classifier.splits import SPLITS, TRAIN, VALIDATION, Split, split
from ..errors import DatasetError, UsageError
from ..features import find_backbone, recipe_for
from .evaluate import evaluate_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..classifier import DenseHead, LogisticHead
    from ..classifier.evaluation import Evaluation
    from .table import FeatureTable

HEADS = ("logistic", "dense")


@dataclass(frozen=True)
class Trained:
    """A head, and how good it is on each side of the split."""

    head: Head
    evaluations: dict[str, Evaluation | None]
    """For ``train``, ``validation`` and ``test``; None for a side without images."""
    split: Split


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


def train_head(table: FeatureTable, kind: str = "logistic", *, seed: int = 0) -> Trained:
    """Train a head on the train side of a table and judge it on the others.

    Declared splits are respected; without any, each image's content decides its side.

    Parameters
    ----------
    table
        From `extract`.
    kind
        ``logistic`` or ``dense``. The dense head stops by the validation side.
    seed
        Of the cross-validation's folds, or of the network's start.

    Raises
    ------
    UsageError
        When the kind is unknown.
    DatasetError
        When fewer than two classes have images to train on.
    """
    if kind not in HEADS:
        raise UsageError(f"unknown head {kind!r}: expected {' or '.join(HEADS)}")
    table.require_rows()
    require_two_classes(table.labels, "the dataset, without its rejected images,")
    decided = split(table.keys, table.labels.tolist(), table.splits)
    train = decided.rows(TRAIN)
    learned = sorted(set(table.labels[train].tolist()))
    if len(learned) < 2:
        raise DatasetError(
            f"only {len(learned)} of {len(set(table.labels.tolist()))} classes has an image on the "
            f"train side of the split: add images of the others, or declare the split with train "
            f"and validation folders or a CSV file"
        )
    if kind == "logistic":
        from ..classifier import LogisticHead  # scikit-learn takes a second

        fitted = LogisticHead(random_state=seed).fit(table.features[train], table.labels[train])
        settings: dict[str, Any] = {"strength": fitted.strength_}
    else:
        from ..classifier import DenseHead  # TensorFlow takes five

        held_out = decided.rows(VALIDATION)
        held_out = held_out[np.isin(table.labels[held_out], table.labels[train])]
        validation = (table.features[held_out], table.labels[held_out]) if len(held_out) else None
        fitted = DenseHead(random_state=seed).fit(
            table.features[train], table.labels[train], validation=validation
        )
        settings = {"best_epoch": fitted.best_epoch_, "epochs": len(fitted.history_)}
    head = Head(
        kind=kind,
        classes=tuple(fitted.classes_.tolist()),
        layers=fitted.layers_,
        recipe=table.recipe.as_dict(),
        precision=table.report.precision,
    )
    evaluations = {side: evaluate_rows(head, table, decided.rows(side)) for side in SPLITS}
    figures = {
        side: None if found is None else {"images": found.images, "accuracy": found.accuracy}
        for side, found in evaluations.items()
    }
    head.training.update({**settings, "seed": seed, "declared_split": decided.declared, **figures})
    return Trained(head, evaluations, decided)


def save_head(
    estimator: LogisticHead | DenseHead,
    path: str | os.PathLike[str],
    *,
    extractor: str,
    weights: str = "imagenet",
    fit: str = "squash",
    precision: str = "float32",
    cache: str | os.PathLike[str] | None = None,
) -> Head:
    """Write a fitted head to a file that `load_predictor` and `bottlebank serve` read.

    Parameters
    ----------
    estimator
        A fitted `LogisticHead` or `DenseHead`.
    path
        The head file.
    extractor, weights, fit
        What the transfer values it was fitted on came from, as in `extract`.
    precision
        What they were computed in: `table.report.precision`.
    cache
        A cache folder; remembers the hash of the weights.

    Raises
    ------
    UsageError
        When the estimator was fitted on rows of another width.
    HeadFileError
        When the file cannot be written.
    """
    with CacheFolder(cache) as folder:
        recipe, _ = recipe_for(
            find_backbone(extractor),
            weights,
            fit=fit,
            digest=lambda path: folder.key_of_file(path).hex(),
        )
    if estimator.layers_.n_features != recipe.width:
        raise UsageError(
            f"the head was fitted on {estimator.layers_.n_features} numbers an image, "
            f"{recipe.extractor} gives {recipe.width}: name the extractor it was fitted on"
        )
    head = Head(
        kind=estimator.kind,
        classes=tuple(str(label) for label in estimator.classes_),
        layers=estimator.layers_,
        recipe=recipe.as_dict(),
        precision=precision,
    )
    write_head(head, Path(path))
    return head
