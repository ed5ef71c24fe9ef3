"""Transfer values of images, and what a head predicts of them."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from threadpoolctl import ThreadpoolController

from ..classifier.head import HeadAnswer
from .image_inputs import named
from .prediction import Prediction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..classifier import Head
    from .image_inputs import Input


class Row(NamedTuple):
    """Transfer values of one image, or why there are none."""

    given: Input
    values: np.ndarray | None
    """float32, (views, width): the first of the image itself."""
    error: str | None
    note: str | None = None
    """What may have made them of little use."""


def predictions_of(rows: Sequence[Row], head: Head, top: int | None) -> list[Prediction]:
    """What a head predicts of rows."""
    known = [row.values for row in rows if row.values is not None]
    with _libraries().limit(limits=1, user_api="blas"):  # their threads go on to spin for a while
        said = zip(*answer_to(head, np.stack(known)), strict=True) if known else iter(())
    predictions = []
    for row in rows:
        if row.values is None:
            predictions.append(Prediction(error=row.error, path=row.given.name))
            continue
        probabilities, unknown = next(said)
        ranked = rank(probabilities, head.classes, top)
        predictions.append(
            Prediction(ranked, unknown=bool(unknown), path=row.given.name, note=row.note)
        )
    return predictions


def answer_to(head: Head, values: np.ndarray) -> HeadAnswer:
    """What a head says of images, of some of which it sees several views.

    Probabilities are the mean over the views. Whether an image is of none of the classes is decided
    by the image itself, since the threshold was.

    Parameters
    ----------
    head
        Of the transfer values' extractor.
    values
        float32, (n, views, width): the first of each image is of the image itself.
    """
    n_images, n_views, width = values.shape
    said = head.answer(values.reshape(-1, width))
    if n_views == 1:
        return said
    probabilities = said.probabilities.reshape(n_images, n_views, -1).mean(axis=1)
    return HeadAnswer(probabilities, said.unknown.reshape(n_images, n_views)[:, 0])


@functools.cache
def _libraries() -> ThreadpoolController:
    """Those with threads of their own, which it takes milliseconds to find."""
    return ThreadpoolController()


def rank(
    probabilities: np.ndarray, classes: Sequence[str], top: int | None
) -> list[tuple[str, float]]:
    """(label, probability) of one row of probabilities (n_classes,), the highest first."""
    order = np.argsort(-probabilities, kind="stable")[:top]
    return [(str(classes[int(column)]), float(probabilities[column])) for column in order]


def reason_of(row: Row) -> str:
    """Why a row has no values, with the name of its image."""
    return named(row.given, row.error)
