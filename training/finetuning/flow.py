"""Fine-tuning the last blocks of a network, starting from a head: one flow for every caller."""

from __future__ import annotations

import dataclasses
import logging
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ...arguments import require_number, require_seed, require_whole
from ...cache import CacheFolder, KeyArray
from ...classifier import load_head
from ...classifier.given_head import head_in
from ...classifier.layers import Fitted, standardisation
from ...classifier.settings import class_weights
from ...datasets import as_dataset
from ...datasets.splits import TEST, VALIDATION
from ...datasets.unlabelled import require_labels
from ...errors import DatasetError, UsageError
from ...extraction.earlier.going_on import remember_network
from ...extraction.extract_dataset import extract_recipe
from ...features import recipe_for
from ...features.backbones.tuning.tunable import open_tunable, require_tunable
from ...features.engines.conversion import require_same
from ...features.images.decoder import MAX_PIXELS
from ...features.images.decoding_shares import require_allowed
from ...features.recipe import described_backbone, recipe_of
from ...fork_safety import claim
from ...formatting import in_brief_names
from ...native_stderr import silent_stderr
from ...prediction.head_extractor import read_recipe, weights_finder
from ...prediction.neighbours import remember_tuning_rows, trained_on
from ..cross_validation import FINETUNED, WEIGHTED
from ..evaluate import extract_for_head
from ..head_settings import HeadSettings
from ..saving import save_head
from ..split import split_table
from ..train import complete, rows_to_fit
from .checkpoint import Checkpoint, digest_of
from .epochs import Settings, run_epochs
from .finetuned import Finetuned, compare_splits
from .frozen_rows import FrozenMaps, FrozenRows
from .output_folder import OutputFolder
from .trainer import Trainer, standardised_anew

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    from ...classifier import Head
    from ...classifier.dense_training import Epoch
    from ...datasets import Dataset
    from ...datasets.splits import Split
    from ...extraction.feature_table import FeatureTable
    from ...features import Recipe
    from ...features.backbones.tuning.tunable import Tunable
    from ...features.backbones.weights import Weights

logger = logging.getLogger(__name__)

_MOST_EPOCHS, _MOST_IN_A_BATCH = 10_000, 65_536


def finetune(
    dataset: Dataset | str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    head: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    unfreeze: int = 1,
    epochs: int = 5,
    learning_rate: float = 1e-4,
    batch_size: int = 32,
    seed: int = 0,
    cache: str | os.PathLike[str] | None = None,
    extractor: str | os.PathLike[str] | None = None,
    weights: str | os.PathLike[str] | None = None,
    engine: str = "auto",
    precision: str = "auto",
    parity: str = "refuse",
    max_pixels: int = MAX_PIXELS,
    workers: int | None = None,
    memory: int | str | None = None,
    on_epoch: Callable[[int, Epoch], object] = lambda number, epoch: None,
    progress: bool | None = None,
) -> Finetuned:
    """Train the last blocks of a head's network together with the head.

    The splits are those of `train_head`. What the frozen part of the network makes of the training
    and validation images is computed once and kept in the cache. Batch normalisation stays as it
    is. The weights of the epoch with the lowest loss on the validation split are kept. A run that
    was ended goes on behind its last epoch when it is called again.

    Parameters
    ----------
    dataset
        What the head was trained on, as `extract` takes it.
    head
        A head file, whose extractor is a network of `keras.applications` or an EfficientNet-Lite.
    output
        A folder: the weights of the new extractor (``extractor.weights.h5`` or
        ``extractor.npz``) and its head, ``head.h5``, are written into it.
    unfreeze
        How many blocks of the network are trained, counted from the last.
    epochs
        Passes over the training images.
    learning_rate
        Of Adam, for the network and the head.
    batch_size
        Images per step.
    seed
        Random seed of the order of images.
    cache, extractor, weights, engine, precision, parity
        As in `load_predictor`.
    max_pixels, workers, memory, progress
        As in `extract`.
    on_epoch
        Called after each epoch with its number, from 1, and its figures.

    Returns
    -------
    Finetuned
        The head, and how it compares with the one before; `print` shows both.

    Raises
    ------
    UsageError
        When a parameter is out of range, the head's network cannot be fine-tuned, or the folder
        has files of others, or the checkpoint of a run with other settings or images.
    DatasetError
        When the classes of the training images are not those of the head, or the validation split
        has no images.
    BottlebankError
        When training diverges, or there is too little room on the disk.
    HeadFileError, WeightsNotFoundError, EngineError, CacheError
        As `extract` and `load_predictor`.
    """
    settings = Settings(
        unfreeze=require_whole("unfreeze", unfreeze, 1),
        epochs=require_whole("epochs", epochs, 1, _MOST_EPOCHS),
        learning_rate=require_number(
            "learning_rate", learning_rate, "a number above 0 and below 1", 0, 1
        ),
        batch_size=require_whole("batch_size", batch_size, 1, _MOST_IN_A_BATCH),
        seed=require_seed("seed", seed),
    )
    _require_tunable(head)
    loading = {
        "cache": cache,
        "extractor": extractor,
        "weights": weights,
        "engine": engine,
        "precision": precision,
        "parity": parity,
        "max_pixels": max_pixels,
        "workers": workers,
        "memory": memory,
        "progress": progress,
    }
    with OutputFolder(output, [head, weights]) as folder:
        return _finetune(as_dataset(dataset), head, folder, settings, loading, on_epoch)


