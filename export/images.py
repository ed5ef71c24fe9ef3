"""Which images an export is compared on, quantized with, and judged by."""

from __future__ import annotations

import hashlib
import io
import itertools
import os
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from ..cache import CacheFolder
from ..datasets.splits import TRAIN, VALIDATION
from ..errors import CacheError, DatasetError, ImageRejectedError
from ..features import Recipe
from ..features.golden_images import golden_pixels
from ..features.images.decoder import decode, read
from ..formatting import in_brief_names
from ..prediction.neighbours import ROWS, trained_on
from ..training.split import split_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ..classifier import Head
    from ..extraction import FeatureTable
    from ..prediction import Predictor

N_COMPARED = 100
"""Photographs, beside the synthetic images."""
N_OF_OTHER_SIZES = 12
"""Of these, also as they are."""
N_CALIBRATING = 300
"""Training images; with more, the ranges that are found hardly change."""
N_JUDGED = 1000
"""Validation images by which quantization is judged."""
_LEAST_JUDGED = 10


class Sized(NamedTuple):
    """A picture of another size than the network's."""

    picture: np.ndarray
    """Decoded in full."""
    scaled: np.ndarray
    """What bottlebank makes of these pixels."""
    predicted: np.ndarray
    """What it makes of the file, which it may halve while decoding."""


class Images(NamedTuple):
    """Images of the network's size are uint8, (height, width, 3)."""

    compared: Sequence[np.ndarray]
    pictures: Sequence[Sized] = ()
    calibrating: Sequence[np.ndarray] = ()
    judged: Sequence[np.ndarray] = ()
    judged_labels: Sequence[str] = ()


def images_for(
    predictor: Predictor,
    table: FeatureTable | None,
    cache: str | os.PathLike[str] | None,
    *,
    quantize: bool,
) -> Images:
    """The golden images, and photographs where there are any.

    Parameters
    ----------
    predictor
        Of the head.
    table
        Of the images that were named; None: the training images are looked for where the cache saw
        them.
    cache
        As in `load_predictor`.
    quantize
        Whether images are needed for that; then there is a table.

    Raises
    ------
    DatasetError
        When the table has too few to quantize.
    """
    golden = predictor.head.golden
    files = [] if golden is None else list(golden.files)
    synthetic = [*golden_pixels(predictor.extractor.recipe.input_size_px)]
    train: list[int] = []
    validation: list[int] = []
    if table is None:
        files += itertools.islice(_training_files(predictor.head, cache), N_COMPARED)
    else:
        train, validation = _splits(table, predictor.head)
        files += itertools.islice(_files(table, [*validation, *train]), N_COMPARED)
    some = [(data, predictor.decode_and_resize(data)) for data in files]
    grey16 = predictor.extractor.recipe.grey16
    n_pictures = N_OF_OTHER_SIZES + (0 if golden is None else len(golden.files))
    pictures = [*map(partial(_sized, predictor), _synthetic_pictures(synthetic))]
    for data, fitted in some[:n_pictures]:
        sized = _sized(predictor, decode(data, grey16=grey16))
        pictures.append(sized._replace(predicted=fitted))
    found = Images([*synthetic, *(fitted for _, fitted in some)], pictures)
    if not quantize or table is None:
        return found
    calibrating = [each for _, each in _fitted(predictor, table, train, N_CALIBRATING)]
    judged = [*_fitted(predictor, table, validation, N_JUDGED)]
    if len(judged) < _LEAST_JUDGED or not calibrating:
        raise DatasetError(
            f"quantization needs training images, of which there are {len(calibrating)}, and at "
            f"least {_LEAST_JUDGED} validation images that the head was not trained on, of which "
            f"there are {len(judged)}: name the dataset that the head was trained on"
        )
    labels = [str(table.labels[row]) for row, _ in judged]
    others = sorted({*labels} - {*predictor.classes})
    if others:
        raise DatasetError(
            f"{in_brief_names(others)} among the validation images: the head has no such class, "
            f"and what quantization costs cannot be measured; name the dataset that it was "
            f"trained on"
        )
    return found._replace(
        calibrating=calibrating, judged=[each for _, each in judged], judged_labels=labels
    )


def _synthetic_pictures(images: list[np.ndarray]) -> list[np.ndarray]:
    """One that is scaled alone, and one that is halved first."""
    side = len(images[0])
    flat = np.concatenate([images[0], images[1][:, : side // 3 + 1]], axis=1)
    rows = [np.concatenate(images[:2] * 2, axis=1), np.concatenate(images[2:4] * 2, axis=1)]
    return [flat, np.concatenate(rows)[: 2 * side + side // 5]]


def _sized(predictor: Predictor, picture: np.ndarray) -> Sized:
    """A picture as a file that is decoded exactly."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", compress_level=0)
    scaled = predictor.decode_and_resize(file.getvalue())
    return Sized(picture, scaled, scaled)


def _splits(table: FeatureTable, head: Head) -> tuple[list[int], list[int]]:
    """Rows of the train and the validation split, mixed; of the latter, none that was trained on.

    Always in the same order.
    """
    decided = split_table(table)
    seen = trained_on(head, table)
    random = np.random.default_rng(0)
    train, validation = (random.permutation(decided.rows(name)) for name in (TRAIN, VALIDATION))
    if seen is not None:
        validation = validation[~seen[validation]]
    return train.tolist(), validation.tolist()


def _files(table: FeatureTable, rows: Iterable[int]) -> Iterator[bytes]:
    """The image files of rows that are still what they were."""
    for row in rows:
        data = _unchanged(table.paths[row], table.keys[row].content)
        if data is not None:
            yield data


def _fitted(
    predictor: Predictor, table: FeatureTable, rows: Sequence[int], most: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Rows with their images, of the network's size."""
    found = (
        (row, predictor.decode_and_resize(data)) for row in rows for data in _files(table, [row])
    )
    return itertools.islice(found, most)


def _training_files(head: Head, cache: str | os.PathLike[str] | None) -> Iterator[bytes]:
    """What the head was trained on, where the cache saw it."""
    name, fingerprint = head.training.get(ROWS), Recipe.from_dict(head.recipe).fingerprint
    try:
        with CacheFolder(cache, waits=False) as folder:
            kept = folder.training_rows(fingerprint, name) if isinstance(name, str) else None
            if kept is None:
                return
            keys = [kept[0][at] for at in np.random.default_rng(0).permutation(len(kept[0]))]
            for variant in folder.variants(fingerprint):
                paths = folder.open(fingerprint, variant).paths()
                for key in keys:
                    if key in paths:
                        data = _unchanged(os.fsdecode(paths[key]), key.content)
                        if data is not None:
                            yield data
                return
    except CacheError:  # it is not needed
        return


def _unchanged(path: str, content: bytes) -> bytes | None:
    try:
        data, _ = read(path)
    except ImageRejectedError:
        return None
    return data if hashlib.sha256(data).digest() == content else None
