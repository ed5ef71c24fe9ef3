"""Rows to train on: those of images, and those of their views beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..arguments import LEAST_WEIGHT
from ..rows_on_disk import Rows, RowsOnDisk

if TYPE_CHECKING:
    from collections.abc import Mapping


class TrainingRows(NamedTuple):
    """What the `fit` of a head takes."""

    features: Rows
    """float32, (n, d)."""
    labels: np.ndarray
    """(n,)."""
    weights: np.ndarray | None
    """float64, (n,): what each row weighs; None: 1."""
    groups: np.ndarray | None
    """int, (n,): equal for the views of an image, of which none is held out alone; None: there are
    no views."""

    def about(self) -> Mapping[str, Any]:
        """`weights` and `groups` as keywords of `fit`, as far as there are any."""
        named = {"sample_weight": self.weights, "groups": self.groups}
        return {name: value for name, value in named.items() if value is not None}


def training_rows(
    features: Rows,
    labels: np.ndarray,
    weights: np.ndarray | None = None,
    views: Rows | None = None,
) -> TrainingRows:
    """Rows of images, then those of their views, among which the weight of each is divided.

    So an image weighs as much as without views, against others and against a penalty.

    Parameters
    ----------
    features, labels
        float32, (n, d), and (n,): of images.
    weights
        float64, (n,), ≥ 0: what each image weighs; None: 1.
    views
        float32, (n, views, d): of the views of each; None for none. On disk, in the file of
        `features`, (n * views, d).
    """
    if views is None or views.shape[1] == 0:
        return TrainingRows(features, labels, weights, None)
    n_images = len(features)
    n_views = len(views) // n_images if isinstance(views, RowsOnDisk) else views.shape[1]
    image_of = np.concatenate([np.arange(n_images), np.repeat(np.arange(n_images), n_views)])
    of_image = np.ones(n_images) if weights is None else weights
    share = np.where(of_image > 0, np.maximum(of_image / (1 + n_views), LEAST_WEIGHT), 0)
    if isinstance(features, RowsOnDisk) and isinstance(views, RowsOnDisk):
        together: Rows = features.and_then(views)
    else:
        together = np.concatenate([features[:], views[:].reshape(-1, features.shape[1])])
    return TrainingRows(
        together,
        labels[image_of],
        share[image_of],
        image_of,
    )