def _finetune(
    dataset: Dataset,
    head: str | os.PathLike[str],
    folder: OutputFolder,
    settings: Settings,
    loading: Mapping[str, Any],
    on_epoch: Callable[[int, Epoch], object],
) -> Finetuned:
    """As `finetune`; `loading` are keywords of `extract_for_head`."""
    require_labels(dataset.labels, dataset.source)
    table, before = extract_for_head(dataset, head, **loading)
    if before.training.get(WEIGHTED) is True and table.weights is None:
        logger.warning(
            "warning: the head was trained with weights of images, and none are given: each image "
            "counts the same here, also one of weight 0; --weights-column names them"
        )
    split = split_table(table)
    rows = _rows(before, table, split)
    with CacheFolder(loading["cache"], create=True) as held:
        named = loading["extractor"], loading["weights"]
        find = weights_finder(table.recipe, held, head, *named, None)
        extract = partial(
            extract_recipe,
            folder=held,
            engine=loading["engine"],
            precision=table.report.precision,
            max_pixels=loading["max_pixels"],
            allowed=require_allowed(loading["workers"], loading["memory"]),
            progress=loading["progress"],
            explain=False,
        )
        tunable = _open(table.recipe, find())
        blocks = [block.name for block in tunable.last(settings.unfreeze)]
        frozen = recipe_of(
            tunable.frozen_part(settings.unfreeze),
            table.recipe.weights,
            table.recipe.weights_sha256,
            table.recipe.spec,
        )
        kinds = HeadSettings.of(before)
        maps = FrozenMaps(held, frozen, table.report.precision)
        train, held_out = _frozen_rows(before, table, rows, maps, kinds)
        run = {
            **settings._asdict(),
            "head": before.version,
            "frozen_part": f"{frozen.fingerprint[:12]} in {table.report.precision}",
            "training_images": _digest(train),
            "validation_images": _digest(held_out),
        }
        del run["epochs"]  # more of them go on with those that are done
        checkpoint = Checkpoint(folder.checkpoint, run)
        checkpoint.require_same_run()
        maps.extract(dataset, table, np.concatenate(rows), find, extract)
        # Training begins with the loss of the calibrated head.
        layers = before.layers.divided_by(before.temperature)
        trainer = Trainer(tunable.upper_part(settings.unfreeze), layers, settings.learning_rate)
        what = f"Fine-tuning {table.recipe.extractor} ({', '.join(blocks)})"
        epochs_done = run_epochs(
            trainer, train, held_out, settings, checkpoint, what, on_epoch, loading["progress"]
        )
        path = folder.write_weights(tunable.suffix, tunable.weights_file())
        recipe, tuned = recipe_for(
            table.recipe.spec._replace(weights=str(path)), digest=held.sha256_of_file
        )
        remember_network(recipe, tuned, recipe.extractor, held)
        new_table = extract(dataset, recipe, lambda: tuned)
    if list(new_table.keys) != list(table.keys):
        raise DatasetError(
            "images have changed while the network was fine-tuned: run the same command again"
        )
    facts = {
        "best_epoch": epochs_done.best,
        "history": [*map(list, epochs_done.history)],
        FINETUNED: {
            **settings._asdict(),
            "blocks": blocks,
            "from_head": before.version,
            "from_weights": f"{table.recipe.weights} ({table.recipe.weights_sha256[:8]})",
            "start": epochs_done.start._asdict(),
        },
    }
    mean, scale = standardisation(new_table.features[rows[0]])
    fitted = Fitted(standardised_anew(trainer.layers(), mean, scale), facts)
    coverage = kinds.coverage if before.unknown is None else before.unknown.coverage
    kinds = dataclasses.replace(kinds, coverage=coverage, seed=settings.seed)
    with CacheFolder(new_table.report.cache) as held:
        # Before the head is made: in folds, these images judge none.
        remember_tuning_rows(new_table, rows[0], table.recipe.weights_sha256, held)
    trained = complete(new_table, split, kinds, fitted)
    path = folder.weights(tunable.suffix)
    with CacheFolder(new_table.report.cache) as held:
        save_head(trained, folder.new_head)
        folder.publish()
        remember_network(recipe, tuned._replace(path=path), recipe.extractor, held)
    checkpoint.remove()
    seen = trained_on(before, table)
    return Finetuned(
        trained=trained,
        table=new_table,
        extractor=path,
        head_file=folder.head,
        blocks=blocks,
        n_weights=trainer.n_weights,
        epochs=epochs_done,
        paired=compare_splits((before, table), (trained.head, new_table), split),
        n_seen=None if seen is None else int(seen[_unseen(split)].sum()),
    )


