"""Fitting a head by its name in the registry, to the layers that a head file holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .layers import Fitted
from .registry import HEADS, make_head, resolve

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from ..rows_on_disk import Rows


def fit_head(
    name: str,
    rows: Rows,
    labels: np.ndarray,
    *,
    sample_weight: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    validation: tuple[Any, ...] | None = None,
    on_epoch: Callable[[Any], object] = lambda epoch: None,
    **settings: Any,
) -> Fitted:
    """Fit a head that ends in layers.

    Parameters
    ----------
    name
        Of the registry.
    rows, labels
        float32, (n, d), in memory or on disk, and (n,).
    sample_weight
        float, (n,), ≥ 0: what each row weighs; None: 1.
    groups
        int, (n,): for a head that holds rows out to choose a setting or to stop, those that it
        keeps together; None: each is on its own.
    validation, on_epoch
        For a head whose `fit` takes them: rows and labels, and weights or not, by which it may
        stop, and what is called after each epoch.
    **settings
        Parameters of the head; those that it does not have are left out.

    Raises
    ------
    UsageError
        When a setting is out of range, or the rows cannot be trained on.
    """
    head = HEADS[name]
    if not head.from_disk:
        rows = rows[:]
        if validation is not None:
            validation = validation[0][:], *validation[1:]
    if head.fit:
        own = {key: value for key, value in settings.items() if key in head.settings}
        return resolve(head.fit)(rows, labels, sample_weight=sample_weight, groups=groups, **own)
    estimator: Any = make_head(name, **settings)
    from sklearn.utils.validation import has_fit_parameter

    given = {"groups": groups, "validation": validation, "on_epoch": on_epoch}
    taken = {key: value for key, value in given.items() if has_fit_parameter(estimator, key)}
    estimator.fit(rows, labels, sample_weight=sample_weight, **taken)
    return Fitted(estimator.layers_, estimator.training_facts())