def _require_tunable(head: str | os.PathLike[str]) -> None:
    """Refuse a head whose network cannot be fine-tuned, before any work."""
    if head_in(head) is not None:
        raise UsageError(
            "expected the path of a head file: bb.save_head(head, 'head.h5') writes one"
        )
    recipe = read_recipe(load_head(head), head)
    require_tunable(described_backbone(recipe))


def _open(recipe: Recipe, weights: Weights) -> Tunable:
    claim("TensorFlow")
    with silent_stderr():
        tunable = open_tunable(described_backbone(recipe), weights)
    require_same(recipe, weights)
    return tunable


def _rows(head: Head, table: FeatureTable, split: Split) -> tuple[np.ndarray, np.ndarray]:
    """The rows (n,) to train on, and those (m,) by which the best epoch is chosen.

    Raises
    ------
    DatasetError
        When there are none of these, or their classes are not the head's.
    """
    train, held_out = rows_to_fit(table, split)
    found, known = {*table.labels[train].tolist()}, {*head.classes}
    if found != known:
        differing = [
            f"{words} {in_brief_names(sorted(names))}"
            for words, names in (("it does not know", found - known), ("without", known - found))
            if names
        ]
        raise DatasetError(
            f"the classes of the training images are not those of the head ({'; '.join(differing)})"
            f": {_remedy(head, table)}"
        )
    if not len(held_out):
        raise DatasetError(
            "the validation split has no images, by which the best epoch is chosen: add images, or "
            "declare the split with train and validation folders or a CSV file"
        )
    return train, held_out


def _remedy(head: Head, table: FeatureTable) -> str:
    if head.training.get(WEIGHTED, False) == (table.weights is not None):
        return "train a head on these images first, then fine-tune it"
    if table.weights is None:
        return (
            "it was trained with weights of images, and one class may have weighed 0: give them "
            "again with --weights-column, or train a head on these images first"
        )
    return (
        "it was trained without weights of images: leave out --weights-column, or train a head "
        "with it first"
    )


def _frozen_rows(
    head: Head,
    table: FeatureTable,
    rows: tuple[np.ndarray, np.ndarray],
    maps: FrozenMaps,
    settings: HeadSettings,
) -> list[FrozenRows]:
    """Of the training and of the validation images; both count as in training the head."""
    classes = np.array(head.classes)
    codes = [np.searchsorted(classes, table.labels[some]).astype(np.int64) for some in rows]
    own = [np.ones(len(some)) if table.weights is None else table.weights[some] for some in rows]
    of_class = class_weights(settings.class_weight, classes, codes[0], own[0])
    usual = float((of_class[codes[0]] * own[0]).mean())  # as without weights, a row counts 1
    return [
        FrozenRows(
            maps.read,
            maps.width,
            [table.keys[row] for row in some.tolist()],
            code,
            (of_class[code] * weight / usual).astype(np.float32),
        )
        for some, code, weight in zip(rows, codes, own, strict=True)
    ]


def _digest(rows: FrozenRows) -> str:
    keys = KeyArray.of(rows.keys).packed().tobytes()
    return digest_of(keys, rows.codes.tobytes(), rows.weights.tobytes())


def _unseen(split: Split) -> np.ndarray:
    """The rows on which heads are compared."""
    return np.concatenate([split.rows(VALIDATION), split.rows(TEST)])
